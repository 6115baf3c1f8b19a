"""Constants and options of a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SUFFIX = "tyun"
"""The romanised suffix թյուն, on which cells fire in the article."""

GRAPH_PAIRS = (("t", "ծ"), ("s", "_"), ("t", "թ"), ("h", "_"))
"""Pairs that the article draws as layered graphs."""

CLAIM_PAIRS = (*GRAPH_PAIRS, ("h", "հ"))
"""Pairs that the claims name."""

LSTM_QUANTITIES = ("h", "c", "i", "f", "g", "o", "c_prev")
"""All quantities of an LSTM."""

MIN_TOKENS, MIN_SOURCES = 300, 50
"""Minimum number of tokens and of sources on each side of a pair. The number of tokens is the article's."""

N_BINS = 1000
"""Number of histogram bins in the article."""

N_TOP, N_TOP_HIDDEN = 10, 12
"""Number of h units per direction and number of hidden units that the article shows."""

N_UNTRAINED = 3
"""Number of untrained networks that the trained one is compared with. Their seeds are consecutive."""

N_CONTROLS = 999
"""Number of random groups of each kind that an ablated group is compared with."""

ALPHA = 0.05
"""Significance level of the sign test and of the ablations."""


@dataclass(frozen=True)
class Settings:
    """Options of a report.

    Parameters
    ----------
    corpus : Path, optional
        Text file, Wikipedia dump, or directory of them. None, the default, is the demo corpus.
    split : str
        Split of the corpus.
    limit : int
        Number of samples.
    rules : str
        Rule set of the romanisation.
    seed : int
        Random seed for spellings, untrained networks and all permutations and random groups.
    model : str
        Name of a registered model.
    with_ablations : bool
        Whether to ablate the units that the claims name.
    """

    corpus: Path | None = None
    split: str = "demo"
    limit: int = 5000
    rules: str = "article"
    seed: int = 0
    model: str = "armenian-bilstm"
    with_ablations: bool = False


def pair_name(pair: tuple[str, str]) -> str:
    """Return the name of a pair in a result.

    Examples
    --------
    >>> pair_name(("t", "ծ"))
    't=>ծ'
    """
    return "=>".join(pair)
