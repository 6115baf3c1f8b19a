"""A disk that is full or closed, and two that write at once: an error that says so, and nothing is lost."""

import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from laws import small

import interp
from interp import OptionError, StorageError
from interp.capturing import keeping
from interp.doctor import examine
from interp.scaling import shards

ACTS = small(7, samples=60, units=20)
WRITERS = ("save", "capture", "states")


@contextmanager
def no_file_over(size):
    """Let no file of this process grow beyond a size, as a quota does; it needs no rights."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(keeping, "BLOCK", 128)
    monkeypatch.setattr(shards, "TOKENS", 60)


def write(how, folder):
    """Write something into a folder, and return it as it is read again."""
    if how == "save":
        return interp.open(interp.save(ACTS, folder / "acts.zarr")).load()
    if how == "states":
        return interp.measure("moments", ACTS, states=folder / "states")
    task = interp.load_task("transliteration")
    asked = {"batches": task.batches("demo", limit=40), "modules": ["hidden"]}
    return interp.capture(interp.load_model("armenian-bilstm"), store=folder / "acts.zarr", **asked).load()


def same(found, wanted):
    for name, held in wanted.variables.items():
        np.testing.assert_array_equal(found[name].values, held.values, err_msg=str(name))


@pytest.mark.parametrize("how", WRITERS)
def test_a_full_disk_is_an_error_and_with_room_the_same_call_goes_on(how, small_disk, tmp_path):
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
        stream.writelines([b"0" * 1024] * 200)
    os.truncate(filler, filler.stat().st_size - (40_000 if how == "capture" else 4_096))
    with pytest.raises(StorageError, match=r"can't be written: no space left on device\. Free some room"):
        write(how, small_disk)
    if how == "capture" and (small_disk / "acts.zarr").exists():
        assert examine(small_disk / "acts.zarr"), "the doctor finds that it is not finished"
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    same(write(how, small_disk), write(how, tmp_path))
    left = {path.name for path in small_disk.iterdir()}
    assert left == {"states" if how == "states" else "acts.zarr"}


@pytest.mark.parametrize("how", WRITERS)
def test_a_file_that_may_not_grow_is_the_same_error(how, tmp_path):
    with no_file_over(2_000), pytest.raises(StorageError, match=r"can't be written: file too large\. Free some room"):
        write(how, tmp_path)
    (tmp_path / "other").mkdir()
    same(write(how, tmp_path), write(how, tmp_path / "other"))


@pytest.mark.parametrize("how", WRITERS)
def test_where_nothing_may_be_written_it_is_said_and_what_is_there_is_read(how, small_disk, tmp_path):
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    interp.save(ACTS, small_disk / "there.zarr")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StorageError, match=r"can't be written: read-only file system\. Choose another place"):
        write(how, small_disk)
    same(interp.open(small_disk / "there.zarr"), ACTS)
    assert not examine(small_disk / "there.zarr")


def test_errors_of_other_files_stay_what_they_are(tmp_path):
    def batches():
        raise PermissionError(13, "Permission denied", "/somewhere/else/text.txt")
        yield

    with pytest.raises(PermissionError, match=r"text\.txt") as caught:
        interp.capture(interp.load_model("armenian-bilstm"), batches(), store=tmp_path / "acts.zarr")
    assert not isinstance(caught.value, StorageError)


def test_two_that_save_at_once_leave_one_whole_store(tmp_path):
    def attempt(number):
        try:
            interp.save(ACTS.assign_attrs(seed=number), tmp_path / "acts.zarr")
        except OptionError as error:
            return str(error)
        return "done"

    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            ends = list(pool.map(attempt, range(4)))
        assert ends.count("done") == 1
        assert all(end == "done" or " exists. " in end or "written by another process" in end for end in ends)
        same(interp.open(tmp_path / "acts.zarr"), ACTS)
        assert not examine(tmp_path / "acts.zarr")
        assert [path.name for path in tmp_path.iterdir()] == ["acts.zarr"]
        subprocess.run(["rm", "-r", str(tmp_path / "acts.zarr")], check=True)


def test_states_are_counted_by_one_process_at_a_time(tmp_path):
    program = f"""
import sys
from laws import small
import interp
from interp.disk import lock
lock({str(tmp_path / "states")!r}, "")
print("held", flush=True)
sys.stdin.read()
"""
    wanted = interp.measure("moments", ACTS, states=tmp_path / "states")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(OptionError, match=r"Another process is counting into .*states"):
            interp.measure("moments", ACTS, states=tmp_path / "states")
        other.kill()
    same(interp.measure("moments", ACTS, states=tmp_path / "states"), wanted)
