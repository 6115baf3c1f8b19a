"""Full and read-only disks, and concurrent writers: clear errors without loss of data."""

import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from helpers.laws import small

import interp
from interp import OptionError, StorageError
from interp.activations import resumable as keeping
from interp.distributed.recovery import check_store
from interp.measurement import sharding as shards

ACTS = small(7, samples=60, units=20)
WRITERS = ("save", "capture", "states")


@contextmanager
def no_file_over(size):
    """Limit the size of files written by this process, like a quota, without privileges."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(keeping, "BLOCK_ROWS", 128)
    monkeypatch.setattr(shards, "TOKENS_PER_SHARD", 60)


def write(writer, folder):
    """Write something into a folder, and return it as read back."""
    if writer == "save":
        return interp.open(interp.save(ACTS, folder / "acts.zarr")).load()
    if writer == "states":
        return interp.measure("moments", ACTS, checkpoint_dir=folder / "states")
    task = interp.load_task("transliteration")
    options = {"batches": task.batches("demo", limit=40), "modules": ["hidden"]}
    return interp.capture(interp.load_model("armenian-bilstm"), store=folder / "acts.zarr", **options).load()


def same(actual, expected):
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(actual[name].values, variable.values, err_msg=str(name))


@pytest.mark.parametrize("writer", WRITERS)
def test_full_disks_are_an_error_and_the_call_resumes_with_space(writer, small_disk, tmp_path):
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
        stream.writelines([b"0" * 1024] * 200)
    os.truncate(filler, filler.stat().st_size - (40_000 if writer == "capture" else 4_096))
    with pytest.raises(StorageError, match=r"Can't write .*: no space left on device\. Free some space"):
        write(writer, small_disk)
    if writer == "capture" and (small_disk / "acts.zarr").exists():
        assert check_store(small_disk / "acts.zarr"), "the store is reported as unfinished"
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    same(write(writer, small_disk), write(writer, tmp_path))
    names = {path.name for path in small_disk.iterdir()}
    assert names == {"states" if writer == "states" else "acts.zarr"}


@pytest.mark.parametrize("writer", WRITERS)
def test_file_size_limits_are_the_same_error(writer, tmp_path):
    with no_file_over(2_000), pytest.raises(StorageError, match=r"Can't write .*: file too large\. Free some space"):
        write(writer, tmp_path)
    (tmp_path / "other").mkdir()
    same(write(writer, tmp_path), write(writer, tmp_path / "other"))


@pytest.mark.parametrize("writer", WRITERS)
def test_read_only_disks_are_an_error_and_stores_on_them_open(writer, small_disk, tmp_path):
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    interp.save(ACTS, small_disk / "there.zarr")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StorageError, match=r"Can't write .*: read-only file system\. Choose another path"):
        write(writer, small_disk)
    same(interp.open(small_disk / "there.zarr"), ACTS)
    assert not check_store(small_disk / "there.zarr")


def test_errors_of_other_files_are_not_converted(tmp_path):
    def batches():
        raise PermissionError(13, "Permission denied", "/somewhere/else/text.txt")
        yield

    with pytest.raises(PermissionError, match=r"text\.txt") as caught:
        interp.capture(interp.load_model("armenian-bilstm"), batches(), store=tmp_path / "acts.zarr")
    assert not isinstance(caught.value, StorageError)


def test_concurrent_saves_leave_one_complete_store(tmp_path):
    def attempt(number):
        try:
            interp.save(ACTS.assign_attrs(seed=number), tmp_path / "acts.zarr")
        except OptionError as error:
            return str(error)
        return "done"

    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(attempt, range(4)))
        assert outcomes.count("done") == 1
        assert all(end == "done" or " exists. " in end or "Another process has written" in end for end in outcomes)
        same(interp.open(tmp_path / "acts.zarr"), ACTS)
        assert not check_store(tmp_path / "acts.zarr")
        assert [path.name for path in tmp_path.iterdir()] == ["acts.zarr"]
        subprocess.run(["rm", "-r", str(tmp_path / "acts.zarr")], check=True)


def test_state_directories_are_locked(tmp_path):
    program = f"""
import sys
from helpers.laws import small
import interp
from interp.storage.filesystem import exclusive_lock
exclusive_lock({str(tmp_path / "states")!r}, "")
print("locked", flush=True)
sys.stdin.read()
"""
    expected = interp.measure("moments", ACTS, checkpoint_dir=tmp_path / "states")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as other:
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(OptionError, match=r"Another process is writing states to .*states"):
            interp.measure("moments", ACTS, checkpoint_dir=tmp_path / "states")
        other.kill()
    same(interp.measure("moments", ACTS, checkpoint_dir=tmp_path / "states"), expected)
