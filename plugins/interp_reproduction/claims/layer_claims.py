"""Claims C1, C4, C5 and C7: selective directions, one unit that separates several pairs, number of selective units."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from interp.statistics import participation_ratio
from interp_reproduction.claims.ablation_findings import (
    NOT_MEASURED,
    AblationFinding,
    find_row,
    group_finding,
)
from interp_reproduction.claims.ablations import AblationGroup, top_group
from interp_reproduction.claims.claim import Claim
from interp_reproduction.claims.evidence import distances, format_sides, jackknife_distances, unit_mask
from interp_reproduction.claims.finding import Finding, from_estimates, missing_pairs, not_measured
from interp_reproduction.estimators import Estimate, percentile_rank, rank, top_indices
from interp_reproduction.settings import MIN_SOURCES, MIN_TOKENS, N_TOP, pair_name

if TYPE_CHECKING:
    import pandas as pd

    from interp_reproduction.claims.ablations import AblationTables
    from interp_reproduction.claims.evidence import Evidence

Pair = tuple[str, str]
DIRECTIONS = ("backward", "forward")
C1_PAIRS: tuple[Pair, ...] = (("t", "ծ"),)
C4_PAIRS: tuple[Pair, ...] = (("s", "_"), ("h", "_"))
C5_PAIR: Pair = ("s", "_")
C5_OTHER_PAIRS: tuple[Pair, ...] = (("h", "_"), ("h", "հ"))
C5_GROUP = "the forward h of C5"
MIN_UNIT_FRACTION, MIN_PAIRS_PER_UNIT = 0.1, 2.0  # C7 holds from these values on
MIN_PAIRS = 5  # C7 needs this many pairs


# Statistics


def top_unit_mean(evidence: Evidence, pair: Pair, direction: str) -> Estimate:
    """Return the mean H, on the second half of the sources, of the ten h of a direction that are best on the first."""
    top = top_indices(distances(evidence.selection, pair, direction), N_TOP)
    values, leave_out = jackknife_distances(evidence.measured, pair, direction)
    return Estimate(float(values[top].mean()), leave_out[:, top].mean(axis=1))


def measure_direction_gap(evidence: Evidence, *, pairs: tuple[Pair, ...], sign: int) -> Finding:
    """Measure the mean H of the top ten backward h minus that of the top ten forward h, for each pair.

    Parameters
    ----------
    evidence : Evidence
        Evidence of one network.
    pairs : tuple of (str, str)
        Pairs that the claim names.
    sign : int
        +1 if the claim is about the backward units, -1 if it is about the forward ones.
    """
    missing = missing_pairs(evidence, *pairs)
    if missing:
        return missing
    means = {pair: [top_unit_mean(evidence, pair, direction) for direction in DIRECTIONS] for pair in pairs}
    several = len(pairs) > 1
    n = "; ".join((f"{pair_name(pair)} " if several else "") + format_sides(evidence.measured, pair) for pair in pairs)
    details = [f"{pair_name(pair)}: top {N_TOP} backward {backward.value:.3f}, forward {forward.value:.3f}."
               for pair, (backward, forward) in means.items()]  # fmt: skip
    gaps = {pair_name(pair): backward - forward for pair, (backward, forward) in means.items()}
    return from_estimates(gaps, sign, n, details)


def best_forward_unit(evidence: Evidence) -> int:
    """Return the index, among the forward h, of the best one for s=>_ on the first half of the sources."""
    return int(top_indices(distances(evidence.selection, C5_PAIR, "forward"), 1)[0])


def measure_shared_unit(evidence: Evidence) -> Finding:
    """Measure the rank, for h=>_ and h=>հ, of the forward h that is best for s=>_."""
    missing = missing_pairs(evidence, C5_PAIR, *C5_OTHER_PAIRS)
    if missing:
        return missing
    unit, dist = best_forward_unit(evidence), evidence.measured
    selective = dist["selective"].isel(unit=np.flatnonzero(unit_mask(dist, "forward"))[unit])
    is_selective = {pair: bool(selective.sel(pair=pair_name(pair))) for pair in C5_OTHER_PAIRS}
    ranks = {pair: rank(distances(dist, pair, "forward"), unit) for pair in C5_OTHER_PAIRS}
    size = int(unit_mask(dist, "forward").sum())
    return Finding(
        text=f"#{unit}: rank " + ", ".join(f"{ranks[pair]} of {size} for {pair_name(pair)}" for pair in C5_OTHER_PAIRS),
        holds=all(is_selective.values()) and all(position <= N_TOP for position in ranks.values()),
        n="; ".join(f"{pair_name(pair)} {format_sides(dist, pair)}" for pair in (C5_PAIR, *C5_OTHER_PAIRS)),
        details=(_describe_shared_unit(evidence, unit, is_selective),),
        numbers={"unit": unit}
        | {f"rank {pair_name(pair)}": position for pair, position in ranks.items()}
        | {f"percentile {pair_name(pair)}": _percentile(evidence, pair, unit) for pair in C5_OTHER_PAIRS}
        | {f"selective {pair_name(pair)}": float(value) for pair, value in is_selective.items()},
    )


def _percentile(evidence: Evidence, pair: Pair, unit: int) -> float:
    return percentile_rank(distances(evidence.measured, pair, "forward"), unit)


def _describe_shared_unit(evidence: Evidence, unit: int, is_selective: dict[Pair, bool]) -> str:
    heights = ", ".join(
        f"{pair_name(pair)} {distances(evidence.measured, pair, 'forward')[unit]:.3f}"
        for pair in (C5_PAIR, *C5_OTHER_PAIRS)
    )
    percentiles = ", ".join(
        f"{_percentile(evidence, pair, unit):.1f} % of the others for {pair_name(pair)}" for pair in C5_OTHER_PAIRS
    )
    verdicts = ", ".join(f"{'selective' if value else 'not selective'} for {pair_name(pair)}"
                         for pair, value in is_selective.items())  # fmt: skip
    return f"Forward h #{unit}: {heights}. It exceeds {percentiles}. It is {verdicts}."


def measure_participation(evidence: Evidence) -> Finding:
    """Measure the selective h per pair, the pairs per h, and the participation ratio of D = H²."""
    dist = evidence.all_pairs
    if dist.sizes["pair"] < MIN_PAIRS:
        count = f"{dist.sizes['pair']} pairs have {MIN_TOKENS} tokens and {MIN_SOURCES} sources on each side"
        return not_measured(f"{count}; {MIN_PAIRS} are required.", "too few pairs")
    selective = dist["selective"].transpose("unit", "pair").values
    squared = np.maximum(dist["distance"].transpose("unit", "pair").values, 0) ** 2
    ratio = participation_ratio(squared, axis=0)
    per_pair, per_unit = selective.sum(axis=0), selective.sum(axis=1)
    median_units, median_pairs = float(np.median(per_pair)), float(np.median(per_unit))
    units, pairs = selective.shape
    smallest = dist.isel(pair=int(np.argmin(np.minimum(dist["n_target"].values, dist["n_rest"].values))))
    smallest_pair = (str(smallest["pair_input"].values), str(smallest["pair_output"].values))
    extremes = [f"{dist['pair'].values[k]} {per_pair[k]}" for k in (per_pair.argmin(), per_pair.argmax())]
    return Finding(
        text=f"{median_units:.0f} of {units} units per pair, {median_pairs:.0f} of {pairs} pairs per unit",
        holds=median_units >= MIN_UNIT_FRACTION * units and median_pairs >= MIN_PAIRS_PER_UNIT,
        n=f"{pairs} pairs, the smallest {pair_name(smallest_pair)} {format_sides(dist, smallest_pair)}",
        details=(
            f"Medians. Selective units per pair from {extremes[0]} to {extremes[1]}; pairs per unit from "
            f"{per_unit.min()} to {per_unit.max()}. Participation ratio of D: {np.median(ratio):.0f} units in the "
            f"median pair, from {ratio.min():.0f} to {ratio.max():.0f}.",
        ),
        numbers={"units per pair": median_units, "pairs per unit": median_pairs, "units": units, "pairs": pairs,
                 "participation": float(np.median(ratio))},
    )  # fmt: skip


# Groups to ablate


def direction_groups(evidence: Evidence, *, pairs: tuple[Pair, ...]) -> list[AblationGroup]:
    """Return the top ten h of each direction, for each pair of C1 or C4 with enough tokens."""
    layers = [f"{direction} h" for direction in DIRECTIONS]
    return [top_group(evidence, layer, pair) for layer in layers for pair in pairs if evidence.has(pair)]


def shared_unit_group(evidence: Evidence) -> list[AblationGroup]:
    """Return the unit of C5, on all three pairs."""
    pairs = (C5_PAIR, *C5_OTHER_PAIRS)
    if not evidence.has(*pairs):
        return []
    names = evidence.selection["unit"].values[unit_mask(evidence.selection, "forward")]
    return [AblationGroup(C5_GROUP, (str(names[best_forward_unit(evidence)]),), pairs)]


# Rules for ablations


def judge_directions(tables: AblationTables, *, pairs: tuple[Pair, ...], claimed: str, other: str) -> AblationFinding:
    """Judge whether the top units of one direction are used, and more than those of the other direction."""
    claimed_group, other_group = f"top {N_TOP} {claimed}", f"top {N_TOP} {other}"
    finding, other_finding = (
        group_finding(tables.effects, [(group, pair) for pair in pairs]) for group in (claimed_group, other_group)
    )
    if finding.is_used is None or other_finding.is_used is None:
        return NOT_MEASURED
    is_larger = all(
        find_row(tables.effects, claimed_group, pair)["ci_low"] > find_row(tables.effects, other_group, pair)["ci_high"]
        for pair in pairs
    )
    text = f"{claimed} {finding.text}; {other} {other_finding.text}"
    return AblationFinding(text, finding.is_used and is_larger, finding.details + other_finding.details)


def judge_shared_unit(tables: AblationTables) -> AblationFinding:
    """Judge whether the unit of C5 is used for all three pairs."""
    return group_finding(tables.effects, [(C5_GROUP, pair) for pair in (C5_PAIR, *C5_OTHER_PAIRS)])


def judge_spread(tables: AblationTables) -> AblationFinding:
    """Judge whether the effect of a layer is spread over as many units as C7 requires."""
    curves = tables.curves
    if not len(curves):
        return NOT_MEASURED
    k80, size = median_k80(curves, "h")
    rotated_k80, _ = median_k80(curves, "h", "rotated")
    hidden_k80, hidden_size = median_k80(curves, "hidden")
    return AblationFinding(
        f"k80: {k80:.0f} of {size} h, {hidden_k80:.0f} of {hidden_size} hidden",
        bool(k80 >= MIN_UNIT_FRACTION * size) if size else None,
        (
            "Number of units, best first, that have 80 % of the effect of the whole layer: medians over the pairs of "
            f"the article. In a random basis {rotated_k80:.0f} of {size} h. C7 requires at least "
            f"{MIN_UNIT_FRACTION:.0%}.",
        ),
    )


def median_k80(curves: pd.DataFrame, layer: str, basis: str = "units") -> tuple[float, int]:
    """Return the median of k80 over pairs, and the number of units in the layer."""
    rows = curves[(curves["layer"] == layer) & (curves["basis"] == basis) & (curves["k80"] >= 0)]
    return (float(np.median(rows["k80"])), int(rows["units"].iloc[0])) if len(rows) else (float("nan"), 0)


CLAIMS = {
    "C1": Claim(
        "C1",
        "The backward LSTM, the only one that has seen the next letter, determines whether a t becomes ծ.",
        f"Mean H of the top {N_TOP} backward h minus that of the top {N_TOP} forward h, for t=>ծ.",
        "the interval of the difference lies above 0",
        partial(measure_direction_gap, pairs=C1_PAIRS, sign=1),
        "the effect of the backward units exceeds that of random groups and that of the forward units",
        partial(judge_directions, pairs=C1_PAIRS, claimed="backward h", other="forward h"),
        partial(direction_groups, pairs=C1_PAIRS),
        is_rotatable=True,
    ),
    "C4": Claim(
        "C4",
        "The forward LSTM determines whether an s or an h is only the second letter of ts, sh, ch …",
        "The same difference, for s=>_ and h=>_.",
        "the intervals of both differences lie below 0",
        partial(measure_direction_gap, pairs=C4_PAIRS, sign=-1),
        "the effect of the forward units exceeds that of random groups and that of the backward units, for both pairs",
        partial(judge_directions, pairs=C4_PAIRS, claimed="forward h", other="backward h"),
        partial(direction_groups, pairs=C4_PAIRS),
        is_rotatable=True,
    ),
    "C5": Claim(
        "C5",
        "One forward unit that is best for s=>_ also separates h=>_ and h=>հ.",
        "The rank of the best forward h for s=>_ among the forward h, for h=>_ and h=>հ.",
        f"it is selective for both, and among the top {N_TOP} for both",
        measure_shared_unit,
        "the effect of the unit exceeds that of random units, for all three pairs",
        judge_shared_unit,
        shared_unit_group,
        is_rotatable=True,
    ),
    "C7": Claim(
        "C7",
        "Many neurons take part in each decision, and most neurons in several.",
        "The number of h units that are selective for a pair, and the number of pairs that an h unit is selective for; "
        "the participation ratio (Σ D)² / Σ D² of D = H² over the units.",
        f"at least {MIN_UNIT_FRACTION:.0%} of the units are selective for the median pair, and the median unit is "
        f"selective for at least {MIN_PAIRS_PER_UNIT:.0f} pairs",
        measure_participation,
        f"the median k80 of the h is at least {MIN_UNIT_FRACTION:.0%} of them",
        judge_spread,
        is_rotatable=True,
    ),
}
