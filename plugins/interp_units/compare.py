"""The viewer ``compare``: two models on the same text, unit beside the unit that goes with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, captions, halves, lettering, palette, scene, viewer
from interp_units import grid
from interp_units.correlation import correlations, matched
from interp_units.overview import (
    are_enough,
    cells_of,
    check_distances,
    group_name,
    hidden_units,
    knows_rule,
    pair_name,
    rows_in_order,
)
from interp_units.reading import SAMPLE, spread
from interp_units.seriation import seriated

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

KEY = ("layer", "direction", "quantity")
MOST_CELLS = 600  # of one model
LEFT_OUT = "Distances are not drawn. Pass the results of interp.measure('hellinger', …) of both models after them."


@dataclass(frozen=True, kw_only=True)
class Comparison(SceneView):
    """Matched units as columns: their correlation, then the distances of the one model above those of the other."""

    groups: tuple[tuple[grid.Columns, grid.Columns], ...]
    names: tuple[str, str]

    def compose(self) -> scene.Scene:
        """Return the correlations, and the two grids of distances where there are any."""
        frame: Any = self.data["units"]
        ends = [tuple(pair[side] for pair in self.groups) for side in (0, 1)]
        shapes = [*_diverging(grid.LEFT, 12), *grid.bar(grid.LEFT + 330, 12, "distance")]
        if any("knows" in table for table in self.data.values()):
            shapes += grid.dot(grid.LEFT + 575, 12)
        cells = [_match(row) for row in frame[frame["drawn"]].to_dict("records")]
        y = 40.0
        for name, side, blocks in zip(self.names, ends, self._blocks(cells), strict=True):
            shapes.append(scene.Text(0, y + 8, lettering.short(name, 60), 15, bold=True))
            for rows, held in blocks:
                shapes += grid.grid(rows, side, held, y + 28)
                y += grid.HEAD + len(rows) * grid.CELL + 56
        wide = max(grid.width(ends[0]) + 20, 780)
        return scene.Scene(wide, y, tuple(shapes))

    def _blocks(self, cells: list[grid.Cell]) -> Iterator[list[tuple[list[tuple[str, str]], list[list[grid.Cell]]]]]:
        """Yield for each model its rows: the correlations with the first one, then the distances."""
        for side, name in enumerate(("distances", "other_distances")):
            rows, held = ([("r", "ink")], [cells]) if side == 0 else ([], [])
            data: Any = self.data.get(name)
            if data is not None:
                enough = are_enough(data)
                ends = zip(
                    *(data[f"pair_{end}"].values.astype(str).tolist() for end in ("input", "output")), strict=True
                )
                inks = ["ink" if known else "muted" for known in enough.tolist()]
                rows = rows + [(pair_name(*end), ink) for end, ink in zip(ends, inks, strict=True)]
                held = held + cells_of(data, enough)
            yield [(rows, held)]

    def style(self) -> str:
        """Return the width below which the page scrolls, so that small text can be read."""
        return ".scene { min-width: 740px; }"

    def holoviews(self) -> Any:
        """Return the correlations as HoloViews ``Bars``."""
        import holoviews as hv

        frame: Any = self.data["units"]
        return hv.Bars(frame[frame["drawn"]], "unit", "r", label=self.title)


def _match(row: Any) -> grid.Cell:
    note = f"{lettering.short(row['unit'])}\n{lettering.short(row['other'])}\nr = {row['r']:+.3f}".replace("-", "−")
    return grid.Cell(palette.diverging(row["r"]), note)


def _diverging(x: float, y: float) -> list[scene.Shape]:
    shapes: list[scene.Shape] = [scene.Text(x, y, "r", 13), scene.Text(x + 40, y, "− 1", 13, "end", "muted")]
    colors = range(-palette.DIVERGING_STEPS, palette.DIVERGING_STEPS + 1)
    step = grid.BAR / len(colors)
    shapes += [scene.Box(x + 48 + at * step, y - 7, step + 0.5, 14, f"d{color}") for at, color in enumerate(colors)]
    return [*shapes, scene.Text(x + 56 + grid.BAR, y, "+ 1", 13, color="muted")]


def partners(acts: xr.Dataset, other: xr.Dataset) -> pd.DataFrame:
    """Return which unit of one model goes with which of the other, with their correlations.

    Units are matched among those of one layer, direction and quantity, so that |r| adds up to the most, on half of the
    sources; ``r`` is measured on the other half, since the largest of many correlations flatters itself. On one side
    of a cell the sign is a convention of the network: |r| counts.

    Parameters
    ----------
    acts, other : Dataset
        Dims ``(token, unit)``, the same tokens.

    Returns
    -------
    DataFrame
        Columns ``unit``, ``other``, ``group``, ``other_group``, ``r``, ``r_chosen``, best first within a group.
    """
    import pandas as pd

    parts = [halves(side) for side in (acts, other)]
    if not all(half.sizes["token"] > 2 for half in parts[0]):
        parts = [(side, side) for side in (acts, other)]
    keys = [list(zip(*(side[name].values.tolist() for name in KEY), strict=True)) for side in (acts, other)]
    rows = []
    for key in dict.fromkeys(keys[0]):
        places = [np.array([at for at, own in enumerate(held) if own == key], dtype=int) for held in keys]
        if not places[1].size:
            continue
        values = [
            [half["activation"].isel(unit=at).values for half in part] for part, at in zip(parts, places, strict=True)
        ]
        chosen, measured = (correlations(values[0][half], values[1][half]) for half in (0, 1))
        a, b = matched(chosen)
        best = np.argsort(-np.abs(chosen[a, b]), kind="stable")
        for i, j in zip(a[best].tolist(), b[best].tolist(), strict=True):
            rows.append((places[0][i], places[1][j], measured[i, j], chosen[i, j]))
    frame = pd.DataFrame(rows, columns=["at", "other_at", "r", "r_chosen"])
    for name, side, at in (("", acts, "at"), ("other_", other, "other_at")):
        there = frame[at].to_numpy(int)
        frame[name + "unit" if not name else "other"] = side["unit"].values.astype(str)[there]
        kinds = zip(*(side[label].values[there].tolist() for label in ("module", *KEY)), strict=True)
        frame[name + "group"] = [group_name(*kind) for kind in kinds]
    return frame.drop(columns=["at", "other_at"])[["unit", "other", "group", "other_group", "r", "r_chosen"]]


@viewer(requires=("source",))
def compare(
    acts: xr.Dataset,
    other: xr.Dataset,
    dist: xr.Dataset | None = None,
    other_dist: xr.Dataset | None = None,
    *,
    quantity: str | Sequence[str] = ("h", "out"),
    n_units: int = 36,
    n_pairs: int = 12,
) -> Comparison:
    """Draw two models side by side: the same pairs, each unit above the unit of the other model that goes with it.

    Units are matched by correlation over the same tokens (`partners`); shown are, of each group, those with the largest
    distance for any pair, without distances those that match best.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``: captured from the one model.
    other : Dataset
        ``interp.capture(model, batches)`` with the other model and the same batches.
    dist, other_dist : Dataset, optional
        What the probe ``hellinger`` returned for each.
    quantity : str or sequence of str
        Of which quantities units are matched. Output units, which stand for a symbol, are left out.
    n_units, n_pairs : int
        The most columns and rows.

    Raises
    ------
    OptionError
        Other tokens in the two captures, no unit of a kind in common, numbers below 1.
    SchemaError
        Distances of another kind.
    """
    if min(n_pairs, n_units) < 1:
        raise OptionError(f"n_pairs= and n_units= are at least 1; got {n_pairs} and {n_units}.")
    same_tokens(acts, other)
    rows = spread(acts.sizes["token"])
    sides = [hidden_units(side, quantity).isel(token=rows).load() for side in (acts, other)]
    frame = partners(sides[0], sides[1])
    if not len(frame):
        raise OptionError(
            "No unit of the one model varies with one of the other: type quantity=, or capture the same kinds."
        )
    tables = [] if dist is None or other_dist is None else shared(dist, other_dist, n_pairs)
    strength = _strength(frame, tables[0]) if tables else frame["r_chosen"].abs()
    frame["drawn"] = _drawn(frame, strength.to_numpy(), min(n_units, MOST_CELLS // max(n_pairs, 1)))
    frame = _in_order(frame, tables[0] if tables else None)
    shown = frame[frame["drawn"]]
    data: dict[str, Any] = {"units": frame}
    for name, table, side in zip(("distances", "other_distances"), tables, ("unit", "other"), strict=False):
        data[name] = table.sel(unit=shown[side].tolist())
    names = model_names(acts, other)
    return Comparison(
        title=" · ".join(lettering.short(name, 30) for name in names),
        caption=captions.caption(acts, *_method(acts, names[1], len(shown), len(frame), tables), quantity=quantity),
        summary=_summary(frame),
        data=data,
        groups=_groups(frame, shown, sides),
        names=names,
    )


def model_names(acts: xr.Dataset, other: xr.Dataset) -> tuple[str, str]:
    """Return what the models are called; of one name but other weights, with the beginning of their hash."""
    first, second = (str(side.attrs.get("model") or "not named") for side in (acts, other))
    hashes = [str(side.attrs.get("model_sha256") or "")[:6] for side in (acts, other)]
    if first != second or hashes[0] == hashes[1]:
        return first, second
    return f"{first} {hashes[0]}", f"{second} {hashes[1]}"


def same_tokens(acts: xr.Dataset, other: xr.Dataset) -> None:
    """Raise `OptionError` unless both are of the same tokens, in the same order, with the same text."""
    names = ["sample", "step", "source", *({"input"} & set(map(str, acts.coords)) & set(map(str, other.coords)))]
    if not acts.sizes["token"]:
        raise OptionError("These activations have no token: capture more, or select less with interp.pick.")
    alike = acts.sizes["token"] == other.sizes["token"]
    if not alike or any((acts[name].values != other[name].values).any() for name in names):
        sizes = f"{acts.sizes['token']:,} and {other.sizes['token']:,} tokens"
        raise OptionError(f"The two captures are of other tokens ({sizes}): capture the same batches from both models.")


def shared(dist: xr.Dataset, other: xr.Dataset, n: int) -> list[xr.Dataset]:
    """Return the distances of both for the pairs that both have, ``(pair, unit)``, those the first tells apart best."""
    for side in (dist, other):
        check_distances(side)
    both = np.intersect1d(dist["pair"].values, other["pair"].values)
    if not both.size:
        raise OptionError("The two results have no pair in common: measure the same pairs= of both.")
    first = dist.sel(pair=both).transpose("pair", "unit", ...)
    best = np.nan_to_num(first["distance"].values, nan=-2.0).max(axis=1) + 4.0 * are_enough(first)
    order = both[np.argsort(-best, kind="stable")[:n]]
    rows = order[rows_in_order(first.sel(pair=order))]
    return [side.sel(pair=rows).transpose("pair", "unit", ...) for side in (dist, other)]


def _strength(frame: pd.DataFrame, table: xr.Dataset) -> pd.Series[float]:
    import pandas as pd

    best = np.nan_to_num(table["distance"].values, nan=-2.0).max(axis=0)
    known = dict(zip(table["unit"].values.astype(str).tolist(), best.tolist(), strict=True))
    return pd.Series([known.get(unit, -3.0) for unit in frame["unit"]], dtype=float)


def _drawn(frame: pd.DataFrame, strength: np.ndarray, n: int) -> np.ndarray:
    """Return which matches are drawn: of each group the strongest, evenly shared out."""
    kinds = frame["group"].unique()[:n]
    drawn = np.zeros(len(frame), bool)
    for kind in kinds:
        members = np.flatnonzero((frame["group"] == kind).to_numpy())
        drawn[members[np.argsort(-strength[members], kind="stable")[: max(n // len(kinds), 1)]]] = True
    return drawn


def _in_order(frame: pd.DataFrame, table: xr.Dataset | None) -> pd.DataFrame:
    """Return the matches with the drawn ones of each group first, alike ones beside each other."""
    order: list[int] = []
    for _, part in frame.groupby("group", sort=False):
        drawn = part.index[part["drawn"]].to_numpy()
        if table is not None:
            drawn = drawn[seriated(table["distance"].sel(unit=frame["unit"][drawn].tolist()).values.T.clip(0))]
        order += [*drawn.tolist(), *part.index[~part["drawn"]].tolist()]
    return frame.loc[order].reset_index(drop=True)


def _groups(
    frame: pd.DataFrame, shown: pd.DataFrame, sides: Sequence[xr.Dataset]
) -> tuple[tuple[grid.Columns, grid.Columns], ...]:
    indices = [dict(zip(side["unit"].values.tolist(), side["index"].values.tolist(), strict=True)) for side in sides]
    found = []
    for kind, part in shown.groupby("group", sort=False):
        of = f"{len(part)} of {int((frame['group'] == kind).sum()):,}"
        labels = [
            tuple(str(at[unit]) for unit in part[name]) for at, name in zip(indices, ("unit", "other"), strict=True)
        ]
        other = str(part["other_group"].iloc[0])
        found.append(
            (grid.Columns(str(kind), of, labels[0]), grid.Columns(other, "the ones that go with them", labels[1]))
        )
    return tuple(found)


def _method(acts: xr.Dataset, other: str, shown: int, of: int, tables: Sequence[xr.Dataset]) -> list[str]:
    tokens = f"{min(acts.sizes['token'], SAMPLE):,} tokens"
    said = [f"beside {other}", f"{shown} of {of:,} matched units", f"|r| matched on half of the sources of {tokens}"]
    said += ["r of the other half", *[knows_rule(table) for table in tables[:1] if "knows" in table]]
    return [*said, captions.GREY if tables else LEFT_OUT.rstrip(".")]


def _summary(frame: pd.DataFrame) -> str:
    said = []
    for kind, part in frame.groupby("group", sort=False):
        size = part["r"].abs()
        said.append(f"{kind}: median |r| {size.median():.2f}, {int((size > 0.5).sum()):,} of {len(part):,} above .5")
    return f"How far each unit goes with its partner, on other sources than it was chosen on: {'; '.join(said)}."
