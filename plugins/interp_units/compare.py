"""The viewer ``compare``: two models on the same tokens, with each unit above its best match in the other model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, split_by_source, viewer
from interp.plotting import GREY_NOTE, colors, format_caption, scene, truncate_middle
from interp_units import heatmap
from interp_units.correlation import MAX_SAMPLE, correlations, match_units, spread
from interp_units.overview import (
    LOWEST,
    check_distances,
    distance_cells,
    format_group,
    format_pair,
    hidden_units,
    pair_order,
    pairs_with_enough_data,
    selective_rule,
    seriated,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

KEY = ("layer", "direction", "quantity")
MAX_CELLS = 600  # of one model
UNMEASURED = -3.0  # stands for the distance of a unit without one: below all others
NO_DISTANCES = "no distances: pass the results of interp.measure('hellinger', …) for both models after the captures"


@dataclass(frozen=True, kw_only=True)
class Comparison(SceneView):
    """Matched units as columns: their correlation, then the distances of the first model above those of the second."""

    groups: tuple[tuple[heatmap.ColumnGroup, heatmap.ColumnGroup], ...]
    names: tuple[str, str]

    def compose(self) -> scene.Scene:
        """Return the correlations, and the heatmaps of distances if there are any."""
        frame: Any = self.data["units"]
        groups = [tuple(pair[side] for pair in self.groups) for side in (0, 1)]
        shapes = heatmap.diverging_legend(heatmap.LEFT, 12, "r")
        shapes += heatmap.sequential_legend(heatmap.LEFT + 330, 12, "distance")
        if any("selective" in table for table in self.data.values()):
            shapes += heatmap.dot_legend(heatmap.LEFT + 575, 12)
        cells = [_correlation_cell(row) for row in frame[frame["drawn"]].to_dict("records")]
        y = 40.0
        for name, side, blocks in zip(self.names, groups, self._blocks(cells), strict=True):
            shapes.append(scene.Text(0, y + 8, truncate_middle(name, 60), 15, bold=True))
            for rows, lines in blocks:
                shapes += heatmap.heatmap(rows, side, lines, y + 28)
                y += heatmap.HEAD + len(rows) * heatmap.CELL + 56
        return scene.Scene(max(heatmap.width(groups[0]) + 20, 780), y, tuple(shapes))

    def _blocks(
        self, cells: list[heatmap.Cell]
    ) -> Iterator[list[tuple[list[tuple[str, str]], list[list[heatmap.Cell]]]]]:
        """Yield the rows and cells of each model: the correlations with the first one, then the distances."""
        for side, name in enumerate(("distances", "other_distances")):
            rows, lines = ([("r", "ink")], [cells]) if side == 0 else ([], [])
            data: Any = self.data.get(name)
            if data is not None:
                enough = pairs_with_enough_data(data)
                ends = zip(
                    *(data[f"pair_{end}"].values.astype(str).tolist() for end in ("input", "output")), strict=True
                )
                colors = ["ink" if ok else "muted" for ok in enough.tolist()]
                rows = rows + [(format_pair(*pair), color) for pair, color in zip(ends, colors, strict=True)]
                lines = lines + distance_cells(data, enough)
            yield [(rows, lines)]

    def style(self) -> str:
        """Return CSS with the width below which the page scrolls, so that small text stays readable."""
        return ".scene { min-width: 740px; }"

    def holoviews(self) -> Any:
        """Return the correlations as HoloViews ``Bars``."""
        import holoviews as hv

        frame: Any = self.data["units"]
        return hv.Bars(frame[frame["drawn"]], "unit", "r", label=self.title)


def _correlation_cell(row: Any) -> heatmap.Cell:
    note = f"{truncate_middle(row['unit'])}\n{truncate_middle(row['other'])}\nr = {row['r']:+.3f}".replace("-", "−")
    return heatmap.Cell(colors.diverging(row["r"]), note)


def partners(acts: xr.Dataset, other: xr.Dataset) -> pd.DataFrame:
    """Return the matched units of two models, with their correlations.

    Units of the same layer, direction and quantity are matched so that the sum of |r| is largest, on half of the
    sources; ``r`` is measured on the other half, because the largest of many correlations is biased upwards. Matching
    uses |r|, because the sign of a unit is arbitrary.

    Parameters
    ----------
    acts, other : Dataset
        Activations of the two models, dims ``(token, unit)``, of the same tokens.

    Returns
    -------
    DataFrame
        Columns ``unit``, ``other``, ``group``, ``other_group``, ``r``, ``r_matching`` (r on the half that units are
        matched on), best match first within a group.
    """
    import pandas as pd

    splits = [split_by_source(side) for side in (acts, other)]
    if not all(half.sizes["token"] > 2 for half in splits[0]):
        splits = [(side, side) for side in (acts, other)]
    keys = [list(zip(*(side[name].values.tolist() for name in KEY), strict=True)) for side in (acts, other)]
    rows = []
    for key in dict.fromkeys(keys[0]):
        units = [np.array([at for at, own in enumerate(side) if own == key], dtype=int) for side in keys]
        if not units[1].size:
            continue
        values = [
            [half["activation"].isel(unit=at).values for half in split] for split, at in zip(splits, units, strict=True)
        ]
        matching, measured = (correlations(values[0][half], values[1][half]) for half in (0, 1))
        a, b = match_units(matching)
        best = np.argsort(-np.abs(matching[a, b]), kind="stable")
        for i, j in zip(a[best].tolist(), b[best].tolist(), strict=True):
            rows.append((units[0][i], units[1][j], measured[i, j], matching[i, j]))
    return _with_names(pd.DataFrame(rows, columns=["at", "other_at", "r", "r_matching"]), acts, other)


def _with_names(frame: pd.DataFrame, acts: xr.Dataset, other: xr.Dataset) -> pd.DataFrame:
    """Return the matches with names of units and groups instead of positions."""
    for prefix, column, side in (("", "unit", acts), ("other_", "other", other)):
        positions = frame[f"{prefix}at"].to_numpy(int)
        frame[column] = side["unit"].values.astype(str)[positions]
        groups = zip(*(side[label].values[positions].tolist() for label in ("module", *KEY)), strict=True)
        frame[f"{prefix}group"] = [format_group(*group) for group in groups]
    return frame[["unit", "other", "group", "other_group", "r", "r_matching"]]


@viewer(requires=("source",))
def compare(
    acts: xr.Dataset,
    other: xr.Dataset,
    dist: xr.Dataset | None = None,
    other_dist: xr.Dataset | None = None,
    *,
    quantity: str | Sequence[str] = ("h", "out"),
    n_units: int = 36,
    max_pairs: int = 12,
) -> Comparison:
    """Draw two models on the same pairs, with each unit above the matching unit of the other model.

    Units are matched by correlation over the same tokens (`partners`). Of each group, the units with the largest
    distance for any pair are shown; without distances, the best matches.

    Parameters
    ----------
    acts : Dataset
        Activations of the first model, dims ``(token, unit)``.
    other : Dataset
        Activations of the second model: ``interp.capture(other_model, batches)`` with the same batches.
    dist, other_dist : Dataset, optional
        Result of the probe ``hellinger`` for each model.
    quantity : str or sequence of str
        Quantities whose units are matched. Output units, which have a symbol, are left out.
    n_units, max_pairs : int
        Maximum number of columns and of rows.

    Raises
    ------
    OptionError
        Different tokens in the two captures, no units of the same kind, or numbers below 1.
    SchemaError
        Distances of another kind.
    """
    if min(max_pairs, n_units) < 1:
        raise OptionError(f"max_pairs= and n_units= must be at least 1; got {max_pairs} and {n_units}.")
    check_same_tokens(acts, other)
    rows = spread(acts.sizes["token"])
    sides = [hidden_units(side, quantity).isel(token=rows).load() for side in (acts, other)]
    frame = partners(sides[0], sides[1])
    if not len(frame):
        raise OptionError(
            "No unit of one model correlates with a unit of the same layer, direction and quantity of the other: pass "
            "another quantity=, or capture the same quantities of both."
        )
    tables = [] if dist is None or other_dist is None else common_pairs(dist, other_dist, max_pairs)
    strength = _largest_distance(frame, tables[0]) if tables else frame["r_matching"].abs()
    frame["drawn"] = _drawn(frame, strength.to_numpy(), min(n_units, MAX_CELLS // max(max_pairs, 1)))
    frame = _in_order(frame, tables[0] if tables else None)
    drawn = frame[frame["drawn"]]
    data: dict[str, Any] = {"units": frame}
    for name, table, side in zip(("distances", "other_distances"), tables, ("unit", "other"), strict=False):
        data[name] = table.sel(unit=drawn[side].tolist())
    names = model_names(acts, other)
    method = _method(acts, names[1], len(drawn), len(frame), tables)
    return Comparison(
        title=" · ".join(truncate_middle(name, 30) for name in names),
        caption=format_caption(acts, *method, quantity=quantity),
        summary=_summary(frame),
        data=data,
        groups=_groups(frame, drawn, sides),
        names=names,
    )


def model_names(acts: xr.Dataset, other: xr.Dataset) -> tuple[str, str]:
    """Return the names of the models, with the beginning of their hash if names are equal but weights differ."""
    first, second = (str(side.attrs.get("model") or "not named") for side in (acts, other))
    hashes = [str(side.attrs.get("model_sha256") or "")[:6] for side in (acts, other)]
    if first != second or hashes[0] == hashes[1]:
        return first, second
    return f"{first} {hashes[0]}", f"{second} {hashes[1]}"


def check_same_tokens(acts: xr.Dataset, other: xr.Dataset) -> None:
    """Raise `OptionError` unless both captures have the same tokens, in the same order and with the same text."""
    names = ["sample", "step", "source", *({"input"} & set(map(str, acts.coords)) & set(map(str, other.coords)))]
    if not acts.sizes["token"]:
        raise OptionError("These activations have no token: capture more, or select less with interp.select.")
    same_size = acts.sizes["token"] == other.sizes["token"]
    if not same_size or any((acts[name].values != other[name].values).any() for name in names):
        sizes = f"{acts.sizes['token']:,} and {other.sizes['token']:,} tokens"
        raise OptionError(
            f"The two captures have different tokens ({sizes}): capture the same batches from both models."
        )


def common_pairs(dist: xr.Dataset, other: xr.Dataset, n: int) -> list[xr.Dataset]:
    """Return the distances of both models, ``(pair, unit)``, for the ``n`` common pairs with the largest distance.

    The largest distance of any unit of the first model counts; pairs with few tokens are last.
    """
    for side in (dist, other):
        check_distances(side)
    both = np.intersect1d(dist["pair"].values, other["pair"].values)
    if not both.size:
        raise OptionError("The two results have no pair in common: measure the same pairs= for both models.")
    first = dist.sel(pair=both).transpose("pair", "unit", ...)
    best = np.nan_to_num(first["distance"].values, nan=LOWEST).max(axis=1) + 4.0 * pairs_with_enough_data(first)
    order = both[np.argsort(-best, kind="stable")[:n]]
    rows = order[pair_order(first.sel(pair=order))]
    return [side.sel(pair=rows).transpose("pair", "unit", ...) for side in (dist, other)]


def _largest_distance(frame: pd.DataFrame, table: xr.Dataset) -> pd.Series[float]:
    import pandas as pd

    best = np.nan_to_num(table["distance"].values, nan=LOWEST).max(axis=0)
    distance_of = dict(zip(table["unit"].values.astype(str).tolist(), best.tolist(), strict=True))
    return pd.Series([distance_of.get(unit, UNMEASURED) for unit in frame["unit"]], dtype=float)


def _drawn(frame: pd.DataFrame, strength: np.ndarray, n: int) -> np.ndarray:
    """Return a mask of the matches that are drawn: the strongest of each group, with equal shares for groups."""
    groups = frame["group"].unique()[:n]
    mask = np.zeros(len(frame), bool)
    for group in groups:
        members = np.flatnonzero((frame["group"] == group).to_numpy())
        mask[members[np.argsort(-strength[members], kind="stable")[: max(n // len(groups), 1)]]] = True
    return mask


def _in_order(frame: pd.DataFrame, table: xr.Dataset | None) -> pd.DataFrame:
    """Return the matches with the drawn ones of each group first, similar ones as neighbours."""
    order: list[int] = []
    for _, part in frame.groupby("group", sort=False):
        drawn = part.index[part["drawn"]].to_numpy()
        if table is not None:
            drawn = drawn[seriated(table["distance"].sel(unit=frame["unit"][drawn].tolist()).values.T.clip(0))]
        order += [*drawn.tolist(), *part.index[~part["drawn"]].tolist()]
    return frame.loc[order].reset_index(drop=True)


def _groups(
    frame: pd.DataFrame, drawn: pd.DataFrame, sides: Sequence[xr.Dataset]
) -> tuple[tuple[heatmap.ColumnGroup, heatmap.ColumnGroup], ...]:
    """Return the headings of the columns in the first and the second model."""
    indices = [dict(zip(side["unit"].values.tolist(), side["index"].values.tolist(), strict=True)) for side in sides]
    groups = []
    for group, part in drawn.groupby("group", sort=False):
        size = f"{len(part)} of {int((frame['group'] == group).sum()):,}"
        labels = [
            tuple(str(index[unit]) for unit in part[name])
            for index, name in zip(indices, ("unit", "other"), strict=True)
        ]
        other = str(part["other_group"].iloc[0])
        groups.append(
            (
                heatmap.ColumnGroup(str(group), size, labels[0]),
                heatmap.ColumnGroup(other, "matching units", labels[1]),
            )
        )
    return tuple(groups)


def _method(acts: xr.Dataset, other: str, n_drawn: int, n_matched: int, tables: Sequence[xr.Dataset]) -> list[str]:
    tokens = f"{min(acts.sizes['token'], MAX_SAMPLE):,} tokens"
    sentences = [f"compared with {other}", f"{n_drawn} of {n_matched:,} matched units"]
    sentences += [f"matched by |r| on half of the sources of {tokens}", "r measured on the other half"]
    sentences += [selective_rule(table) for table in tables[:1] if "selective" in table]
    return [*sentences, GREY_NOTE if tables else NO_DISTANCES]


def _summary(frame: pd.DataFrame) -> str:
    groups = []
    for group, part in frame.groupby("group", sort=False):
        size = part["r"].abs()
        groups.append(f"{group}: median |r| {size.median():.2f}, {int((size > 0.5).sum()):,} of {len(part):,} above .5")
    return f"Correlation of each unit with its match, on sources not used for matching: {'; '.join(groups)}."
