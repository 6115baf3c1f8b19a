"""What a result of the honest mode says of itself, in sentences that a paper can quote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from interp_hellinger.hellinger import Hellinger

BIASED = 200  # sources on a side, below which the estimate is known to be off: see the table of intervals


def method(probe: Hellinger, result: xr.Dataset, resolved: str) -> str:
    """Return the paragraph on how distances, intervals, p and q came about."""
    given, becomes = probe.labels
    bins = " or ".join(str(k) for k in np.unique(result["bins"].values))
    kept = f", within tokens of one {' and '.join(probe.given)}" if probe.given else ""
    control = {"bh": "Benjamini-Hochberg", "by": "Benjamini-Yekutieli"}[probe.correction]
    return (
        "Squared Hellinger distance D = 1 - sum_k sqrt(p_k q_k) between the laws of a unit's activation over tokens of "
        f"one {given} with one {becomes} and over all other tokens of that {given}, in {bins} bins of equal mass "
        f"(equal values share a bin), for pairs with at least {probe.minimum} tokens and {probe.minimum_sources} "
        "sources on each side. D was corrected for bias, and its 95 % interval made, by a jackknife that leaves out "
        "one of 20 groups of sources (hash of the source) at a time; distance = sign(D) sqrt|D|, the ends of its "
        "interval alike; the area under the ROC curve is from the same counts. "
        f"Null: {probe.draws} shuffles of the {becomes} among tokens of one {given}{kept}, whole sources as blocks, "
        f"the same for all units (seed {probe.seed}); each D was standardised by the shuffles of its unit, each "
        "shuffle by the others; p from the standardised shuffles of all units of one quantity together, for each pair; "
        f"q by {control} over {result['q'].size:,} tests, units x pairs. "
        f"A unit knows a pair where q < {probe.level:g} and the interval of the distance lies above {probe.least:g}. "
        f"{resolved}{_few(result)}"
    )


def _few(result: xr.Dataset) -> str:
    fewest = np.minimum(result["sources_with"].values, result["sources_without"].values)
    few = int((fewest < BIASED).sum())
    if not few:
        return ""
    return (
        f" In {few} of {fewest.size} pairs a side has under {BIASED} sources (fewest: {fewest.min()}): their distances "
        "are biased by up to some hundredths."
    )


def resolution(p: np.ndarray, size: np.ndarray, kinds: np.ndarray, level: float) -> str:
    """Return what the number of shuffles can resolve: the smallest p, and how many tests must reach it together.

    Parameters
    ----------
    p, size : array (unit, pair)
        Of `nulls.pooled`.
    kinds : array (unit,)
        The quantities.
    level : float
        Of q.
    """
    drawn = size[size > 0]
    if not drawn.size:
        return "All shuffles gave the same: no p can be told."
    smallest = 1 / (1 + drawn.min())
    needed = max(int(np.ceil(p.size * smallest / level - 1e-9)), 1)
    said = f"The smallest p is {smallest:.2g}"
    rarest = min(int((kinds == kind).sum()) for kind in np.unique(kinds)) * p.shape[1]
    if needed <= 1:
        return f"{said}: one test alone can reach q < {level:g}."
    if needed <= rarest:
        return f"{said}: {needed:,} of {p.size:,} tests must reach it together for q < {level:g}."
    short = f"too coarse for q < {level:g}: {needed:,} of {p.size:,} tests would have to reach it together"
    return f"{said}, {short}; raise draws=."
