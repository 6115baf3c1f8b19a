"""Summaries: range, moments, histogram, saturation and contexts of units, counts of labels, edges, agreement."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_summaries.agree import agreement
from interp_summaries.contexts import TopContexts
from interp_summaries.edges import Contributions, contributions
from interp_summaries.labels import Labels
from interp_summaries.saturation import Saturation
from interp_summaries.units import Histogram, Moments, Range

__all__ = [
    "Contributions",
    "Histogram",
    "Labels",
    "Moments",
    "Range",
    "Saturation",
    "TopContexts",
    "agreement",
    "contributions",
]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register the reducers."""
    for reducer in (Range, Moments, Histogram, Labels, Saturation, TopContexts, Contributions):
        register(reducer)
