"""Reducers over each unit: range, moments, histogram, saturation, contexts; counts of labels."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_summaries.contexts import TopContexts
from interp_summaries.labels import Labels
from interp_summaries.saturation import Saturation
from interp_summaries.units import Histogram, Moments, Range

__all__ = ["Histogram", "Labels", "Moments", "Range", "Saturation", "TopContexts"]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``range``, ``moments``, ``histogram``, ``labels``, ``saturation`` and ``top-contexts``."""
    for reducer in (Range, Moments, Histogram, Labels, Saturation, TopContexts):
        register(reducer)
