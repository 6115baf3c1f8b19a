"""Cell strips: text, letter by letter, each on a background as strong as the activation of a unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interp import hookimpl


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register the viewer ``cell-strips``."""
    from interp_cell_strips.viewer import cell_strips

    register(cell_strips)
