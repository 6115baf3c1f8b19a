"""What a claim's statistic came to on one network, and what follows from two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from interp import captions, one_pair
from interp_reproduction.settings import MINIMUM, arrow

if TYPE_CHECKING:
    import xarray as xr

    from interp_reproduction.runs import Run


@dataclass(frozen=True)
class Finding:
    """A statistic on one network.

    Parameters
    ----------
    text : str
        The figure as it stands in the table.
    holds : bool or None
        Whether the claim holds by its rule; None where it could not be measured.
    n : str
        Tokens / sources that it rests on.
    more : tuple of str
        Sentences with what lies behind the figure.
    numbers : mapping of str to float
        The figures at full precision.
    """

    text: str
    holds: bool | None
    n: str = ""
    more: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A claim of the article, in words of ours.

    Parameters
    ----------
    key : str
        ``C1`` to ``C7``.
    words : str
        What the article says.
    statistic : str
        What is computed, fixed in advance.
    rule : str
        When it holds.
    measure : callable
        ``measure(run)`` returns the finding.
    """

    key: str
    words: str
    statistic: str
    rule: str
    measure: Callable[[Run], Finding]


def missing(run: Run, *pairs: tuple[str, str]) -> Finding | None:
    """Return the finding that there are too few tokens of some pairs, or None where there are enough."""
    lacking = [pair for pair in pairs if arrow(pair) not in run.dist["pair"].values]
    return unmeasured(too_few(run, lacking)) if lacking else None


def unmeasured(reason: str) -> Finding:
    """Return the finding that a figure could not be measured, and why."""
    return Finding("not measured", None, more=(reason,))


def too_few(run: Run, pairs: list[tuple[str, str]]) -> str:
    """Return the sentence that says how many tokens of some pairs there are, and how many are needed."""
    said = [f"{arrow(pair)} has {' against '.join(f'{n:,}' for n in sides(run, pair))} tokens" for pair in pairs]
    return f"{', '.join(said)}; {MINIMUM} are needed on each side: raise --limit or give a larger corpus."


def sides(run: Run, pair: tuple[str, str]) -> tuple[int, int]:
    """Return the tokens of a pair, and the other tokens of its input."""
    among = run.acts["input"].values == pair[0]
    here = among & (run.acts["output"].values == pair[1])
    return int(here.sum()), int(among.sum() - here.sum())


def n_of(dist: xr.Dataset, pair: tuple[str, str]) -> str:
    """Return tokens / sources on both sides of a pair: ``1,112 / 214 against 20,112 / 590``."""
    one = one_pair(dist, arrow(pair))
    shown = [captions.counts(int(one[f"n_{side}"]), int(one[f"sources_{side}"])) for side in ("with", "without")]
    return " against ".join(shown)


def distances(dist: xr.Dataset, pair: tuple[str, str], direction: str | None = None, quantity: str = "h") -> np.ndarray:
    """Return the distances of one quantity for a pair, in the order of the units; one direction or both."""
    wanted = dist["quantity"].values == quantity
    if direction is not None:
        wanted = wanted & (dist["direction"].values == direction)
    values: np.ndarray = one_pair(dist, arrow(pair))["distance"].values[wanted]
    return values


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign: ``+0.31``, ``−0.02``."""
    return f"{value:+.{digits}f}".replace("-", "−")


def verdict(figures: Finding, trained: Finding, untrained: Finding) -> str:
    """Return what follows from a claim's figures: the trained network's on both sets of samples, the untrained one's.

    Parameters
    ----------
    figures : Finding
        The trained network on the samples of the figures.
    trained, untrained : Finding
        Both networks on the same samples.
    """
    if trained.holds is None:
        return "Undecided: too few tokens."
    if figures.holds is not None and figures.holds != trained.holds:
        return "Undecided: it holds on one of the two sets of samples only."
    if not trained.holds:
        return "Does not hold." + (" It would in the untrained network." if untrained.holds else "")
    if untrained.holds is None:
        return "Holds; not measured in the untrained network."
    if untrained.holds:
        return "Holds, but also untrained: the architecture and the input."
    return "Holds, and not in the untrained network: learned; correlational."
