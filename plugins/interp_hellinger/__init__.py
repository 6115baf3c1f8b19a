"""How well each unit tells apart what an input may become: the Hellinger distance of its two histograms."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_hellinger.bin_edges_pass import Edges
from interp_hellinger.comparison import difference, knowledge, learned
from interp_hellinger.hellinger import Hellinger
from interp_hellinger.pairs import pairs
from interp_hellinger.significance import hellinger
from interp_hellinger.token_pass import Tokens

__all__ = ["Hellinger", "difference", "hellinger", "knowledge", "learned", "pairs"]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``hellinger`` and the two passes that it needs."""
    for reducer in (Hellinger, Tokens, Edges):
        register(reducer)


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register ``histogram-pair`` and ``top-pairs``."""
    from interp_hellinger.histogram_pair_viewer import histogram_pair
    from interp_hellinger.top_pairs_viewer import top_pairs

    register(histogram_pair)
    register(top_pairs)
