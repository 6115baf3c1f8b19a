"""Value of a claim's statistic on one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from interp_reproduction.estimators import Estimate, all_positive
from interp_reproduction.settings import MIN_SOURCES, MIN_TOKENS, pair_name

if TYPE_CHECKING:
    from interp_reproduction.claims.evidence import Evidence


@dataclass(frozen=True)
class Finding:
    """Value of a statistic on one network.

    Parameters
    ----------
    text : str
        Figure as the table shows it.
    holds : bool or None
        True if the claim holds by its rule, False if the figure contradicts it, None if neither is certain.
    reason : str
        Reason why it is uncertain.
    n : str
        Number of tokens / sources behind the figure.
    details : tuple of str
        Sentences with further figures.
    numbers : mapping of str to float
        Figures at full precision.
    parts : mapping of str to Estimate
        Figures that have intervals, by name.
    sign : int
        +1 if the claim says that the parts are above 0, -1 if below.
    """

    text: str
    holds: bool | None
    reason: str = ""
    n: str = ""
    details: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, Estimate] = field(default_factory=dict)
    sign: int = 1


def from_estimates(parts: Mapping[str, Estimate], sign: int, n: str, details: Sequence[str] = ()) -> Finding:
    """Return the finding of estimates that the claim says are above 0, or with ``sign`` -1 below 0."""
    holds = all_positive([part * sign for part in parts.values()])
    numbers = {name: part.value for name, part in parts.items()}
    numbers |= {f"{name} {end}": value for name, part in parts.items()
                for end, value in zip(("ci_low", "ci_high"), part.interval, strict=True)}  # fmt: skip
    return Finding(
        text=format_estimates(parts),
        holds=holds,
        reason="" if holds is not None else "the interval contains 0",
        n=n,
        details=tuple(details),
        numbers=numbers,
        parts=parts,
        sign=sign,
    )


def format_estimates(parts: Mapping[str, Estimate]) -> str:
    """Return estimates with their intervals, and with their names if there are several."""
    several = len(parts) > 1
    return ", ".join((f"{name} " if several else "") + format_estimate(part) for name, part in parts.items())


def format_estimate(part: Estimate) -> str:
    """Return an estimate with its interval: ``+0.19 [+0.15, +0.23]``."""
    low, high = part.interval
    value = format_signed(part.value)
    return f"{value} [{format_signed(low)}, {format_signed(high)}]" if np.isfinite(low) else value


def missing_pairs(evidence: Evidence, *pairs: tuple[str, str]) -> Finding | None:
    """Return the finding that some pairs have too few tokens, or None if all have enough."""
    rare = [pair for pair in pairs if not evidence.has(pair)]
    return not_measured(too_few_tokens({pair: evidence.counts[pair_name(pair)] for pair in rare})) if rare else None


def not_measured(detail: str, reason: str = "too few tokens") -> Finding:
    """Return the finding that a figure could not be measured, with the reason."""
    return Finding("not measured", None, reason, details=(detail,))


def too_few_tokens(counts: Mapping[tuple[str, str], Sequence[int]]) -> str:
    """Return the sentence that compares tokens and sources of some pairs in one half with the required numbers."""
    sides = [f"{pair_name(pair)} has {a:,} / {b:,} against {c:,} / {d:,}" for pair, (a, b, c, d) in counts.items()]
    return (
        f"In the smaller half of the sources {', '.join(sides)} tokens / sources; {MIN_TOKENS} / {MIN_SOURCES} are "
        "required on each side: raise --limit or use a larger corpus."
    )


def format_signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign: ``+0.31``, ``−0.02``."""
    return f"{value:+.{digits}f}".replace("-", "−")
