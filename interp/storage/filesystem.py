"""Atomic writes, exclusive locks on directories, and storage errors with a remedy."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import BinaryIO

from interp.errors import OptionError, StorageError

FULL_DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
PERMISSION_ERRNOS = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def write_atomically(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a draft beside a file and rename it to the file at the end of the block; after an error, delete the draft.

    Readers see the old content or the complete new content, never a part.

    Parameters
    ----------
    path : Path
        File to write or replace, in an existing directory.
    durable : bool
        Flush the draft to the disk before it is renamed, so that the content survives a power failure.

    Yields
    ------
    binary file
        The draft, open for writing.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}-{get_ident()}.partial")
    try:
        with draft.open("wb") as stream:
            yield stream
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Convert errors of a full or read-only disk at a path, or beside it, to `StorageError`.

    Parameters
    ----------
    path : Path
        File or directory that is being written.
    """
    try:
        yield
    except OSError as error:
        if (
            isinstance(error, StorageError)
            or error.errno not in {*FULL_DISK_ERRNOS, *PERMISSION_ERRNOS}
            or not _concerns(error.filename, path)
        ):
            raise
        reason = os.strerror(error.errno).lower()
        remedy = "Free some space" if error.errno in FULL_DISK_ERRNOS else "Choose another path or get write permission"
        raise StorageError(f"Can't write {path}: {reason}. {remedy}, then run the same call again.") from error


def _concerns(name: str | bytes | int | None, path: Path) -> bool:
    """Return whether an error is about a path or its siblings; errors of a full disk name no file."""
    return name is None or path.absolute().parent in Path(os.fsdecode(str(name))).absolute().parents


def exclusive_lock(folder: Path, message: str) -> int:
    """Lock a directory until the process ends, even if the directory is renamed.

    Parameters
    ----------
    folder : Path
        Existing directory.
    message : str
        Text of the error.

    Returns
    -------
    int
        Descriptor that `os.close` unlocks; -1 on a system without such locks.

    Raises
    ------
    OptionError
        Another process holds the lock.
    """
    try:
        import fcntl
    except ImportError:
        return -1
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise OptionError(message) from error
    return descriptor
