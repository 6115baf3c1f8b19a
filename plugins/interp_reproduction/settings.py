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

MINIMUM, BINS = 300, 1000
"""The article's: tokens that each side of a pair must have, and bins of its histograms."""

TOP, TOP_HIDDEN = 10, 12
"""How many h of each direction and how many hidden units the article shows."""


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
        Samples for the figures.
    control_limit : int
        Samples on which the trained and the untrained network are compared.
    rules : str
        Of romanisation.
    seed : int
        Of the spellings and of the untrained network.
    model : str
        A registered model.
    """

    corpus: Path | None = None
    split: str = "demo"
    limit: int = 5000
    control_limit: int = 2000
    rules: str = "article"
    seed: int = 0
    model: str = "armenian-bilstm"


def arrow(pair: tuple[str, str]) -> str:
    """Return the name of a pair in a result: ``t=>ծ``."""
    return "=>".join(pair)
