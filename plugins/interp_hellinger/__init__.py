"""Selectivity of units for the outputs of an input: the Hellinger distance between two histograms of activations."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_hellinger.bin_edges_pass import BinEdgesPass
from interp_hellinger.comparison import difference, learned_units, selectivity_summary
from interp_hellinger.hellinger import Hellinger
from interp_hellinger.pairs import candidate_pairs
from interp_hellinger.significance import hellinger_distance
from interp_hellinger.token_pass import TokenPass

__all__ = [
    "Hellinger", "candidate_pairs", "difference", "hellinger_distance", "learned_units", "selectivity_summary",
]  # fmt: skip


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``hellinger`` and the two passes that it needs."""
    for reducer in (Hellinger, TokenPass, BinEdgesPass):
        register(reducer)


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register ``histogram-pair`` and ``top-pairs``."""
    from interp_hellinger.histogram_pair_viewer import histogram_pair
    from interp_hellinger.top_pairs_viewer import top_pairs

    register(histogram_pair)
    register(top_pairs)
