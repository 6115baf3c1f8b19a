"""How well each unit tells apart what an input may become: the Hellinger distance of its two histograms."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_hellinger.contrasts import pairs
from interp_hellinger.differences import difference, knowledge, learned
from interp_hellinger.distance import hellinger
from interp_hellinger.edges import Edges
from interp_hellinger.reducer import Hellinger
from interp_hellinger.tokens import Tokens

__all__ = ["Hellinger", "difference", "hellinger", "knowledge", "learned", "pairs"]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``hellinger`` and the two passes that it needs."""
    for reducer in (Hellinger, Tokens, Edges):
        register(reducer)


@hookimpl
def register_viewers(register: Callable[[Any], None]) -> None:
    """Register ``histogram-pair`` and ``top-pairs``."""
    from interp_hellinger.best import top_pairs
    from interp_hellinger.viewers import histogram_pair

    register(histogram_pair)
    register(top_pairs)
