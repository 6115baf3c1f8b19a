"""What a claim's statistic came to on one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from interp_reproduction.estimates import Estimate, shown
from interp_reproduction.settings import MINIMUM, MINIMUM_SOURCES, arrow

if TYPE_CHECKING:
    from interp_reproduction.evidence import Evidence
    from interp_reproduction.runs import Run


@dataclass(frozen=True)
class Finding:
    """A statistic on one network.

    Parameters
    ----------
    text : str
        The figure as it stands in the table.
    holds : bool or None
        True where the claim holds by its rule, False where the figure contradicts it, None where neither can be said.
    why : str
        Why not, if so.
    n : str
        Tokens / sources that it rests on.
    more : tuple of str
        Sentences with what lies behind the figure.
    numbers : mapping of str to float
        The figures at full precision.
    parts : mapping of str to Estimate
        Figures that have intervals, by name.
    sign : int
        +1 where the claim says that they are above 0, -1 where below.
    """

    text: str
    holds: bool | None
    why: str = ""
    n: str = ""
    more: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, Estimate] = field(default_factory=dict)
    sign: int = 1


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
        ``measure(evidence)`` returns the finding.
    turns : bool
        Whether it can be measured in a rotated basis too.
    """

    key: str
    words: str
    statistic: str
    rule: str
    measure: Callable[[Evidence], Finding]
    turns: bool = False


def from_parts(parts: Mapping[str, Estimate], sign: int, n: str, more: Sequence[str] = ()) -> Finding:
    """Return the finding of figures that the claim says are above 0, or with ``sign`` -1 below 0."""
    holds = shown([part * sign for part in parts.values()])
    numbers = {name: part.value for name, part in parts.items()}
    numbers |= {f"{name} {end}": value for name, part in parts.items()
                for end, value in zip(("low", "high"), part.ends, strict=True)}  # fmt: skip
    return Finding(
        text=listed(parts),
        holds=holds,
        why="" if holds is not None else "the interval holds 0",
        n=n,
        more=tuple(more),
        numbers=numbers,
        parts=parts,
        sign=sign,
    )


def listed(parts: Mapping[str, Estimate]) -> str:
    """Return figures with their intervals; where there are several, a name before each."""
    several = len(parts) > 1
    return ", ".join((f"{name} " if several else "") + with_ends(part) for name, part in parts.items())


def with_ends(part: Estimate) -> str:
    """Return a figure with its interval: ``+0.19 [+0.15, +0.23]``."""
    low, high = part.ends
    return f"{signed(part.value)} [{signed(low)}, {signed(high)}]" if np.isfinite(low) else signed(part.value)


def missing(evidence: Evidence, *pairs: tuple[str, str]) -> Finding | None:
    """Return the finding that there are too few tokens of some pairs, or None where there are enough."""
    lacking = [pair for pair in pairs if not evidence.has(pair)]
    return unmeasured(too_few({pair: evidence.counts[arrow(pair)] for pair in lacking})) if lacking else None


def unmeasured(reason: str, why: str = "too few tokens") -> Finding:
    """Return the finding that a figure could not be measured, and why."""
    return Finding("not measured", None, why, more=(reason,))


def too_few(counts: Mapping[tuple[str, str], Sequence[int]]) -> str:
    """Return the sentence that says how many tokens and sources of some pairs a half has, and how many are needed."""
    said = [f"{arrow(pair)} has {a:,} / {b:,} against {c:,} / {d:,}" for pair, (a, b, c, d) in counts.items()]
    return (
        f"In the smaller half of the sources {', '.join(said)} tokens / sources; {MINIMUM} / {MINIMUM_SOURCES} are "
        "needed on each side: raise --limit or give a larger corpus."
    )


def sides(run: Run, pair: tuple[str, str]) -> tuple[int, int]:
    """Return the tokens of a pair, and the other tokens of its input."""
    among = run.acts["input"].values == pair[0]
    here = among & (run.acts["output"].values == pair[1])
    return int(here.sum()), int(among.sum() - here.sum())


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign: ``+0.31``, ``−0.02``."""
    return f"{value:+.{digits}f}".replace("-", "−")
