"""C6: cells that fire on a suffix, and cells that do the opposite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp import captions, halves, pick
from interp_reproduction.findings import Claim, Finding, distances, missing, unmeasured
from interp_reproduction.numbers import auc, best, rank
from interp_reproduction.settings import SUFFIX, TOP

if TYPE_CHECKING:
    import xarray as xr

    from interp_reproduction.runs import Run

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


def fire(run: Run) -> Finding:
    """Return in how many cells the AUC is above .9 or below .1, and the best cell's rank for t=>թ."""
    cells = pick(run.windows, quantity="c")
    first, second = halves(cells)
    if min(int(half["suffix"].values.sum()) for half in (first, second)) < FEWEST:
        few = int(cells["suffix"].values.sum())
        return unmeasured(f"{SUFFIX} stands {few} times in these samples; about {2 * FEWEST} are needed.")
    lacking = missing(run, ("t", "թ"))
    if lacking:
        return lacking
    area, chosen = areas(cells), areas(first)
    at = int(np.abs(chosen - 0.5).argmax())  # chosen on one half, measured on the other
    name, side = str(cells["unit"].values[at]), str(cells["direction"].values[at])
    neuron = int(cells["index"].values[at])
    place = rank(distances(run.dist, ("t", "թ"), side), neuron)
    held_out = float(areas(second.isel(unit=[at]))[0])
    high, low = int((area > HIGH).sum()), int((area < LOW).sum())
    return Finding(
        text=f"{high} cells above {HIGH}, {low} below {LOW} of {area.size}; the best ranks {place} for t=>թ",
        holds=high > 0 and low > 0 and place <= TOP,
        n=f"{counted(cells)} windows / sources",
        more=(_described(name, side, held_out, place, run), _sides(cells, area), _shown(run, cells, area)),
        numbers={"above": high, "below": low, "cells": area.size, "best auc": held_out, "rank t=>թ": place},
    )


def _described(name: str, side: str, held_out: float, place: int, run: Run) -> str:
    of = distances(run.dist, ("t", "թ"), side).size
    return (
        f"The best cell, {name} (chosen on one half of the sources), has AUC {held_out:.3f} on the other half; its h "
        f"is number {place} of {of} {side} units for t=>թ."
    )


def _sides(cells: xr.Dataset, area: np.ndarray) -> str:
    parts = []
    for direction in ("forward", "backward"):
        mine = area[cells["direction"].values == direction]
        parts.append(f"{direction} {(mine > HIGH).sum()} above {HIGH} and {(mine < LOW).sum()} below {LOW}")
    return f"By direction: {', '.join(parts)}."


def _shown(run: Run, cells: xr.Dataset, area: np.ndarray) -> str:
    """Return how many of the neurons that the layered graph of t=>թ shows are such cells."""
    found = 0
    for direction in ("forward", "backward"):
        top = best(distances(run.dist, ("t", "թ"), direction), TOP)
        mine = area[cells["direction"].values == direction][top]
        found += int(((mine > HIGH) | (mine < LOW)).sum())
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
        "start with t; the rank, for t=>թ, of the h of the best cell, among the h of its direction.",
        f"there are cells above {HIGH} and below {LOW}, and the best cell is among the top {TOP} for t=>թ",
        fire,
    )
}
