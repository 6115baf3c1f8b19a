"""Names and notes of units, in a file beside the store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interp import OptionError

SCHEMA = "interp.notes"
MAX_NOTE = 100_000  # characters
MAX_NAME = 200  # characters


class Notes:
    """Names and notes of units. Several sessions and programs can write them; no change is lost.

    The file is JSON: for each unit its ``name``, its ``note``, and ``earlier``, the previous names and notes. Each
    change rereads the file under a lock and replaces it atomically.

    Parameters
    ----------
    path : path
        Path of the file, such as ``ACTS.notes.json`` for a store ``ACTS.zarr``; created with the first note.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @classmethod
    def beside(cls, store: str | os.PathLike[str]) -> Notes:
        """Return the notes of a store."""
        store = Path(store).resolve()
        return cls(store.with_name(f"{store.stem}.notes.json"))

    def read(self) -> dict[str, dict[str, Any]]:
        """Return ``name`` and ``note`` by unit.

        Raises
        ------
        OptionError
            If the file is not a notes file of this version; it is left unchanged.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        try:
            content = json.loads(text)
            units = content["units"] if content["schema"] == SCHEMA and content["version"] == 1 else None
        except (ValueError, KeyError, TypeError):
            units = None
        if not isinstance(units, dict):
            raise OptionError(f"{self.path} is not a notes file that this version can read. Move it elsewhere.")
        return units

    def write(self, unit: str, name: str, note: str) -> dict[str, dict[str, Any]]:
        """Set the name and the note of a unit, append the previous ones to its ``earlier``, and return all notes.

        Raises
        ------
        OptionError
            If the name is longer than 200 characters or the note longer than 100,000, or the file can't be read or
            written.
        """
        if len(name) > MAX_NAME or len(note) > MAX_NOTE:
            raise OptionError(
                f"Expected a name of at most {MAX_NAME} characters and a note of at most {MAX_NOTE:,}; "
                f"got {len(name):,} and {len(note):,}."
            )
        try:
            with lock_file(self.path.with_name(f".{self.path.name}.lock")):
                units = self.read()
                entry = units.get(unit, {})
                if (entry.get("name", ""), entry.get("note", "")) != (name, note):
                    previous = [{key: entry[key] for key in ("name", "note")}] if entry else []
                    units[unit] = {"name": name, "note": note, "earlier": [*entry.get("earlier", []), *previous]}
                    from interp.plotting import write_atomically  # the command line imports this module

                    content = {"schema": SCHEMA, "version": 1, "units": units}
                    with write_atomically(self.path, durable=True) as stream:
                        stream.write(json.dumps(content, indent=1).encode())  # UTF-8 can't encode lone surrogates
        except OSError as error:
            raise OptionError(f"Can't write {self.path} ({error.strerror}). The note was not saved.") from error
        return units


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Hold an exclusive lock against other threads and programs; the system releases it if the process dies."""
    with path.open("a+b") as file:
        _lock(file.fileno())
        yield  # closing the file releases the lock


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined, unused-ignore]
        return
    fcntl.flock(handle, fcntl.LOCK_EX)
