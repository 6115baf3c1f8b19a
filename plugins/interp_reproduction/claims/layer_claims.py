"""C1, C4, C5 and C7: which direction knows, what one unit knows, how many units take part."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from interp_reproduction.estimates import Estimate
from interp_reproduction.evidence import distances, n_of, of_kind, with_groups
from interp_reproduction.findings import Claim, Finding, from_parts, missing, unmeasured
from interp_reproduction.numbers import best, participation, percentile, rank
from interp_reproduction.settings import MINIMUM, MINIMUM_SOURCES, TOP, arrow

if TYPE_CHECKING:
    from interp_reproduction.evidence import Evidence

DIRECTIONS = ("backward", "forward")
NEURONS, PAIRS = 0.1, 2.0  # C7 holds from a tenth of the units a pair and two pairs a unit on
FEWEST = 5  # pairs to speak of several
BEST, OTHERS = ("s", "_"), (("h", "_"), ("h", "հ"))  # of C5


def top_mean(evidence: Evidence, pair: tuple[str, str], direction: str) -> Estimate:
    """Return the mean H of the ten h of a direction that are best on one half of the sources, on the other half."""
    top = best(distances(evidence.chosen, pair, direction), TOP)
    value, left = with_groups(evidence.measured, pair, direction)
    return Estimate(float(value[top].mean()), left[:, top].mean(axis=1))


def gap(evidence: Evidence, *, pairs: tuple[tuple[str, str], ...], sign: int) -> Finding:
    """Return the mean H of the top ten backward h minus that of the top ten forward h, for each pair.

    Parameters
    ----------
    evidence : Evidence
        Of one network.
    pairs : tuple of (str, str)
        That the claim names.
    sign : int
        +1 where the backward units are to know more, -1 where the forward ones are.
    """
    lacking = missing(evidence, *pairs)
    if lacking:
        return lacking
    means = {pair: [top_mean(evidence, pair, side) for side in DIRECTIONS] for pair in pairs}
    several = len(pairs) > 1
    n = "; ".join((f"{arrow(pair)} " if several else "") + n_of(evidence.measured, pair) for pair in pairs)
    said = [f"{arrow(pair)}: top {TOP} backward {back.value:.3f}, forward {forth.value:.3f}."
            for pair, (back, forth) in means.items()]  # fmt: skip
    return from_parts({arrow(pair): back - forth for pair, (back, forth) in means.items()}, sign, n, said)


def best_of_all(evidence: Evidence) -> int:
    """Return the forward h that is best for s=>_ on the first half of the sources, by its place among them."""
    return int(best(distances(evidence.chosen, BEST, "forward"), 1)[0])


def one_unit_many(evidence: Evidence) -> Finding:
    """Return the rank, for h=>_ and h=>հ, of the forward h that is best for s=>_."""
    lacking = missing(evidence, BEST, *OTHERS)
    if lacking:
        return lacking
    unit, dist = best_of_all(evidence), evidence.measured
    values = {pair: distances(dist, pair, "forward") for pair in (BEST, *OTHERS)}
    knows = {pair: bool(dist["knows"].sel(pair=arrow(pair)).values[of_kind(dist, "forward")][unit]) for pair in OTHERS}
    ranks = {pair: rank(values[pair], unit) for pair in OTHERS}
    shares = {pair: percentile(values[pair], unit) for pair in OTHERS}
    parts = [f"{ranks[pair]} of {values[pair].size} for {arrow(pair)}" for pair in OTHERS]
    heights = ", ".join(f"{arrow(pair)} {values[pair][unit]:.3f}" for pair in values)
    places = ", ".join(f"{shares[pair]:.1f} % of the others for {arrow(pair)}" for pair in OTHERS)
    told = ", ".join(f"{'knows' if known else 'does not know'} {arrow(pair)}" for pair, known in knows.items())
    return Finding(
        text=f"#{unit}: rank " + ", ".join(parts),
        holds=all(knows.values()) and all(place <= TOP for place in ranks.values()),
        n="; ".join(f"{arrow(pair)} {n_of(dist, pair)}" for pair in (BEST, *OTHERS)),
        more=(f"Forward h #{unit}: {heights}. It exceeds {places}. It {told}.",),
        numbers={"unit": unit} | {f"rank {arrow(pair)}": place for pair, place in ranks.items()}
        | {f"percentile {arrow(pair)}": share for pair, share in shares.items()}
        | {f"knows {arrow(pair)}": float(known) for pair, known in knows.items()},
    )  # fmt: skip


def take_part(evidence: Evidence) -> Finding:
    """Return how many h know a pair, how many pairs an h knows, and the participation ratio of D = H²."""
    known = evidence.known
    if known.sizes["pair"] < FEWEST:
        reason = f"{known.sizes['pair']} pairs have {MINIMUM} tokens and {MINIMUM_SOURCES} sources on each side"
        return unmeasured(f"{reason}; {FEWEST} are needed.", "too few pairs")
    knows = known["knows"].transpose("unit", "pair").values
    ratio = participation(np.maximum(known["distance"].transpose("unit", "pair").values, 0) ** 2, axis=0)
    neurons, decisions = float(np.median(knows.sum(axis=0))), float(np.median(knows.sum(axis=1)))
    few = known.isel(pair=int(np.argmin(np.minimum(known.n_with.values, known.n_without.values))))
    smallest = (str(few["pair_input"].values), str(few["pair_output"].values))
    units, pairs = knows.shape
    counts = knows.sum(axis=0)
    ends = [f"{known['pair'].values[at]} {counts[at]}" for at in (counts.argmin(), counts.argmax())]
    return Finding(
        text=f"{neurons:.0f} of {units} units a pair, {decisions:.0f} of {pairs} pairs a unit",
        holds=neurons >= NEURONS * units and decisions >= PAIRS,
        n=f"{pairs} pairs, the smallest {arrow(smallest)} {n_of(known, smallest)}",
        more=(
            f"Medians. Units that know a pair from {ends[0]} to {ends[1]}; pairs that a unit knows from "
            f"{knows.sum(axis=1).min()} to {knows.sum(axis=1).max()}. Participation ratio of D: {np.median(ratio):.0f} "
            f"units in the median pair, from {ratio.min():.0f} to {ratio.max():.0f}.",
        ),
        numbers={"units a pair": neurons, "pairs a unit": decisions, "units": units, "pairs": pairs,
                 "participation": float(np.median(ratio))},
    )  # fmt: skip


CLAIMS = {
    "C1": Claim(
        "C1",
        "Whether a t becomes ծ is told by the backward LSTM, the only one that has seen the next letter.",
        f"Mean H of the top {TOP} backward h minus that of the top {TOP} forward h, for t=>ծ.",
        "the interval of the difference lies above 0",
        partial(gap, pairs=(("t", "ծ"),), sign=1),
        turns=True,
    ),
    "C4": Claim(
        "C4",
        "Whether an s or an h is only the second letter of ts, sh, ch … is told by the forward LSTM.",
        "The same difference, for s=>_ and h=>_.",
        "the intervals of both differences lie below 0",
        partial(gap, pairs=(("s", "_"), ("h", "_")), sign=-1),
        turns=True,
    ),
    "C5": Claim(
        "C5",
        "One forward unit that is best for s=>_ also separates h=>_ and h=>հ.",
        "The rank of the best forward h for s=>_ among the forward h, for h=>_ and h=>հ.",
        f"it knows both, and is among the top {TOP} for both",
        one_unit_many,
        turns=True,
    ),
    "C7": Claim(
        "C7",
        "Many neurons take part in each decision, and most neurons in several.",
        "How many h units know a pair, and how many pairs an h unit knows; the participation ratio (Σ D)² / Σ D² of "
        "D = H² over the units.",
        f"at least {NEURONS:.0%} of the units know the median pair, and the median unit knows {PAIRS:.0f} pairs at "
        "least",
        take_part,
        turns=True,
    ),
}
