"""Reducers that others need: range, moments and histogram of each unit, counts of labels."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_summaries.labels import Labels
from interp_summaries.units import Histogram, Moments, Range

__all__ = ["Histogram", "Labels", "Moments", "Range"]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``range``, ``moments``, ``histogram`` and ``labels``."""
    for reducer in (Range, Moments, Histogram, Labels):
        register(reducer)
