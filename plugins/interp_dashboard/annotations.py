"""Names and notes of units, in a file beside the store."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interp import OptionError

SCHEMA = "interp.notes"
LONGEST = 100_000  # characters of a note
NAME = 200


class Notes:
    """Names and notes of units: read and written by several sessions and programs, each change kept.

    The file is JSON: for each unit its ``name``, its ``note``, and ``earlier``, what it had before. A change reads the
    file anew under a lock, and puts the new one in its place in one go.

    Parameters
    ----------
    path : path
        ``ACTS.notes.json`` for a store ``ACTS.zarr``; made by the first note.
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
            For a file of something else; it is left as it is.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        try:
            held = json.loads(text)
            units = held["units"] if held["schema"] == SCHEMA and held["version"] == 1 else None
        except (ValueError, KeyError, TypeError):
            units = None
        if not isinstance(units, dict):
            raise OptionError(f"{self.path} is no file of notes that this version reads. Move it elsewhere.")
        return units

    def write(self, unit: str, name: str, note: str) -> dict[str, dict[str, Any]]:
        """Set the name and the note of a unit, and return all; what it had before goes to its ``earlier``.

        Raises
        ------
        OptionError
            For longer texts than 200 and 100,000 characters, and where the file can't be read or written.
        """
        if len(name) > NAME or len(note) > LONGEST:
            raise OptionError(f"A name has at most {NAME} characters and a note {LONGEST:,}; type less.")
        try:
            with locked(self.path.with_name(f".{self.path.name}.lock")):
                units = self.read()
                had = units.get(unit, {})
                if (had.get("name", ""), had.get("note", "")) != (name, note):
                    past = [*had.get("earlier", []), {key: had[key] for key in ("name", "note")}] if had else []
                    units[unit] = {"name": name, "note": note, "earlier": past}
                    self._replace({"schema": SCHEMA, "version": 1, "units": units})
        except OSError as error:
            raise OptionError(f"Can't write {self.path} ({error.strerror}). The note is not saved.") from error
        return units

    def _replace(self, content: dict[str, Any]) -> None:
        handle, draft = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file, ensure_ascii=True, indent=1)  # lone surrogates have no UTF-8
                file.flush()
                os.fsync(file.fileno())
            Path(draft).chmod(0o644)
            Path(draft).replace(self.path)
        finally:
            Path(draft).unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other threads and programs wait for; it is free again when its holder dies."""
    with path.open("a+b") as file:
        _lock(file.fileno())
        yield  # closing the file lets go


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined, unused-ignore]
        return
    fcntl.flock(handle, fcntl.LOCK_EX)
