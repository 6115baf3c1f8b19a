"""All units at once and each by itself: overview, gate saturation, unit card, two models, hypotheses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interp import hookimpl


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register ``overview``."""
    from interp_units.overview import overview

    for drawn in (overview,):
        register(drawn)
