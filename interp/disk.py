"""Directories that are written to: one writer at a time, and what the disk says as a sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interp.errors import OptionError, StorageError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk says of a path, or of what stands beside it, into a `StorageError`.

    Parameters
    ----------
    path : Path
        What is being written.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError) or error.errno not in {*FULL, *CLOSED} or not _is_at(error.filename, path):
            raise
        what = os.strerror(error.errno).lower()
        remedy = "Free some room" if error.errno in FULL else "Choose another place, or get the right to write there"
        raise StorageError(f"{path} can't be written: {what}. {remedy}, and give the same call again.") from error


def _is_at(name: str | bytes | int | None, path: Path) -> bool:
    """Return whether an error is of a path or its neighbours; a full disk names no file."""
    return name is None or path.absolute().parent in Path(os.fsdecode(str(name))).absolute().parents


def lock(folder: Path, message: str) -> int:
    """Lock a directory for as long as the process lives, whatever it is named later; return what `os.close` unlocks.

    Returns -1 on a system without such locks.

    Raises
    ------
    OptionError
        With the message, where another process has it.
    """
    try:
        import fcntl
    except ImportError:
        return -1
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(held)
        raise OptionError(message) from error
    return held
