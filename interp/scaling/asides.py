"""Spill large partial states to the worker's local disk while they wait to be merged."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self, SupportsIndex

import numpy as np

from interp.disk import writing
from interp.scaling import records
from interp.scaling.engines import sent
from interp.scaling.records import Record

LARGE = 2**26  # bytes: smaller states stay in memory
USED: list[Path] = []  # the directory of the last worker that ran a call in this process


class Aside:
    """A state in an unnamed temporary file, deleted with its worker; unpickling writes it to a new unnamed file.

    Parameters
    ----------
    stream : binary file
        The state, in the format of `records.save`.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.lock = stream, threading.Lock()

    @classmethod
    def of(cls, record: Iterable[tuple[str, np.ndarray]]) -> Self:
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
        return cls._from_writer(lambda stream: records.save(record, stream))

    @classmethod
    def arrived(cls, data: Any) -> Self:
        """Write the bytes of a file received from another worker."""
        return cls._from_writer(lambda stream: stream.write(data))

    @classmethod
    def _from_writer(cls, fill: Callable[[IO[bytes]], object]) -> Self:
        folder = scratch()
        with writing(folder / "record"):
            stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed with the object)
            fill(stream)
            stream.flush()
        return cls(stream)

    @contextmanager
    def opened(self) -> Iterator[Record]:
        """Open the state; arrays are read on access."""
        with self.lock:
            self.stream.seek(0)
            with records.loaded(self.stream) as record:
                yield record

    def __sizeof__(self) -> int:
        return os.fstat(self.stream.fileno()).st_size  # for Dask: limits how many are fetched at once

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        data = mmap.mmap(self.stream.fileno(), 0, access=mmap.ACCESS_COPY)  # the receiver would copy a read-only buffer
        return Aside.arrived, (sent(data, protocol),)


def scratch() -> Path:
    """Return the local directory of the current worker, or the system's temporary directory outside of a worker.

    Received states are unpickled outside of any task; then it is the directory of the worker that ran the last task.
    """
    with suppress(ImportError, ValueError):
        from distributed import get_worker

        USED[:] = [Path(get_worker().local_directory)]
    return USED[0] if USED else Path(tempfile.gettempdir())


def is_large(record: Record) -> bool:
    """Return whether a state is larger than `LARGE` and belongs on disk."""
    return sum(value.nbytes for value in record.values()) > LARGE
