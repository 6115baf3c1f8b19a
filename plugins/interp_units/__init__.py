"""All units at once and each by itself: overview, gate saturation, unit card, two models, hypotheses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interp import hookimpl


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``hypothesis``."""
    from interp_units.hypothesis import hypothesis

    register(hypothesis)


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register the views of units."""
    from interp_units.card import unit_card
    from interp_units.compare import compare
    from interp_units.found import hypothesis_view
    from interp_units.overview import overview
    from interp_units.saturation import saturation_map

    for drawn in (overview, saturation_map, hypothesis_view, unit_card, compare):
        register(drawn)
