"""A report's directory: made aside, put in its place whole, never over anything that is not a report."""

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
    """Give a directory to fill, which takes the place of ``path`` when all went well and vanishes otherwise.

    Parameters
    ----------
    path : Path
        Does not exist, is empty, or holds a report, which is replaced. The directory above it exists.

    Yields
    ------
    Path
        An empty directory beside it.

    Raises
    ------
    OptionError
        Before anything is done: where a report can't be put there. Also where writing fails later.
    """
    path = Path(path).resolve()
    check(path)
    draft = _draft(path)
    try:
        yield draft
        _put(draft, path)
    except OSError as error:
        raise OptionError(f"The report could not be written to {path}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check(path: Path) -> None:
    """Raise `OptionError` where something stands at ``path`` that is not a report, or no directory above it."""
    if not path.parent.is_dir():
        raise OptionError(f"There is no directory {path.parent} for the report. Make it, or type another --output.")
    if path.exists() and not path.is_dir():
        raise OptionError(f"{path} is a file. Type another --output.")
    if path.is_dir() and any(path.iterdir()) and not is_report(path):
        raise OptionError(f"{path} holds something that is no report, and is not replaced. Type another --output.")


def is_report(path: Path) -> bool:
    """Return whether a directory holds a report of ours."""
    try:
        told = json.loads((path / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and told.get("schema") == SCHEMA


def _draft(path: Path) -> Path:
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise OptionError(f"Can't write in {path.parent} ({error.strerror}). Type another --output.") from error
    draft.chmod(0o755)
    return draft


def _put(draft: Path, path: Path) -> None:
    """Rename the draft to its place; what stood there goes away after that, and comes back if it can't."""
    if not path.exists():
        draft.rename(path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
    path.rename(aside / "old")
    try:
        draft.rename(path)
    except OSError:
        (aside / "old").rename(path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
