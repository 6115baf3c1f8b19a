"""C6: cells that fire on a suffix, and cells that do the opposite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp import captions, halves, pick
from interp_reproduction.evidence import distances
from interp_reproduction.findings import Claim, Finding, missing, unmeasured
from interp_reproduction.numbers import auc, best, rank
from interp_reproduction.settings import SUFFIX, TOP

if TYPE_CHECKING:
    import xarray as xr

    from interp_reproduction.evidence import Evidence
    from interp_reproduction.runs import Run

PAIR = ("t", "թ")
HIGH, LOW = 0.9, 0.1
FEWEST = 20  # windows with the suffix in each half of the sources


def areas(windows: xr.Dataset) -> np.ndarray:
    """Return the AUC of each unit's mean activation: windows with the suffix against the others; (unit,).

    Parameters
    ----------
    windows : Dataset (token, unit)
        With the boolean label ``suffix``.
    """
    inside, values = windows["suffix"].values.astype(bool), windows["activation"].values
    return auc(values[inside], values[~inside])


def counted(windows: xr.Dataset) -> str:
    """Return tokens / sources of windows with the suffix, against those without."""
    inside = windows["suffix"].values.astype(bool)
    sources = [np.unique(windows["source"].values[side]).size for side in (inside, ~inside)]
    shown = [captions.counts(int(side.sum()), n) for side, n in zip((inside, ~inside), sources, strict=True)]
    return " against ".join(shown)


def chosen_cell(evidence: Evidence) -> tuple[xr.Dataset, np.ndarray, int]:
    """Return the windows of the cells, their AUC on the first half of the sources, and the cell furthest from .5."""
    cells = pick(evidence.windows, quantity="c")
    area = areas(halves(cells)[0])
    return cells, area, int(np.abs(area - 0.5).argmax())


def fire(evidence: Evidence) -> Finding:
    """Return in how many cells the AUC is above .9 or below .1, and the best cell's rank for t=>թ."""
    second = pick(halves(evidence.windows)[1], quantity="c")
    few = min(int(half["suffix"].values.sum()) for half in halves(evidence.windows))
    if few < FEWEST:
        return unmeasured(f"{SUFFIX} stands {few} times in a half of these samples; {FEWEST} are needed.")
    lacking = missing(evidence, PAIR)
    if lacking:
        return lacking
    cells, chosen, at = chosen_cell(evidence)
    area = areas(second)  # chosen on one half, measured on the other
    name, side, neuron = (str(cells["unit"].values[at]), str(cells["direction"].values[at]), int(cells["index"][at]))
    ranked = distances(evidence.measured, PAIR, side)
    place = rank(ranked, neuron)
    high, low = (chosen > HIGH) & (area > HIGH), (chosen < LOW) & (area < LOW)
    return Finding(
        text=f"{high.sum()} of {area.size} cells above {HIGH}, {low.sum()} below {LOW}, rank {place} for t=>թ",
        holds=bool(high.any() and low.any() and place <= TOP),
        n=f"{counted(second)} windows / sources",
        more=(
            f"The best cell, {name}, has AUC {area[at]:.3f}; its h is number {place} of {ranked.size} {side} units for "
            "t=>թ.",
            _sides(cells, high, low),
            _shown(evidence, cells, high | low),
        ),
        numbers={"above": float(high.sum()), "below": float(low.sum()), "cells": area.size,
                 "best auc": float(area[at]), "rank t=>թ": place},
    )  # fmt: skip


def _sides(cells: xr.Dataset, high: np.ndarray, low: np.ndarray) -> str:
    parts = []
    for direction in ("forward", "backward"):
        mine = cells["direction"].values == direction
        parts.append(f"{direction} {high[mine].sum()} above {HIGH} and {low[mine].sum()} below {LOW}")
    return f"By direction: {', '.join(parts)}."


def _shown(evidence: Evidence, cells: xr.Dataset, speaks: np.ndarray) -> str:
    """Return how many of the neurons that the layered graph of t=>թ shows are such cells."""
    found = 0
    for direction in ("forward", "backward"):
        top = best(distances(evidence.chosen, PAIR, direction), TOP)
        found += int(speaks[cells["direction"].values == direction][top].sum())
    return f"Of the top {TOP} h of each direction for t=>թ, {found} belong to a cell above {HIGH} or below {LOW}."


def speaking(run: Run) -> list[str]:
    """Return units to show over the suffix: the best backward and forward cell, hidden unit, and the opposite.

    Returns
    -------
    list of str
        Names, without repetition; empty where the suffix is too rare to choose.
    """
    inside = run.windows["suffix"].values.astype(bool)
    if not inside.any() or inside.all():
        return []
    area, names = areas(run.windows), run.windows["unit"].values.tolist()
    kind, side = run.windows["quantity"].values, run.windows["direction"].values
    groups = [(kind == "c") & (side == "backward"), (kind == "c") & (side == "forward"), kind == "out"]
    chosen = [int(np.where(group, area, -1).argmax()) for group in groups if group.any()]
    chosen.append(int(np.where(kind == "c", area, 2).argmin()))
    return [str(names[at]) for at in dict.fromkeys(chosen)]


CLAIMS = {
    "C6": Claim(
        "C6",
        f"Some cells fire on the suffix {SUFFIX} and hardly elsewhere, some do the opposite, and such a cell is among "
        f"the top {TOP} for t=>թ.",
        f"AUC of a cell's mean activation in windows that read {SUFFIX} against all other windows of four letters that "
        "start with t, in how many cells on both halves of the sources; the rank, for t=>թ, of the h of the best cell, "
        "among the h of its direction.",
        f"there are cells above {HIGH} and below {LOW}, and the best cell is among the top {TOP} for t=>թ",
        fire,
    )
}
