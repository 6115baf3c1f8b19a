"""Claim C6: cells that fire on a suffix, and cells that do the opposite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp import select, split_by_source
from interp.plotting import format_counts
from interp_reproduction.claims.ablation_findings import AblationFinding, group_finding
from interp_reproduction.claims.ablations import AblationGroup
from interp_reproduction.claims.claim import Claim
from interp_reproduction.claims.evidence import distances
from interp_reproduction.claims.finding import Finding, missing_pairs, not_measured
from interp_reproduction.estimators import auc, rank, top_indices
from interp_reproduction.settings import N_TOP, SUFFIX

if TYPE_CHECKING:
    import xarray as xr

    from interp_reproduction.claims.ablations import AblationTables
    from interp_reproduction.claims.evidence import Evidence

PAIR = ("t", "թ")
HIGH_AUC, LOW_AUC = 0.9, 0.1
MIN_WINDOWS = 20  # windows with the suffix in each half of the sources
GROUP = "the cell of C6"


# Statistics


def suffix_auc(windows: xr.Dataset) -> np.ndarray:
    """Return the AUC (unit,) of each unit's mean activation: windows with the suffix against the others.

    Parameters
    ----------
    windows : Dataset (token, unit)
        Windows with the boolean label ``suffix``.
    """
    is_suffix, values = windows["suffix"].values.astype(bool), windows["activation"].values
    return auc(values[is_suffix], values[~is_suffix])


def format_windows(windows: xr.Dataset) -> str:
    """Return windows / sources with the suffix, against those without."""
    is_suffix = windows["suffix"].values.astype(bool)
    counts = [
        format_counts(int(side.sum()), int(np.unique(windows["source"].values[side]).size))
        for side in (is_suffix, ~is_suffix)
    ]
    return " against ".join(counts)


def best_cell(evidence: Evidence) -> tuple[xr.Dataset, np.ndarray, int]:
    """Return the windows of the cells, their AUC on the first half of the sources, and the cell furthest from .5."""
    cells = select(evidence.windows, quantity="c")
    area = suffix_auc(split_by_source(cells)[0])
    return cells, area, int(np.abs(area - 0.5).argmax())


def measure_suffix_cells(evidence: Evidence) -> Finding:
    """Measure the number of cells with an AUC above .9 or below .1, and the rank of the best cell for t=>թ."""
    odd = select(split_by_source(evidence.windows)[1], quantity="c")
    count = min(int(half["suffix"].values.sum()) for half in split_by_source(evidence.windows))
    if count < MIN_WINDOWS:
        return not_measured(f"{SUFFIX} occurs {count} times in a half of these samples; {MIN_WINDOWS} are required.")
    missing = missing_pairs(evidence, PAIR)
    if missing:
        return missing
    cells, selection_area, cell = best_cell(evidence)
    area = suffix_auc(odd)  # selected on one half, measured on the other
    direction, neuron = str(cells["direction"].values[cell]), int(cells["index"][cell])
    values = distances(evidence.measured, PAIR, direction)
    position = rank(values, neuron)
    high, low = (selection_area > HIGH_AUC) & (area > HIGH_AUC), (selection_area < LOW_AUC) & (area < LOW_AUC)
    counts = f"{high.sum()} of {area.size} cells above {HIGH_AUC}, {low.sum()} below {LOW_AUC}"
    return Finding(
        text=f"{counts}, rank {position} for t=>թ",
        holds=bool(high.any() and low.any() and position <= N_TOP),
        n=f"{format_windows(odd)} windows / sources",
        details=(
            f"The best cell, {cells['unit'].values[cell]}, has AUC {area[cell]:.3f}; its h has rank {position} of "
            f"{values.size} {direction} units for t=>թ.",
            _describe_directions(cells, high, low),
            _describe_overlap(evidence, cells, high | low),
        ),
        numbers={"above": float(high.sum()), "below": float(low.sum()), "cells": area.size,
                 "best auc": float(area[cell]), "rank t=>թ": position},
    )  # fmt: skip


def _describe_directions(cells: xr.Dataset, high: np.ndarray, low: np.ndarray) -> str:
    parts = []
    for direction in ("forward", "backward"):
        mask = cells["direction"].values == direction
        parts.append(f"{direction} {high[mask].sum()} above {HIGH_AUC} and {low[mask].sum()} below {LOW_AUC}")
    return f"By direction: {', '.join(parts)}."


def _describe_overlap(evidence: Evidence, cells: xr.Dataset, is_suffix_cell: np.ndarray) -> str:
    """Return a sentence with the number of such cells among the neurons that the layered graph of t=>թ shows."""
    count = 0
    for direction in ("forward", "backward"):
        top = top_indices(distances(evidence.selection, PAIR, direction), N_TOP)
        count += int(is_suffix_cell[cells["direction"].values == direction][top].sum())
    limits = f"above {HIGH_AUC} or below {LOW_AUC}"
    return f"Of the top {N_TOP} h of each direction for t=>թ, {count} belong to a cell {limits}."


def suffix_units(windows: xr.Dataset) -> list[str]:
    """Return the units to show on the suffix: the best backward cell, forward cell and hidden unit, and the opposite.

    Parameters
    ----------
    windows : Dataset (token, unit)
        Windows with the boolean label ``suffix``.

    Returns
    -------
    list of str
        Names, without repetition; empty if all windows or none have the suffix.
    """
    is_suffix = windows["suffix"].values.astype(bool)
    if not is_suffix.any() or is_suffix.all():
        return []
    area, names = suffix_auc(windows), windows["unit"].values.tolist()
    quantity, direction = windows["quantity"].values, windows["direction"].values
    is_cell = quantity == "c"
    masks = [is_cell & (direction == "backward"), is_cell & (direction == "forward"), quantity == "out"]
    units = [int(np.where(mask, area, -1).argmax()) for mask in masks if mask.any()]
    units.append(int(np.where(is_cell, area, 2).argmin()))
    return [str(names[unit]) for unit in dict.fromkeys(units)]


# Groups to ablate


def suffix_in_both_halves(windows: xr.Dataset) -> bool:
    """Return whether both halves of the sources have windows with the suffix and without it."""
    return all(half["suffix"].values.any() and not half["suffix"].values.all() for half in split_by_source(windows))


def cell_group(evidence: Evidence) -> list[AblationGroup]:
    """Return the best cell."""
    if not evidence.has(PAIR) or not suffix_in_both_halves(evidence.windows):
        return []
    cells, _, cell = best_cell(evidence)
    return [AblationGroup(GROUP, (str(cells["unit"].values[cell]),), (PAIR,), "gate_acts")]


# Rules for ablations


def judge_cell(tables: AblationTables) -> AblationFinding:
    """Judge whether the best cell is used for t=>թ."""
    return group_finding(tables.effects, [(GROUP, PAIR)])


CLAIMS = {
    "C6": Claim(
        "C6",
        f"Some cells fire on the suffix {SUFFIX} and hardly elsewhere, some do the opposite, and such a cell is among "
        f"the top {N_TOP} for t=>թ.",
        f"AUC of a cell's mean activation in windows that read {SUFFIX} against all other windows of four letters that "
        "begin with t: the number of cells that pass on both halves of the sources; the rank, for t=>թ, of the h of "
        "the best cell among the h of its direction.",
        f"there are cells above {HIGH_AUC} and below {LOW_AUC}, and the best cell is among the top {N_TOP} for t=>թ",
        measure_suffix_cells,
        "the effect of the cell exceeds that of random cells",
        judge_cell,
        cell_group,
    )
}
