"""C1, C4, C5 and C7: which direction knows, what one unit knows, how many units take part."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from interp_reproduction.findings import Claim, Finding, distances, missing, n_of, signed, unmeasured
from interp_reproduction.numbers import best, flat_floor, participation, percentile, rank, top_mean
from interp_reproduction.settings import BINS, TOP, arrow

if TYPE_CHECKING:
    import xarray as xr

    from interp_reproduction.runs import Run

DIRECTIONS = ("backward", "forward")
NEURONS, PAIRS = 0.1, 2.0  # C7 holds from a tenth of the units a pair and two pairs a unit on
FEWEST = 5  # pairs to speak of several


def gap(run: Run, *, pairs: tuple[tuple[str, str], ...], sign: int) -> Finding:
    """Return the mean H of the top ten backward h minus that of the top ten forward h, for each pair.

    Parameters
    ----------
    pairs : tuple of (str, str)
        That the claim names.
    sign : int
        +1 where the backward units are to know more, -1 where the forward ones are.
    """
    lacking = missing(run, *pairs)
    if lacking:
        return lacking
    means = {pair: [top_mean(distances(run.dist, pair, side), TOP) for side in DIRECTIONS] for pair in pairs}
    gaps = {pair: back - forth for pair, (back, forth) in means.items()}
    several = len(pairs) > 1
    return Finding(
        text=", ".join((f"{arrow(pair)} " if several else "") + signed(value) for pair, value in gaps.items()),
        holds=all(sign * value > 0 for value in gaps.values()),
        n="; ".join((f"{arrow(pair)} " if several else "") + n_of(run.dist, pair) for pair in pairs),
        more=tuple(sentence for pair in pairs for sentence in _behind(run, pair, *means[pair])),
        numbers={f"gap {arrow(pair)}": value for pair, value in gaps.items()},
    )


def _behind(run: Run, pair: tuple[str, str], back: float, forth: float) -> list[str]:
    one = run.dist.sel(pair=arrow(pair))
    floor = flat_floor(int(one.n_with), int(one.n_without), BINS)
    said = [
        f"{arrow(pair)}: top {TOP} backward {back:.3f}, forward {forth:.3f}. Two samples of one flat law would be "
        f"{floor:.2f} apart at this n."
    ]
    held_out = _held_out(run.chosen, run.measured, pair)
    if held_out is not None:
        said.append(f"{arrow(pair)}: chosen on one half of the sources, measured on the other, {signed(held_out)}.")
    return said


def _held_out(chosen: xr.Dataset | None, measured: xr.Dataset | None, pair: tuple[str, str]) -> float | None:
    """Return the gap of the units that are best on one half of the sources, measured on the other half."""
    if chosen is None or measured is None or any(arrow(pair) not in half["pair"].values for half in (chosen, measured)):
        return None
    means = []
    for side in DIRECTIONS:
        top = best(distances(chosen, pair, side), TOP)
        means.append(float(distances(measured, pair, side)[top].mean()))
    return means[0] - means[1]


def one_unit_many(run: Run) -> Finding:
    """Return the rank, for h=>_ and h=>հ, of the forward h unit that is best for s=>_."""
    first, others = ("s", "_"), (("h", "_"), ("h", "հ"))
    lacking = missing(run, first, *others)
    if lacking:
        return lacking
    values = {pair: distances(run.dist, pair, "forward") for pair in (first, *others)}
    unit = int(best(values[first], 1)[0])
    ranks = {pair: rank(values[pair], unit) for pair in others}
    shares = {pair: percentile(values[pair], unit) for pair in others}
    parts = [f"{ranks[pair]} of {values[pair].size} for {arrow(pair)}" for pair in others]
    heights = ", ".join(f"{arrow(pair)} {values[pair][unit]:.3f}" for pair in values)
    places = ", ".join(f"{shares[pair]:.1f} % of the others for {arrow(pair)}" for pair in others)
    return Finding(
        text=f"#{unit}: rank " + ", ".join(parts),
        holds=all(place <= TOP for place in ranks.values()),
        n="; ".join(f"{arrow(pair)} {n_of(run.dist, pair)}" for pair in (first, *others)),
        more=(f"Forward h #{unit}: {heights}. It exceeds {places}.",),
        numbers={"unit": unit} | {f"rank {arrow(pair)}": place for pair, place in ranks.items()}
        | {f"percentile {arrow(pair)}": share for pair, share in shares.items()},
    )  # fmt: skip


def take_part(run: Run) -> Finding:
    """Return the participation ratio of D = H²: h units per pair, and pairs per h unit."""
    if run.dist.sizes["pair"] < FEWEST:
        return unmeasured(f"{run.dist.sizes['pair']} pairs have enough tokens; {FEWEST} are needed.")
    shares = run.dist["distance"].values[run.dist["quantity"].values == "h"] ** 2
    per_pair, per_unit = participation(shares, axis=0), participation(shares, axis=1)
    units, pairs = shares.shape
    neurons, decisions = float(np.median(per_pair)), float(np.median(per_unit))
    few = run.dist.isel(pair=int(np.argmin(np.minimum(run.dist.n_with.values, run.dist.n_without.values))))
    smallest = (str(few["pair_input"].values), str(few["pair_output"].values))
    ends = [f"{run.dist['pair'].values[at]} {per_pair[at]:.0f}" for at in (per_pair.argmin(), per_pair.argmax())]
    return Finding(
        text=f"{neurons:.0f} of {units} units a pair, {decisions:.1f} of {pairs} pairs a unit",
        holds=neurons >= NEURONS * units and decisions >= PAIRS,
        n=f"{pairs} pairs, the smallest {arrow(smallest)} {n_of(run.dist, smallest)}",
        more=(
            f"Medians. Units a pair from {ends[0]} to {ends[1]}; pairs a unit from {per_unit.min():.1f} to "
            f"{per_unit.max():.1f}. The floor of H counts every unit a little, so both are upper limits.",
        ),
        numbers={"units a pair": neurons, "pairs a unit": decisions, "units": units, "pairs": pairs},
    )


CLAIMS = {
    "C1": Claim(
        "C1",
        "Whether a t becomes ծ is told by the backward LSTM, the only one that has seen the next letter.",
        f"Mean H of the top {TOP} backward h minus that of the top {TOP} forward h, for t=>ծ.",
        "the difference is above 0",
        partial(gap, pairs=(("t", "ծ"),), sign=1),
    ),
    "C4": Claim(
        "C4",
        "Whether an s or an h is only the second letter of ts, sh, ch … is told by the forward LSTM.",
        "The same difference, for s=>_ and h=>_.",
        "both differences are below 0",
        partial(gap, pairs=(("s", "_"), ("h", "_")), sign=-1),
    ),
    "C5": Claim(
        "C5",
        "One forward unit that is best for s=>_ also separates h=>_ and h=>հ.",
        "The rank of the best forward h for s=>_ among the forward h, for h=>_ and h=>հ.",
        f"it is among the top {TOP} for both",
        one_unit_many,
    ),
    "C7": Claim(
        "C7",
        "Many neurons take part in each decision, and most neurons in several.",
        "Participation ratio (Σ D)² / Σ D² with D = H²: over the h units for each pair, over the pairs for each unit.",
        f"the median pair has at least {NEURONS:.0%} of the units and the median unit at least {PAIRS:.0f} pairs",
        take_part,
    ),
}
