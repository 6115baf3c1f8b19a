"""What is reproduced, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SUFFIX = "tyun"
"""The romanised suffix թյուն, which the article's cells fire on."""

GRAPHS = (("t", "ծ"), ("s", "_"), ("t", "թ"), ("h", "_"))
"""The pairs that the article draws as layered graphs."""

NEEDED = (*GRAPHS, ("h", "հ"))
"""All pairs that a claim names."""

QUANTITIES = ("h", "c", "i", "f", "g", "o", "c_prev")
"""Everything there is to read of an LSTM."""

MINIMUM, MINIMUM_SOURCES = 300, 50
"""Tokens and sources that each side of a pair must have; the article asks for the tokens."""

BINS = 1000
"""The article's, of its histograms."""

TOP, TOP_HIDDEN = 10, 12
"""How many h of each direction and how many hidden units the article shows."""

UNTRAINED = 3
"""Untrained networks that a claim is held against, of seeds in a row."""

CONTROLS = 999
"""Random groups of each kind that an ablated group is held against."""

LEVEL = 0.05
"""Of p, of the sign test and of ablations."""


@dataclass(frozen=True)
class Settings:
    """Options of a report.

    Parameters
    ----------
    corpus : Path, optional
        A text file, a Wikipedia dump, or a directory of them; without it the demo corpus.
    split : str
        Of the corpus.
    limit : int
        Samples.
    rules : str
        Of romanisation.
    seed : int
        Of the spellings, of the untrained networks and of all that is drawn.
    model : str
        A registered model.
    full : bool
        Ablations too.
    """

    corpus: Path | None = None
    split: str = "demo"
    limit: int = 5000
    rules: str = "article"
    seed: int = 0
    model: str = "armenian-bilstm"
    full: bool = False


def arrow(pair: tuple[str, str]) -> str:
    """Return the name of a pair in a result: ``t=>ծ``."""
    return "=>".join(pair)
