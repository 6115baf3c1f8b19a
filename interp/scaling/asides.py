"""Large records on the disk of the worker that counted them, so that what waits to be merged takes no memory."""

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

LARGE = 2**26  # bytes: smaller records stay in memory
USED: list[Path] = []  # the directory of the worker of this process, once a call has told


class Aside:
    """A record in a file without a name, which is gone with its worker; elsewhere it becomes such a file again.

    Parameters
    ----------
    stream : binary file
        Of the record, as `records.save` writes it.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.lock = stream, threading.Lock()

    @classmethod
    def of(cls, record: Iterable[tuple[str, np.ndarray]]) -> Self:
        """Write a record that is told array by array.

        Raises
        ------
        StorageError
            Where the disk is full.
        """
        return cls._filled(lambda stream: records.save(record, stream))

    @classmethod
    def arrived(cls, data: Any) -> Self:
        """Write the bytes of a file that was sent."""
        return cls._filled(lambda stream: stream.write(data))

    @classmethod
    def _filled(cls, fill: Callable[[IO[bytes]], object]) -> Self:
        folder = scratch()
        with writing(folder / "record"):
            stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed with the object)
            fill(stream)
            stream.flush()
        return cls(stream)

    @contextmanager
    def opened(self) -> Iterator[Record]:
        """Open the record, whose arrays are read when they are asked for."""
        with self.lock:
            self.stream.seek(0)
            with records.loaded(self.stream) as record:
                yield record

    def __sizeof__(self) -> int:
        return os.fstat(self.stream.fileno()).st_size  # so that a worker fetches few of them at a time

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        data = mmap.mmap(self.stream.fileno(), 0, access=mmap.ACCESS_COPY)  # a read-only one would arrive as a copy
        return Aside.arrived, (sent(data, protocol),)


def scratch() -> Path:
    """Return the directory of the worker that this runs on; of none, that of temporary files.

    What arrives is unpickled outside of any call: then it is the worker of the last call.
    """
    with suppress(ImportError, ValueError):
        from distributed import get_worker

        USED[:] = [Path(get_worker().local_directory)]
    return USED[0] if USED else Path(tempfile.gettempdir())


def is_large(record: Record) -> bool:
    """Return whether a record is better kept on disk."""
    return sum(value.nbytes for value in record.values()) > LARGE
