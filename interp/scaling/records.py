"""States on disk: each file holds what was counted in some shards, and is there whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

import numpy as np

from interp.disk import lock
from interp.errors import OptionError

NAME = re.compile(r"(\d+)-(\d+)\.npz")
CALL = "call.json"
Record = Mapping[str, np.ndarray]
Range = tuple[int, int]


@contextmanager
def begun(folder: Path, call: Mapping[str, str]) -> Iterator[None]:
    """Make a directory for the records of a call, or see that it is one of the same call, and hold it.

    Raises
    ------
    OptionError
        A directory of another call, of something else, or in which another process is counting.
    """
    _begin(folder, call)
    held = lock(folder, f"Another process is counting into {folder}; wait until it ends, or stop it.")
    try:
        yield
    finally:
        if held >= 0:
            os.close(held)


def _begin(folder: Path, call: Mapping[str, str]) -> None:
    told = folder / CALL
    if not folder.exists():
        folder.mkdir(parents=True)
        put(told, json.dumps(dict(call), ensure_ascii=False, indent=1).encode())
    stored: dict[str, str] = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
    differing = [name for name in {**stored, **call} if stored.get(name) != call.get(name)]
    if differing:
        raise OptionError(
            f"{folder} holds what another call has counted; they differ in {', '.join(sorted(differing))}. Give that "
            "call again, or remove the directory."
        )


def remove(folder: Path) -> None:
    """Remove a directory of records, what says of which call they are last: it can be gone on with at any moment."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    shutil.rmtree(folder)


def recorded(folder: Path) -> dict[Range, Path]:
    """Return the records of a directory by the shards that they cover, the widest where several cover one.

    What they make superfluous, what can't be read and what was not finished is removed.
    """
    found: dict[Range, Path] = {}
    for path in folder.glob("*.partial"):
        path.unlink()
    named = [(match, path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    ranges = sorted(((int(match[1]), int(match[2]), path) for match, path in named), key=lambda one: (one[0], -one[1]))
    reach = 0
    for start, stop, path in ranges:
        if start >= reach and readable(path):
            found[start, stop], reach = path, stop
        else:
            path.unlink()
    return found


def place(folder: Path, start: int, stop: int) -> Path:
    """Return where the record of the shards from ``start`` to before ``stop`` stands."""
    return folder / f"{start:07d}-{stop:07d}.npz"


def write(record: Iterable[tuple[str, np.ndarray]], path: Path) -> None:
    """Write a record, all at once."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with aside.open("wb") as stream:
        save(record, stream)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)


def read(path: Path) -> dict[str, np.ndarray]:
    """Return a record."""
    with opened(path) as record:
        return dict(record)


@contextmanager
def opened(path: Path) -> Iterator[Record]:
    """Open a record, whose arrays are read when they are asked for; the sums that the archive keeps are checked."""
    with path.open("rb") as stream, loaded(stream) as record:
        yield record


def save(record: Iterable[tuple[str, np.ndarray]], stream: IO[bytes]) -> None:
    """Write a record to an open file as `numpy.savez` does, but one array at a time."""
    with ZipFile(stream, "w") as archive:
        for name, value in record:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, value, allow_pickle=False)


@contextmanager
def loaded(stream: IO[bytes]) -> Iterator[Record]:
    """Open the record of an open file."""
    with np.load(stream, allow_pickle=False) as held:
        yield held


def readable(path: Path) -> bool:
    """Return whether a record is whole."""
    try:
        with opened(path) as record:
            for name in record:
                record[name]
    except (BadZipFile, OSError, ValueError, EOFError):
        return False
    return True


def put(path: Path, data: bytes) -> None:
    """Write a file, all at once."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    aside.write_bytes(data)
    aside.replace(path)
