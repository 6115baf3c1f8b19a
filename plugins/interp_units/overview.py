"""The viewer ``overview``: pairs x units, ordered so that similar ones are neighbours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, SchemaError, select, viewer
from interp.plotting import (
    GREY_NOTE,
    LAYER_COORDS,
    MIN_SOURCES,
    MIN_TOKENS,
    colors,
    format_caption,
    format_counts,
    format_counts_short,
    has_enough_data,
    scene,
    show_invisible,
    truncate_middle,
)
from interp_units import heatmap

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SIDES = ("target", "rest")
COUNTS = ("n_target", "sources_target", "n_rest", "sources_rest")
STATISTICS = ("distance", "ci_low", "ci_high", "q", "selective")
COUNTS_WIDTH = 262.0  # pixels for n and the number of selective units
LEGEND_WIDTH = 700.0
MAX_CELLS = 1300  # pages with 5,000 elements get slow
LOWEST = -2.0  # stands for a distance that is NaN: below all others


@dataclass(frozen=True, kw_only=True)
class Overview(SceneView):
    """Pairs x units: the colour of a cell is its distance, a dot marks units selective for the pair."""

    groups: tuple[heatmap.ColumnGroup, ...]

    @property
    def _cells(self) -> xr.Dataset:
        cells: Any = self.data["overview"]
        return cells  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return the heatmap, n and the number of selective units on its right, and the legend above it."""
        data, names = self._cells, [format_pair(*ends) for ends in self._pair_ends()]
        enough = pairs_with_enough_data(data)
        rows = [(name, "ink" if ok else "muted") for name, ok in zip(names, enough.tolist(), strict=True)]
        right = heatmap.width(self.groups) + 18
        shapes = heatmap.sequential_legend(heatmap.LEFT, 12, "distance")
        shapes += heatmap.heatmap(rows, self.groups, distance_cells(data, enough), 44)
        shapes += _count_columns(self.tables()["pairs"], enough, right, 44 + heatmap.HEAD, "selective" in data)
        shapes += self._legend()
        height = 44 + heatmap.HEAD + len(rows) * heatmap.CELL + 8
        return scene.Scene(max(right + COUNTS_WIDTH, LEGEND_WIDTH), height, tuple(shapes))

    def _pair_ends(self) -> list[tuple[str, str]]:
        ends = (self._cells[f"pair_{end}"].values.astype(str).tolist() for end in ("input", "output"))
        return list(zip(*ends, strict=True))

    def _legend(self) -> list[scene.Shape]:
        x = heatmap.LEFT + 268
        shapes = heatmap.dot_legend(x, 12) if "selective" in self._cells else []
        shapes.append(scene.Box(x + 100, 3, 18, 18, "missing"))
        return [*shapes, scene.Text(x + 126, 12, "too few, or not measured", 13)]

    def style(self) -> str:
        """Return CSS that hides the counts on the right of a narrow page, where they would be too small to read.

        The counts are also in the tooltip of each cell and in the table.
        """
        right = heatmap.width(self.groups) + 18
        if right < LEGEND_WIDTH:
            return ""
        wide = f"width: {100 * (right + COUNTS_WIDTH) / right:.1f}%; max-width: none; min-width: 0"
        return f"@media (max-width: 899px) {{ figure .scroller {{ overflow-x: clip }} .scene {{ {wide} }} }}"

    def holoviews(self) -> Any:
        """Return pair by unit as a HoloViews ``HeatMap``, in the order of the picture."""
        import holoviews as hv

        data = self._cells
        axes = [data[dim].values.astype(str).tolist() for dim in ("unit", "pair")]
        return hv.HeatMap((*axes, data["distance"].values), ["unit", "pair"], "distance", label=self.title)

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return one row per pair (n, number of selective units, best unit), and one row per cell."""
        data = self._cells
        pairs = data[[name for name in (*COUNTS, "n_selective") if name in data]].to_dataframe().reset_index()
        best = np.nan_to_num(data["distance"].values, nan=LOWEST).argmax(axis=1)
        pairs["best_unit"] = data["unit"].values.astype(str)[best]
        pairs["best_distance"] = data["distance"].values[np.arange(best.size), best]
        cells = data[[name for name in STATISTICS if name in data]].to_dataframe().reset_index()
        columns = [name for name in ("pair", "unit", *STATISTICS) if name in cells]
        return {"pairs": pairs, "cells": cells[columns]}


def pairs_with_enough_data(data: xr.Dataset) -> np.ndarray:
    """Return a mask of the pairs with at least 300 tokens and 50 sources on each side: boolean (pair,)."""
    counts = (data[name].values.tolist() for name in COUNTS)
    return np.array([has_enough_data(*row[:2]) and has_enough_data(*row[2:]) for row in zip(*counts, strict=True)])


def format_pair(letter: str, output: str) -> str:
    """Return the name of a pair as the label of a row: ``t ⇒ ծ``."""
    return " ⇒ ".join(truncate_middle(show_invisible(part), 3) for part in (letter, output))


def distance_cells(data: xr.Dataset, enough: np.ndarray) -> list[list[heatmap.Cell]]:
    """Return the cells of a dataset with ``distance (pair, unit)``, grey in rows with too few tokens.

    Parameters
    ----------
    data : Dataset
        Result of the probe ``hellinger``, dims ``(pair, unit)``.
    enough : boolean array (pair,)
        Mask of the pairs with enough tokens and sources.
    """
    units, pairs = (data[dim].values.astype(str).tolist() for dim in ("unit", "pair"))
    table = {name: data[name].values.tolist() for name in STATISTICS if name in data}
    rows, counts = [], format_pair_counts(data)
    for at, pair in enumerate(pairs):
        heads = [f"{truncate_middle(pair)}\n{truncate_middle(unit)}\n{counts[at]}" for unit in units]
        row = [{name: values[at][column] for name, values in table.items()} for column in range(len(units))]
        rows.append([_cell(values, head, bool(enough[at])) for values, head in zip(row, heads, strict=True)])
    return rows


def format_pair_counts(data: xr.Dataset) -> list[str]:
    """Return n of both sides of each pair as text; empty if the dataset has no counts."""
    if not set(COUNTS) <= set(data):
        return [""] * data.sizes["pair"]
    rows = zip(*(data[name].values.tolist() for name in COUNTS), strict=True)
    return [f"n = {format_counts(*row[:2])} target, {format_counts(*row[2:])} rest" for row in rows]


def _cell(values: Mapping[str, Any], head: str, enough: bool) -> heatmap.Cell:
    distance = values["distance"]
    note = f"{head}\ndistance {distance:.3f}"
    if "ci_low" in values:
        note += f" ({values['ci_low']:.3f} to {values['ci_high']:.3f})"
    if "q" in values:
        note += f"\nq = {values['q']:.2g}" + ", selective" * bool(values["selective"])
    color = colors.sequential(distance) if enough else "missing"
    return heatmap.Cell(color, note.replace("-", "−"), bool(values.get("selective")) and enough)


def _count_columns(pairs: pd.DataFrame, enough: np.ndarray, x: float, y: float, tested: bool) -> list[scene.Shape]:
    """Return n of both sides, and the number of selective units, on the right of each row."""
    shapes: list[scene.Shape] = [
        scene.Text(x + 96, y - 10, "n target", 12.5, "end", "muted"),
        scene.Text(x + 196, y - 10, "n rest", 12.5, "end", "muted"),
    ]
    shapes += [scene.Text(x + 252, y - 10, "• units", 12.5, "end", "muted")] * tested
    for at, (row, ok) in enumerate(zip(pairs.to_dict("records"), enough.tolist(), strict=True)):
        color, middle = "ink" if ok else "muted", y + (at + 0.5) * heatmap.CELL
        for column, side in enumerate(SIDES):
            n = format_counts_short(row[f"n_{side}"], row[f"sources_{side}"])
            shapes.append(scene.Text(x + 96 + 100 * column, middle, n, 11.5, "end", color, mono=True))
        n_selective = f"{row.get('n_selective', 0):,}"
        shapes += [scene.Text(x + 252, middle, n_selective, 11.5, "end", color, mono=True)] * tested
    return shapes


@viewer(name="overview")
def overview(
    dist: xr.Dataset,
    *,
    quantity: str | Sequence[str] = ("h", "out"),
    input: str | Sequence[str] | None = None,  # noqa: A002
    max_pairs: int = 30,
    n_units: int = 36,
) -> Overview:
    """Draw pairs x units, as a first look at a network.

    Shows the pairs and, for each module, layer, direction and quantity, the units with the largest distance; similar
    ones are neighbours (`seriated`). Output units, which have a symbol, are left out.

    Parameters
    ----------
    dist : Dataset
        Result of the probe ``hellinger``: ``distance (unit, pair)``; with ``estimator="debiased"`` also ``selective``
        and ``q``.
    quantity : str or sequence of str
        Quantities whose units are shown.
    input : str or sequence of str, optional
        Inputs whose pairs are shown; by default all.
    max_pairs, n_units : int
        Maximum number of rows and of columns; the columns are shared evenly among the groups of units.

    Raises
    ------
    SchemaError
        Another kind of result.
    OptionError
        Nothing to show, or numbers below 1.
    """
    check_distances(dist)
    if min(max_pairs, n_units) < 1:
        raise OptionError(f"max_pairs= and n_units= must be at least 1; got {max_pairs} and {n_units}.")
    units = hidden_units(dist, quantity)
    inputs = [input] if isinstance(input, str) else input
    candidates = units if inputs is None else select(units, pair_input=list(inputs))
    if not candidates.sizes["pair"]:
        names = ", ".join(dict.fromkeys(map(str, dist["pair_input"].values.tolist()))) or "none"
        raise OptionError(
            f"There is no pair with input {input!r}; inputs: {names}. Pass another input=, or measure more pairs."
        )
    rows = _strongest_pairs(candidates, min(max_pairs, MAX_CELLS // 8))
    columns, groups = _strongest_units(rows, min(n_units, MAX_CELLS // rows.sizes["pair"]))
    data = columns.isel(pair=pair_order(columns))
    options = {"quantity": quantity, "input": input, "max_pairs": max_pairs, "n_units": n_units}
    options = {name: value for name, value in options.items() if value}
    return Overview(
        title="Overview",
        caption=format_caption(dist, *_method(data, candidates), **options),
        summary=_summary(data, candidates),
        data={"overview": data},
        groups=groups,
    )


def check_distances(dist: xr.Dataset) -> None:
    """Raise `SchemaError` unless this is a result of ``hellinger`` for one model."""
    if "model" in dist.dims:
        names = ", ".join(map(str, dist["model"].values.tolist()))
        raise SchemaError(f"Expected one model; got several: {names}. Select one: result.sel(model=…).")
    if "distance" not in dist or set(dist["distance"].dims) != {"unit", "pair"} or not set(COUNTS) <= set(dist):
        names = ", ".join(map(str, dist.data_vars)) or "no variables"
        raise SchemaError(
            f"Expected distance (unit, pair) and the counts n_target and n_rest: pass a result of "
            f"interp.measure('hellinger', acts); got {names}."
        )


def hidden_units(dist: xr.Dataset, quantity: str | Sequence[str]) -> xr.Dataset:
    """Return the units of these quantities that have no symbol."""
    quantities = [quantity] if isinstance(quantity, str) else list(quantity)
    mask = np.isin(dist["quantity"].values.astype(str), quantities)
    if "symbol" in dist.coords:
        mask &= dist["symbol"].values.astype(str) == ""
    if not mask.any():
        names = ", ".join(dict.fromkeys(dist["quantity"].values.astype(str).tolist())) or "none"
        raise OptionError(
            f"No hidden unit is of quantity {', '.join(quantities)}; quantities: {names}. Pass another quantity=."
        )
    return dist.isel(unit=np.flatnonzero(mask))


def _strongest_pairs(dist: xr.Dataset, n: int) -> xr.Dataset:
    """Return the pairs with the largest distance of any unit, those with few tokens last; adds ``n_selective``."""
    dist = dist.transpose("pair", "unit", ...)
    if "selective" in dist:
        dist = dist.assign(n_selective=("pair", dist["selective"].values.sum(axis=1)))
    largest = np.nan_to_num(dist["distance"].values, nan=LOWEST).max(axis=1, initial=LOWEST)
    return dist.isel(pair=np.argsort(-(largest + 4.0 * pairs_with_enough_data(dist)), kind="stable")[:n])


def pair_order(data: xr.Dataset) -> np.ndarray:
    """Return the order of the pairs in which similar ones are neighbours, those with few tokens last."""
    parts = (np.flatnonzero(mask) for mask in (pairs_with_enough_data(data), ~pairs_with_enough_data(data)))
    return np.concatenate([part[seriated(data["distance"].values[part].clip(0))] for part in parts])


def _strongest_units(dist: xr.Dataset, n: int) -> tuple[xr.Dataset, tuple[heatmap.ColumnGroup, ...]]:
    """Return the units with the largest distance of each group, seriated, and the groups' headings."""
    keys = list(zip(*(dist[name].values.tolist() for name in LAYER_COORDS), strict=True))
    group_keys = list(dict.fromkeys(keys))[:n]
    enough = pairs_with_enough_data(dist) | ~pairs_with_enough_data(dist).any()
    distance = np.nan_to_num(dist["distance"].values[enough], nan=LOWEST)
    largest = distance.max(axis=0)
    columns, headings = [], []
    for group in group_keys:
        members = np.array([at for at, key in enumerate(keys) if key == group])
        best = members[np.argsort(-largest[members], kind="stable")[: max(n // len(group_keys), 1)]]
        best = best[seriated(distance[:, best].T.clip(0))]
        columns.append(best)
        labels = tuple(map(str, dist["index"].values[best].tolist()))
        headings.append(heatmap.ColumnGroup(format_group(*group), f"{best.size} of {members.size:,}", labels))
    return dist.isel(unit=np.concatenate(columns)), tuple(headings)


def seriated(rows: np.ndarray) -> np.ndarray:
    """Return an order in which similar rows are neighbours, starting at the end with the larger values.

    Average linkage on Euclidean distances, with the leaves in the order that has the smallest sum of distances between
    neighbours (Bar-Joseph, Gifford and Jaakkola, "Fast optimal leaf ordering for hierarchical clustering", 2001).

    Parameters
    ----------
    rows : array (row, column)
        Values; NaN counts as 0.

    Returns
    -------
    array (row,) of int
        A permutation of the rows.

    Examples
    --------
    >>> seriated(np.array([[0.1], [0.9], [0.2], [0.8]])).tolist()
    [1, 3, 2, 0]
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import pdist

    values = np.nan_to_num(np.asarray(rows, dtype=np.float64))
    order: np.ndarray = np.arange(len(values))
    if len(values) > 2 and values.shape[1]:
        distances = pdist(values)
        order = leaves_list(optimal_leaf_ordering(linkage(distances, "average"), distances))
    total = values.sum(axis=1)[order]
    half = len(order) // 2
    return np.asarray(order[::-1] if total[len(order) - half :].sum() > total[:half].sum() else order)


def format_group(module: str, layer: int, direction: str, quantity: str) -> str:
    """Return the name of the units of a module, layer, direction and quantity: ``lstm.0 h →``."""
    arrow = {"forward": " →", "backward": " ←"}.get(direction, "")
    return f"{module}.{layer} {quantity}{arrow}" if direction else f"{module} {quantity}"


def selective_rule(dist: xr.Dataset) -> str:
    """Return the definition of a selective unit, with the thresholds that the result was measured with."""
    options = json.loads(str(dist.attrs.get("options") or "{}"))
    alpha, min_distance = options.get("alpha", 0.01), options.get("min_distance", 0.2)
    return f"selective: q < {alpha:g} and lower end of the interval at least {min_distance:g}"


def _method(data: xr.Dataset, candidates: xr.Dataset) -> list[str]:
    sizes = [f"{data.sizes[dim]:,} of {candidates.sizes[dim]:,} {dim}s" for dim in ("pair", "unit")]
    sentences = [" and ".join(sizes) + " with the largest distance", "n in tokens / sources"]
    if "selective" in data:
        sentences.append(selective_rule(candidates))
    else:
        sentences.append("no test in this result; interp.measure('hellinger', acts) tests which units are selective")
    return [*sentences, *[GREY_NOTE] * (not pairs_with_enough_data(data).all())]


def _summary(data: xr.Dataset, candidates: xr.Dataset) -> str:
    distance = data["distance"].values
    if not np.isfinite(distance).any():
        return "No distance was measured for these units and pairs."
    row, column = np.unravel_index(np.nan_to_num(distance, nan=LOWEST).argmax(), distance.shape)
    unit, pair = (truncate_middle(str(data[dim].values[at])) for dim, at in (("unit", column), ("pair", row)))
    largest = f"The largest distance is {float(distance[row, column]):.2f}, of {unit} for {pair}."
    if "selective" not in data:
        return largest
    selective = candidates.transpose("pair", ...)["selective"].values[pairs_with_enough_data(candidates)]
    if not len(selective):
        tokens, sources = MIN_TOKENS, MIN_SOURCES
        return f"No pair has {tokens} tokens and {sources} sources on each side. {largest}"
    any_pair = selective.any(axis=0)
    n, of = f"{int(any_pair.sum()):,}", f"{any_pair.size:,}"
    return f"{n} of {of} units are selective for at least one of {len(selective):,} pairs with enough data. {largest}"
