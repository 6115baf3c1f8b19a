"""Summaries of units and labels, contributions between units, and agreement of results."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_summaries.agreement import agreement
from interp_summaries.contributions import Contributions, contributions
from interp_summaries.labels import Labels
from interp_summaries.saturation import Saturation
from interp_summaries.top_contexts import TopContexts
from interp_summaries.unit_summaries import Histogram, Moments, Range

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
