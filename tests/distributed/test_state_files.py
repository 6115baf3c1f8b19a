"""Spilled states: lossless, in unnamed files, deleted with their owner."""

import os
import pickle

import numpy as np
import pytest
from dask.sizeof import sizeof

from interp import StorageError
from interp.distributed import state_files as asides
from interp.distributed.state_files import MIN_SPILL_BYTES, SpilledState

RECORD = {"a/ծ": np.array(["ու", "t"]), "b": np.arange(3.0), "c": np.array(3), "d": np.zeros((2, 0), np.uint16)}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(asides, "worker_tmpdir", lambda: tmp_path)
    return tmp_path


def contents(record):
    return {name: (array.dtype, array.shape, array.tolist()) for name, array in record.items()}


def read(spilled):
    with spilled.open() as record:
        return contents(record)


def test_round_trip_here_and_in_another_process(here):
    spilled = SpilledState.write(RECORD.items())
    for _ in range(2):
        assert read(spilled) == contents(RECORD)
    buffers = []
    data = pickle.dumps(spilled, protocol=5, buffer_callback=buffers.append)
    assert len(data) < 200 < buffers[0].raw().nbytes <= sizeof(spilled), "no copy is made, and Dask knows the size"
    assert not buffers[0].raw().readonly, "a read-only buffer would be copied on arrival"
    for copy in (pickle.loads(data, buffers=buffers), pickle.loads(pickle.dumps(spilled))):
        assert read(copy) == contents(RECORD)
        assert os.fstat(copy.stream.fileno()).st_ino != os.fstat(spilled.stream.fileno()).st_ino


def test_file_is_unnamed_and_deleted_with_the_object(here):
    spilled = SpilledState.write(RECORD.items())
    assert list(here.iterdir()) == []
    number = spilled.stream.fileno()
    assert os.fstat(number).st_nlink == 0
    del spilled
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_only_large_states_are_spilled():
    half = np.zeros(MIN_SPILL_BYTES // 2, np.uint8)
    assert not asides.is_large({"a": half, "b": half})
    assert asides.is_large({"a": half, "b": half, "c": np.zeros(1)})


def test_full_disk_raises_storage_error(small_disk, monkeypatch):
    monkeypatch.setattr(asides, "worker_tmpdir", lambda: small_disk)
    with pytest.raises(StorageError, match=r"Can't write .*disk.*: no space left on device\. Free some space"):
        SpilledState.write({"a": np.ones(2**18)}.items())
    assert list(small_disk.iterdir()) == []
