"""Progress bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def track(items: Iterable[Item], show: bool, what: str = "capture") -> Iterator[Item]:
    """Yield the items, with a progress bar on standard error if that is a terminal and ``show`` is true."""
    if not show or not sys.stderr.isatty():
        yield from items
        return
    from rich import progress
    from rich.console import Console

    yield from progress.track(items, what, console=Console(stderr=True), transient=True)
