"""Partial states of a reduction on disk. Each file covers a range of shards and is written atomically."""

from __future__ import annotations

import json
import mmap
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self, SupportsIndex
from zipfile import BadZipFile, ZipFile

import numpy as np

from interp.distributed.executors import pickle_buffer
from interp.errors import OptionError
from interp.storage.filesystem import exclusive_lock, storage_errors, write_atomically

STATE_NAME = re.compile(r"(\d+)-(\d+)\.npz")
CALL_FILE = "call.json"
StateArrays = Mapping[str, np.ndarray]
ShardRange = tuple[int, int]


@contextmanager
def open_directory(folder: Path, call: Mapping[str, str]) -> Iterator[None]:
    """Lock the state directory of a call; create it, or check that the same call created it.

    Raises
    ------
    OptionError
        The directory belongs to another call, has other content, or is in use by another process.
    """
    _create_or_check(folder, call)
    descriptor = exclusive_lock(
        folder, f"Another process is writing states to {folder}. Wait until it ends, or stop it."
    )
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _create_or_check(folder: Path, call: Mapping[str, str]) -> None:
    call_file = folder / CALL_FILE
    if not folder.exists():
        folder.mkdir(parents=True)
        with write_atomically(call_file) as stream:
            stream.write(json.dumps(dict(call), ensure_ascii=False, indent=1).encode())
    stored: dict[str, str] = json.loads(call_file.read_text(encoding="utf-8")) if call_file.is_file() else {}
    differing = [name for name in {**stored, **call} if stored.get(name) != call.get(name)]
    if differing:
        raise OptionError(
            f"{folder} holds the states of a different call. Differences: {', '.join(sorted(differing))}. Run that "
            "call again, or remove the directory."
        )


def delete_directory(folder: Path) -> None:
    """Delete a state directory. `call.json` goes last, so that an interrupted delete leaves a resumable directory."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    shutil.rmtree(folder)


def find_states(folder: Path) -> dict[ShardRange, Path]:
    """Return the state files of a directory by the range of shards that they cover, the widest where ranges overlap.

    Superseded, unreadable and unfinished files are removed.
    """
    paths: dict[ShardRange, Path] = {}
    for path in folder.glob("*.partial"):
        path.unlink()
    matches = [(match, path) for path in folder.iterdir() if (match := STATE_NAME.fullmatch(path.name))]
    spans = sorted(((int(match[1]), int(match[2]), path) for match, path in matches), key=lambda one: (one[0], -one[1]))
    covered = 0
    for start, stop, path in spans:
        if start >= covered and is_readable(path):
            paths[start, stop], covered = path, stop
        else:
            path.unlink()
    return paths


def state_path(folder: Path, start: int, stop: int) -> Path:
    """Return the path of the state of the shards ``start`` to ``stop`` (exclusive)."""
    return folder / f"{start:07d}-{stop:07d}.npz"


def write_state(record: Iterable[tuple[str, np.ndarray]], path: Path) -> None:
    """Write a state file atomically."""
    with write_atomically(path, durable=True) as stream:
        save_arrays(record, stream)


def read_state(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a state file."""
    with open_state_file(path) as record:
        return dict(record)


@contextmanager
def open_state_file(path: Path) -> Iterator[StateArrays]:
    """Open a state file; arrays are read on access and checked against the checksums of the archive."""
    with path.open("rb") as stream, load_arrays(stream) as record:
        yield record


def save_arrays(record: Iterable[tuple[str, np.ndarray]], stream: IO[bytes]) -> None:
    """Write a state to an open file in the format of `numpy.savez`, one array at a time."""
    with ZipFile(stream, "w") as archive:
        for name, value in record:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, value, allow_pickle=False)


@contextmanager
def load_arrays(stream: IO[bytes]) -> Iterator[StateArrays]:
    """Open the state in an open file."""
    with np.load(stream, allow_pickle=False) as record:
        yield record


def is_readable(path: Path) -> bool:
    """Return whether all arrays of a state file can be read."""
    try:
        with open_state_file(path) as record:
            for name in record:
                record[name]
    except (BadZipFile, OSError, ValueError, EOFError):
        return False
    return True


MIN_SPILL_BYTES = 2**26  # bytes: smaller states stay in memory
_LAST_WORKER_DIR: list[Path] = []  # the directory of the last worker that ran a call in this process


class SpilledState:
    """A state in an unnamed temporary file, deleted with its worker; unpickling writes it to a new unnamed file.

    Parameters
    ----------
    stream : binary file
        The state, in the format of `save_arrays`.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.lock = stream, threading.Lock()

    @classmethod
    def write(cls, record: Iterable[tuple[str, np.ndarray]]) -> Self:
        """Write a state, one array at a time.

        Parameters
        ----------
        record : iterable of (str, array)
            Names and arrays.

        Raises
        ------
        StorageError
            The disk is full.
        """
        return cls._from_writer(lambda stream: save_arrays(record, stream))

    @classmethod
    def receive(cls, data: Any) -> Self:
        """Write the bytes of a file received from another worker."""
        return cls._from_writer(lambda stream: stream.write(data))

    @classmethod
    def _from_writer(cls, fill: Callable[[IO[bytes]], object]) -> Self:
        folder = worker_tmpdir()
        with storage_errors(folder / "record"):
            stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed with the object)
            fill(stream)
            stream.flush()
        return cls(stream)

    @contextmanager
    def open(self) -> Iterator[StateArrays]:
        """Open the state; arrays are read on access."""
        with self.lock:
            self.stream.seek(0)
            with load_arrays(self.stream) as record:
                yield record

    def __sizeof__(self) -> int:
        return os.fstat(self.stream.fileno()).st_size  # for Dask: limits how many are fetched at once

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        data = mmap.mmap(self.stream.fileno(), 0, access=mmap.ACCESS_COPY)  # the receiver would copy a read-only buffer
        return SpilledState.receive, (pickle_buffer(data, protocol),)


def worker_tmpdir() -> Path:
    """Return the local directory of the current worker, or the system's temporary directory outside of a worker.

    Received states are unpickled outside of any task; then it is the directory of the worker that ran the last task.
    """
    with suppress(ImportError, ValueError):
        from distributed import get_worker

        _LAST_WORKER_DIR[:] = [Path(get_worker().local_directory)]
    return _LAST_WORKER_DIR[0] if _LAST_WORKER_DIR else Path(tempfile.gettempdir())


def is_large(record: StateArrays) -> bool:
    """Return whether a state is larger than `MIN_SPILL_BYTES` and belongs on disk."""
    return sum(value.nbytes for value in record.values()) > MIN_SPILL_BYTES
