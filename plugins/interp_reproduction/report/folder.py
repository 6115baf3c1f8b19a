"""Directory of a report. It is written to a temporary directory, then renamed, and never replaces anything else."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interp import OptionError

MARKER, SCHEMA = "report.json", "interp.report"


@contextmanager
def new_report(path: Path) -> Iterator[Path]:
    """Yield an empty directory to fill; rename it to ``path`` at the end, or remove it if an error occurs.

    Parameters
    ----------
    path : Path
        Destination. It does not exist, is empty, or contains a report, which is replaced. Its parent exists.

    Yields
    ------
    Path
        Empty directory beside it.

    Raises
    ------
    OptionError
        If a report cannot be written there; raised before any work. Also if writing fails later.
    """
    path = Path(path).resolve()
    check_destination(path)
    draft = _make_draft(path)
    try:
        yield draft
        _rename_into_place(draft, path)
    except OSError as error:
        raise OptionError(f"Cannot write the report to {path}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_destination(path: Path) -> None:
    """Raise `OptionError` if ``path`` is anything but a report or an empty directory, or has no parent directory."""
    if not path.parent.is_dir():
        raise OptionError(f"There is no directory {path.parent} for the report. Create it, or use another --output.")
    if path.exists() and not path.is_dir():
        raise OptionError(f"{path} is a file. Use another --output.")
    if path.is_dir() and any(path.iterdir()) and not is_report(path):
        raise OptionError(f"{path} contains something that is not a report. Use another --output.")


def is_report(path: Path) -> bool:
    """Return whether a directory contains a report of ``interp reproduce``."""
    try:
        marker = json.loads((path / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(marker, dict) and marker.get("schema") == SCHEMA


def _make_draft(path: Path) -> Path:
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise OptionError(f"Cannot write in {path.parent} ({error.strerror}). Use another --output.") from error
    draft.chmod(0o755)
    return draft


def _rename_into_place(draft: Path, path: Path) -> None:
    """Rename the draft to its destination; remove the old report afterwards, or restore it if that fails."""
    if not path.exists():
        draft.rename(path)
        return
    backup = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
    path.rename(backup / "old")
    try:
        draft.rename(path)
    except OSError:
        (backup / "old").rename(path)
        raise
    finally:
        shutil.rmtree(backup, ignore_errors=True)
