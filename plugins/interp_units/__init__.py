"""Views of all units and of single units, comparison of two models, and search for units with a given pattern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interp import hookimpl


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``hypothesis``."""
    from interp_units.hypothesis.probe import hypothesis

    register(hypothesis)


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register the views of units."""
    from interp_units.compare import compare
    from interp_units.hypothesis.viewer import hypothesis_view
    from interp_units.overview import overview
    from interp_units.saturation_map import saturation_map
    from interp_units.unit_card.viewer import unit_card

    for view in (overview, saturation_map, hypothesis_view, unit_card, compare):
        register(view)
