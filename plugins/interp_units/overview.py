"""The viewer ``overview``: which units know which pairs, alike ones beside each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, SchemaError, captions, lettering, palette, pick, scene, viewer
from interp_units import grid
from interp_units.seriation import seriated

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SIDES = ("with", "without")
COUNTS = ("n_with", "sources_with", "n_without", "sources_without")
MEASURED = ("distance", "low", "high", "q", "knows")
GROUP = ("module", "layer", "direction", "quantity")
RIGHT = 262.0  # for n and how many know
LEGEND = 700.0  # what the legend takes
MOST_CELLS = 1300  # a page of 5,000 elements gets slow


@dataclass(frozen=True, kw_only=True)
class Overview(SceneView):
    """Pairs x units, the colour of a cell its distance, a dot where the unit knows the pair."""

    groups: tuple[grid.Columns, ...]

    @property
    def _cells(self) -> xr.Dataset:
        cells: Any = self.data["overview"]
        return cells  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return the grid with n and the number of units that know at its right, and the legend above it."""
        data, names = self._cells, [pair_name(*ends) for ends in self._ends()]
        enough = are_enough(data)
        rows = [(name, "ink" if known else "muted") for name, known in zip(names, enough.tolist(), strict=True)]
        right = grid.width(self.groups) + 18
        shapes = grid.bar(grid.LEFT, 12, "distance")
        shapes += grid.grid(rows, self.groups, cells_of(data, enough), 44)
        shapes += _counts(self.tables()["pairs"], enough, right, 44 + grid.HEAD, "knows" in data)
        shapes += self._dot_legend()
        return scene.Scene(max(right + RIGHT, LEGEND), 44 + grid.HEAD + len(rows) * grid.CELL + 8, tuple(shapes))

    def _ends(self) -> list[tuple[str, str]]:
        ends = (self._cells[f"pair_{end}"].values.astype(str).tolist() for end in ("input", "output"))
        return list(zip(*ends, strict=True))

    def _dot_legend(self) -> list[scene.Shape]:
        x = grid.LEFT + 268
        shapes = grid.dot(x, 12) if "knows" in self._cells else []
        shapes.append(scene.Box(x + 100, 3, 18, 18, "missing"))
        return [*shapes, scene.Text(x + 126, 12, "too few, or not measured", 13)]

    def style(self) -> str:
        """Return how a narrow page leaves out the counts at the right, which would be too small to read there.

        They stand in the note of each cell and in the table.
        """
        right = grid.width(self.groups) + 18
        if right < LEGEND:
            return ""
        wide = f"width: {100 * (right + RIGHT) / right:.1f}%; max-width: none; min-width: 0"
        return f"@media (max-width: 899px) {{ figure .scroller {{ overflow-x: clip }} .scene {{ {wide} }} }}"

    def holoviews(self) -> Any:
        """Return pair by unit as a HoloViews ``HeatMap``, in the order of the picture."""
        import holoviews as hv

        data = self._cells
        axes = [data[dim].values.astype(str).tolist() for dim in ("unit", "pair")]
        return hv.HeatMap((*axes, data["distance"].values), ["unit", "pair"], "distance", label=self.title)

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return a row for each pair: n, how many units know it and the best one; and one for each cell."""
        data = self._cells
        frame = data[[name for name in (*COUNTS, "known") if name in data]].to_dataframe().reset_index()
        best = np.nan_to_num(data["distance"].values, nan=-2.0).argmax(axis=1)
        frame["best_unit"] = data["unit"].values.astype(str)[best]
        frame["best_distance"] = data["distance"].values[np.arange(best.size), best]
        cells = data[[name for name in MEASURED if name in data]].to_dataframe().reset_index()
        kept = [name for name in ("pair", "unit", *MEASURED) if name in cells]
        return {"pairs": frame, "cells": cells[kept]}


def are_enough(data: xr.Dataset) -> np.ndarray:
    """Return which pairs rest on 300 tokens and 50 sources a side: boolean (pair,)."""
    counts = (data[name].values.tolist() for name in COUNTS)
    return np.array([captions.enough(*row[:2]) and captions.enough(*row[2:]) for row in zip(*counts, strict=True)])


def pair_name(given: str, becomes: str) -> str:
    """Return a pair for a row: ``t ⇒ ծ``."""
    return " ⇒ ".join(lettering.short(lettering.visible(part), 3) for part in (given, becomes))


def cells_of(data: xr.Dataset, enough: np.ndarray) -> list[list[grid.Cell]]:
    """Return the cells of a dataset ``distance (pair, unit)``, grey in rows with too few tokens."""
    units, pairs = (data[dim].values.astype(str).tolist() for dim in ("unit", "pair"))
    table = {name: data[name].values.tolist() for name in MEASURED if name in data}
    rows, said = [], said_counts(data)
    for at, pair in enumerate(pairs):
        heads = [f"{lettering.short(pair)}\n{lettering.short(unit)}\n{said[at]}" for unit in units]
        row = [{name: held[at][column] for name, held in table.items()} for column in range(len(units))]
        rows.append([_cell(values, head, bool(enough[at])) for values, head in zip(row, heads, strict=True)])
    return rows


def said_counts(data: xr.Dataset) -> list[str]:
    """Return n of both sides of each pair in words; empty where the dataset has none."""
    if not set(COUNTS) <= set(data):
        return [""] * data.sizes["pair"]
    rows = zip(*(data[name].values.tolist() for name in COUNTS), strict=True)
    return [f"n = {captions.counts(*row[:2])} with, {captions.counts(*row[2:])} without" for row in rows]


def _cell(values: Mapping[str, Any], head: str, enough: bool) -> grid.Cell:
    distance = values["distance"]
    note = f"{head}\ndistance {distance:.3f}"
    if "low" in values:
        note += f" ({values['low']:.3f} to {values['high']:.3f})"
    if "q" in values:
        note += f"\nq = {values['q']:.2g}" + ", knows" * bool(values["knows"])
    color = palette.sequential(distance) if enough else "missing"
    return grid.Cell(color, note.replace("-", "−"), bool(values.get("knows")) and enough)


def _counts(frame: pd.DataFrame, enough: np.ndarray, x: float, y: float, knows: bool) -> list[scene.Shape]:
    """Return n of both sides, and how many units know, at the right of each row."""
    shapes: list[scene.Shape] = [
        scene.Text(x + 96, y - 10, "n with", 12.5, "end", "muted"),
        scene.Text(x + 196, y - 10, "n without", 12.5, "end", "muted"),
    ]
    shapes += [scene.Text(x + 252, y - 10, "know", 12.5, "end", "muted")] * knows
    for at, (row, known) in enumerate(zip(frame.to_dict("records"), enough.tolist(), strict=True)):
        color, middle = "ink" if known else "muted", y + (at + 0.5) * grid.CELL
        for place, side in enumerate(SIDES):
            n = captions.brief_counts(row[f"n_{side}"], row[f"sources_{side}"])
            shapes.append(scene.Text(x + 96 + 100 * place, middle, n, 11.5, "end", color, mono=True))
        shapes += [scene.Text(x + 252, middle, f"{row.get('known', 0):,}", 11.5, "end", color, mono=True)] * knows
    return shapes


@viewer(name="overview")
def overview(
    dist: xr.Dataset,
    *,
    quantity: str | Sequence[str] = ("h", "out"),
    input: str | Sequence[str] | None = None,  # noqa: A002
    n_pairs: int = 30,
    n_units: int = 36,
) -> Overview:
    """Draw pairs x units: where to begin.

    Shown are the pairs and, of each module, layer, direction and quantity, the units with the largest distance, alike
    ones beside each other (`seriated`). Output units, which stand for a symbol, are left out.

    Parameters
    ----------
    dist : Dataset
        What the probe ``hellinger`` returned: ``distance (unit, pair)``; in honest mode also ``knows`` and ``q``.
    quantity : str or sequence of str
        Of which quantities units are shown.
    input : str or sequence of str, optional
        Show the pairs of these inputs only.
    n_pairs, n_units : int
        The most rows and columns; the columns are shared out evenly.

    Raises
    ------
    SchemaError
        Another kind of result.
    OptionError
        Nothing to show, or numbers below 1.
    """
    check_distances(dist)
    if min(n_pairs, n_units) < 1:
        raise OptionError(f"n_pairs= and n_units= are at least 1; got {n_pairs} and {n_units}.")
    units = hidden_units(dist, quantity)
    among = units if input is None else pick(units, pair_input=[input] if isinstance(input, str) else list(input))
    if not among.sizes["pair"]:
        there = ", ".join(dict.fromkeys(map(str, dist["pair_input"].values.tolist()))) or "none"
        raise OptionError(
            f"There is no pair with input {input!r}; inputs: {there}. Type input=…, or measure more pairs."
        )
    rows = _strongest_pairs(among, min(n_pairs, MOST_CELLS // 8))
    columns, groups = _strongest_units(rows, min(n_units, MOST_CELLS // rows.sizes["pair"]))
    shown = columns.isel(pair=rows_in_order(columns))
    said = {"quantity": quantity, "input": input, "n_pairs": n_pairs, "n_units": n_units}
    return Overview(
        title="Overview",
        caption=captions.caption(dist, *_method(shown, among), **{key: held for key, held in said.items() if held}),
        summary=_summary(shown, among),
        data={"overview": shown},
        groups=groups,
    )


def check_distances(dist: xr.Dataset) -> None:
    """Raise `SchemaError` unless this is the result of ``hellinger`` for one model."""
    if "model" in dist.dims:
        names = ", ".join(map(str, dist["model"].values.tolist()))
        raise SchemaError(f"Expected one model; got several: {names}. Take one: result.sel(model=…).")
    if "distance" not in dist or set(dist["distance"].dims) != {"unit", "pair"} or not set(COUNTS) <= set(dist):
        got = ", ".join(map(str, dist.data_vars)) or "no variables"
        raise SchemaError(f"Expected distance (unit, pair) and n: interp.measure('hellinger', acts); got {got}.")


def hidden_units(dist: xr.Dataset, quantity: str | Sequence[str]) -> xr.Dataset:
    """Return the units of these quantities that stand for no symbol."""
    wanted = [quantity] if isinstance(quantity, str) else list(quantity)
    found = np.isin(dist["quantity"].values.astype(str), wanted)
    if "symbol" in dist.coords:
        found &= dist["symbol"].values.astype(str) == ""
    if not found.any():
        there = ", ".join(dict.fromkeys(dist["quantity"].values.astype(str).tolist())) or "none"
        raise OptionError(f"No unit is of quantity {', '.join(wanted)}; quantities: {there}. Type quantity=….")
    return dist.isel(unit=np.flatnonzero(found))


def _strongest_pairs(dist: xr.Dataset, n: int) -> xr.Dataset:
    """Return the pairs with the largest distance of any unit, those with few tokens last; ``known`` is added."""
    dist = dist.transpose("pair", "unit", ...)
    if "knows" in dist:
        dist = dist.assign(known=("pair", dist["knows"].values.sum(axis=1)))
    best = np.nan_to_num(dist["distance"].values, nan=-2.0).max(axis=1, initial=-2.0) + 4.0 * are_enough(dist)
    return dist.isel(pair=np.argsort(-best, kind="stable")[:n])


def rows_in_order(data: xr.Dataset) -> np.ndarray:
    """Return the order of the pairs: alike ones beside each other, those with few tokens last."""
    parts = (np.flatnonzero(side) for side in (are_enough(data), ~are_enough(data)))
    return np.concatenate([part[seriated(data["distance"].values[part].clip(0))] for part in parts])


def _strongest_units(dist: xr.Dataset, n: int) -> tuple[xr.Dataset, tuple[grid.Columns, ...]]:
    """Return the units with the largest distance of each group, seriated within it, and the groups' headings."""
    keys = list(zip(*(dist[name].values.tolist() for name in GROUP), strict=True))
    kinds = list(dict.fromkeys(keys))[:n]
    enough = are_enough(dist) | ~are_enough(dist).any()
    distance = np.nan_to_num(dist["distance"].values[enough], nan=-2.0)
    strength = distance.max(axis=0)
    chosen, headings = [], []
    for kind in kinds:
        members = np.array([at for at, key in enumerate(keys) if key == kind])
        best = members[np.argsort(-strength[members], kind="stable")[: max(n // len(kinds), 1)]]
        best = best[seriated(distance[:, best].T.clip(0))]
        chosen.append(best)
        labels = tuple(map(str, dist["index"].values[best].tolist()))
        headings.append(grid.Columns(group_name(*kind), f"{best.size} of {members.size:,}", labels))
    return dist.isel(unit=np.concatenate(chosen)), tuple(headings)


def group_name(module: str, layer: int, direction: str, quantity: str) -> str:
    """Return the name of the units of a module, layer, direction and quantity: ``lstm.0 h →``."""
    arrow = {"forward": " →", "backward": " ←"}.get(direction, "")
    return f"{module}.{layer} {quantity}{arrow}" if direction else f"{module} {quantity}"


def knows_rule(dist: xr.Dataset) -> str:
    """Return when a unit knows a pair, as the result was measured."""
    options = json.loads(str(dist.attrs.get("options") or "{}"))
    level, least = options.get("level", 0.01), options.get("least", 0.2)
    return f"knows: q < {level:g} and lower end of the interval at least {least:g}"


def _method(shown: xr.Dataset, among: xr.Dataset) -> list[str]:
    sizes = [f"{shown.sizes[dim]:,} of {among.sizes[dim]:,} {dim}s" for dim in ("pair", "unit")]
    said = [" and ".join(sizes) + ", those with the largest distance", "n in tokens / sources"]
    if "knows" in shown:
        said.append(knows_rule(among))
    else:
        said.append("no test in this result; interp.measure('hellinger', acts) says which units know")
    return [*said, *[captions.GREY] * (not are_enough(shown).all())]


def _summary(shown: xr.Dataset, among: xr.Dataset) -> str:
    if not np.isfinite(shown["distance"].values).any():
        return "No distance was measured for these units and pairs."
    row, column = np.unravel_index(np.nan_to_num(shown["distance"].values, nan=-2.0).argmax(), shown["distance"].shape)
    best = f"{lettering.short(str(shown['unit'].values[column]))} for {lettering.short(str(shown['pair'].values[row]))}"
    said = f"The largest distance is {float(shown['distance'].values[row, column]):.2f}, of {best}"
    if "knows" not in shown:
        return f"{said}."
    sure = among.transpose("pair", ...)["knows"].values[are_enough(among)]
    if not len(sure):
        return (
            f"No pair has {captions.FEWEST_TOKENS} tokens and {captions.FEWEST_SOURCES} sources on each side. {said}."
        )
    know = sure.any(axis=0)
    return f"{int(know.sum()):,} of {know.size:,} units know at least one of {len(sure):,} pairs with enough n. {said}."
