"""Large records on the disk of the worker that counted them, so that what waits to be merged takes no memory."""

from __future__ import annotations

import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from interp.disk import writing
from interp.scaling import records
from interp.scaling.records import Record

LARGE = 2**26  # bytes: smaller records stay in memory


class Aside:
    """A record in a file without a name, which is gone with its worker; elsewhere it arrives as a plain record.

    Parameters
    ----------
    record : dict of str to ndarray

    Raises
    ------
    StorageError
        Where the disk is full.
    """

    def __init__(self, record: Record) -> None:
        self.lock = threading.Lock()
        folder = scratch()
        with writing(folder / "record"):
            self.stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed with the object)
            records.save(record, self.stream)

    def record(self) -> Record:
        """Return the record."""
        with self.lock:
            self.stream.seek(0)
            return records.load(self.stream)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self.record(),)


def scratch() -> Path:
    """Return the directory of the worker that this runs on, or that of temporary files."""
    with suppress(ImportError, ValueError):
        from distributed import get_worker

        return Path(get_worker().local_directory)
    return Path(tempfile.gettempdir())


def is_large(record: Record) -> bool:
    """Return whether a record is better kept on disk."""
    return sum(value.nbytes for value in record.values()) > LARGE
