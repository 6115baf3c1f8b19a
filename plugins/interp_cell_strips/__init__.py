"""Cell strips: text, letter by letter, on backgrounds coloured by the activation of units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interp import hookimpl


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register ``cell-strips``, ``attribution-strip`` and ``before-after``."""
    from interp_cell_strips.attribution_strip import attribution_strip
    from interp_cell_strips.before_after import before_after
    from interp_cell_strips.cell_strips import cell_strips

    for viewer in (cell_strips, attribution_strip, before_after):
        register(viewer)
