"""A record that waits on disk: as it was, seen by nobody, gone with its holder."""

import os
import pickle

import numpy as np
import pytest
from dask.sizeof import sizeof

from interp import StorageError
from interp.scaling import asides
from interp.scaling.asides import LARGE, Aside

RECORD = {"a/ծ": np.array(["ու", "t"]), "b": np.arange(3.0), "c": np.array(3), "d": np.zeros((2, 0), np.uint16)}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(asides, "scratch", lambda: tmp_path)
    return tmp_path


def told(record):
    return {name: (held.dtype, held.shape, held.tolist()) for name, held in record.items()}


def read(aside):
    with aside.opened() as record:
        return told(record)


def test_it_comes_back_as_it_was_also_elsewhere(here):
    held = Aside.of(RECORD.items())
    for _ in range(2):
        assert read(held) == told(RECORD)
    buffers = []
    data = pickle.dumps(held, protocol=5, buffer_callback=buffers.append)
    assert len(data) < 200 < buffers[0].raw().nbytes <= sizeof(held), "no copy is made, and the size is known"
    assert not buffers[0].raw().readonly, "or a copy is made where it arrives"
    for elsewhere in (pickle.loads(data, buffers=buffers), pickle.loads(pickle.dumps(held))):
        assert read(elsewhere) == told(RECORD)
        assert os.fstat(elsewhere.stream.fileno()).st_ino != os.fstat(held.stream.fileno()).st_ino


def test_its_file_has_no_name_and_goes_with_it(here):
    held = Aside.of(RECORD.items())
    assert list(here.iterdir()) == []
    number = held.stream.fileno()
    assert os.fstat(number).st_nlink == 0
    del held
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_only_large_records_wait_there():
    half = np.zeros(LARGE // 2, np.uint8)
    assert not asides.is_large({"a": half, "b": half})
    assert asides.is_large({"a": half, "b": half, "c": np.zeros(1)})


def test_a_full_disk_is_an_error_that_names_it(small_disk, monkeypatch):
    monkeypatch.setattr(asides, "scratch", lambda: small_disk)
    with pytest.raises(StorageError, match=r"disk.* can't be written: no space left on device\. Free some room"):
        Aside.of({"a": np.ones(2**18)}.items())
    assert list(small_disk.iterdir()) == []
