"""Cell strips: text, letter by letter, each on a background as strong as the activation of a unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interp import hookimpl


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register ``cell-strips``, ``attribution-strip`` and ``before-after``."""
    from interp_cell_strips.attribution import attribution_strip
    from interp_cell_strips.edited import before_after
    from interp_cell_strips.viewer import cell_strips

    for drawn in (cell_strips, attribution_strip, before_after):
        register(drawn)
