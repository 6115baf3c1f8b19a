"""The viewer ``context-reach``: mean attribution to input steps by their distance from the explained token."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, SchemaError, UnknownNameError, viewer
from interp.plotting import (
    GREY_NOTE,
    Axes,
    axis_range,
    format_caption,
    format_counts,
    format_number,
    format_offset,
    format_pair,
    has_enough_data,
    scene,
    show_invisible,
    truncate_middle,
)
from interp_causal.estimators import mean_with_interval, source_weights

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

PLURALS = {"pair": "pairs", "input": "letters"}
MAX_GROUPS = 6
REACH_FRACTION = 0.9  # of the sum of |attribution|, within the reach
MIN_SOURCES = 10  # of a group that is shown by default
LEFT, TOP, GAP, PANEL_HEIGHT = 62.0, 22.0, 36.0, 190.0
ROW_WIDTH = 930.0  # pixels for the panels of a row
MEASURE_CALL = "interp.measure('attribution', acts, model=…, batches=…)"


@dataclass(frozen=True, kw_only=True)
class ContextReach(SceneView):
    """One panel per pair or letter: mean |attribution| at each offset, with its interval."""

    @property
    def _reach(self) -> pd.DataFrame:
        frame: Any = self.data["reach"]
        return frame  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return a scene with the panels on one scale, at most three in a row."""
        groups: Any = self.data["groups"]
        per_row = min(len(groups), 3) if len(groups) != 4 else 2
        width = (ROW_WIDTH - (per_row - 1) * GAP) / per_row
        y_range = axis_range(self._reach["mean"], self._reach["ci_high"])
        half_range = int(self._reach["offset"].max()) + 0.6
        shapes: list[scene.Shape] = [scene.Text(0, 10, "mean |attribution|", 13, color="muted")]
        for position, group in enumerate(groups.to_dict("records")):
            row, column = divmod(position, per_row)
            corner = (LEFT + column * (width + GAP), TOP + 30 + row * (PANEL_HEIGHT + 96))
            axes = Axes(*corner, width, PANEL_HEIGHT, (-half_range, half_range), y_range)
            shapes += _panel(axes, self._reach[self._reach["group"] == group["group"]], group, column == 0)
        rows = math.ceil(len(groups) / per_row)
        return scene.Scene(LEFT + ROW_WIDTH + 8, TOP + rows * (PANEL_HEIGHT + 96), tuple(shapes))

    def holoviews(self) -> Any:
        """Return one HoloViews ``Curve`` with ``ErrorBars`` per group, as a layout."""
        import holoviews as hv

        curves = []
        for name, frame in self._reach.groupby("group", sort=False):
            below, above = frame["mean"] - frame["ci_low"], frame["ci_high"] - frame["mean"]
            curve = hv.Curve((frame["offset"], frame["mean"]), "offset", "mean |attribution|", label=str(name))
            bars = hv.ErrorBars(
                (frame["offset"], frame["mean"], below, above), "offset", ["mean |attribution|", "below", "above"]
            )
            curves.append(curve * bars)
        return hv.Layout(curves)


def _panel(axes: Axes, frame: pd.DataFrame, group: Mapping[Any, Any], is_first: bool) -> list[scene.Shape]:
    """Return the title, axes and bars of a group; in grey for few tokens or sources."""
    has_enough = has_enough_data(group["tokens"], group["sources"])
    ink, color = ("ink", "s20") if has_enough else ("muted", "missing")
    n = format_counts(group["tokens"], group["sources"])
    shapes: list[scene.Shape] = [
        scene.Text(axes.left, axes.top - 16, _display_name(group["group"], 6), 17, color=ink, mono=True),
        scene.Text(axes.right, axes.top - 16, f"n = {n}", 13, "end", ink),
    ]
    last = int(frame["offset"].max())
    ticks = [offset for offset in range(-last, last + 1) if offset % _tick_step(last, axes.width) == 0]
    labels = [f"{offset:+d}".replace("-", "−") if offset else "0" for offset in ticks]
    levels = scene.nice_ticks(*axes.y_range, 5)
    shapes += axes.y_axis(levels, [format_number(level) for level in levels] if is_first else ())
    shapes += axes.x_axis(ticks, labels)
    title = "letters before (−) and after (+)"
    shapes.append(scene.Text(axes.center, axes.bottom + 38, title, 12, "middle", "muted"))
    for row in frame.to_dict("records"):
        shapes += _bar(axes, row, color)
    return shapes


def _tick_step(max_offset: int, width: float) -> int:
    """Return the distance between two ticks, in offsets."""
    return next((step for step in (1, 2, 5, 10, 20) if width / (2 * max_offset + 1) * step >= 30), 50)


def _bar(axes: Axes, row: Mapping[Any, Any], color: str) -> list[scene.Shape]:
    """Return the bar of one offset with its interval; nothing for an offset that no token has."""
    if not np.isfinite(row["mean"]):
        return []
    width = 0.78 * (axes.x(1) - axes.x(0))
    x, y, bottom = axes.x(row["offset"]), axes.y(row["mean"]), axes.y(0)
    n = format_counts(int(row["tokens"]), int(row["sources"]))
    note = f"{format_offset(int(row['offset']), 'letter')}\nmean |attribution| {format_number(row['mean'])}\n"
    note += f"95 % interval {format_number(row['ci_low'])} to {format_number(row['ci_high'])}\nn = {n}"
    key = f"{row['group']} {int(row['offset'])}"
    shapes: list[scene.Shape] = [scene.Box(x - width / 2, y, width, bottom - y, color, key=key, note=note)]
    if np.isfinite([row["ci_low"], row["ci_high"]]).all():
        ends = [axes.y(max(row[end], 0.0)) for end in ("ci_low", "ci_high")]
        shapes.append(scene.Edge(x, ends[0], x, ends[1], "ink", 1.6))
        shapes += [scene.Edge(x - 3, end, x + 3, end, "ink", 1.6) for end in ends]
    return shapes


def offset_means(
    values: NDArray[Any], step: NDArray[Any], source: NDArray[Any], source_step: NDArray[Any], offsets: Sequence[int]
) -> pd.DataFrame:
    """Return the mean of |values| at offsets from each token's own step.

    Parameters
    ----------
    values : array (token, source step)
        Attributions; NaN where a sample has no such step.
    step, source : array (token,)
        Explained step and source of each token.
    source_step : array (source step,)
        Steps of the input.
    offsets : sequence of int
        Source step minus step.

    Returns
    -------
    DataFrame
        ``offset``; ``mean`` over sources of the mean over tokens; ``ci_low`` and ``ci_high``, its 95 % interval from a
        jackknife over groups of sources; ``tokens`` and ``sources``, the numbers of both with such a step.
    """
    import pandas as pd

    distance, rows = source_step[None] - step[:, None], []
    size = np.where(np.isnan(values), -1.0, np.abs(values))
    for offset in offsets:
        at_offset = np.where(distance == offset, size, -1.0).max(1, initial=-1.0)
        exists = at_offset >= 0
        interval = mean_with_interval(at_offset[exists], source[exists])
        rows.append((offset, *interval, int(exists.sum()), np.unique(source[exists]).size))
    return pd.DataFrame(rows, columns=["offset", "mean", "ci_low", "ci_high", "tokens", "sources"])


def context_width(values: NDArray[Any], step: NDArray[Any], source: NDArray[Any], source_step: NDArray[Any]) -> int:
    """Return the smallest distance within which 90 % of the mean sum of |values| lies; see `offset_means`."""
    distance = np.abs(source_step[None] - step[:, None])
    weights = source_weights(source)[:, None] * np.nan_to_num(np.abs(values))
    total = np.bincount(distance.ravel(), weights.ravel())
    return int(np.searchsorted(np.cumsum(total), REACH_FRACTION * total.sum()))


@viewer(name="context-reach")
def context_reach(
    attribution: xr.Dataset, *, group_by: str = "pair", groups: Sequence[str] | None = None, max_offset: int = 8
) -> ContextReach:
    """Draw the mean of |attribution| against the offset: the step of the input minus the step that is explained.

    Parameters
    ----------
    attribution : Dataset
        ``attribution (token, source_step)`` with coords ``step``, ``source``, ``input``, ``output`` of ``token``; NaN
        where the sample has no such step.
    group_by : {"pair", "input"}
        Label that has one panel per value.
    groups : sequence of str, optional
        Groups to show, such as ``["t=>ծ"]`` or ``["t"]``, at most 6; by default the six with the most tokens, among
        those with at least 10 sources.
    max_offset : int
        Largest offset on both sides, at least 1.

    Raises
    ------
    UnknownNameError
        For a pair or letter without tokens.
    OptionError
        For an option out of range.
    SchemaError
        For a result of another kind.
    """
    if group_by not in PLURALS or max_offset < 1 or isinstance(groups, str):
        options = f"{group_by!r}, {max_offset} and {groups!r}"
        raise OptionError(
            f"Expected group_by= 'pair' or 'input', max_offset= at least 1 and groups= a list; got {options}."
        )
    names = group_names(attribution, group_by)
    selection = select_groups(names, attribution["source"].values, groups, group_by)
    frame, table = group_means(attribution, names, selection, max_offset)
    options = json.loads(str(attribution.attrs.get("options") or "{}"))
    keys = ("method", "target", "contrast_with", "baseline")
    method = ", ".join(f"{key} {options[key]!r}" for key in keys if options.get(key)) or "method not named"
    parts = [f"attribution: {method}"]
    parts.append(f"{len(selection)} of {np.unique(names).size} {PLURALS[group_by]}, mean over sources of the mean over "
                 "tokens")  # fmt: skip
    parts.append("lines: 95 % jackknife interval")
    parts += [GREY_NOTE] * (not all(map(has_enough_data, table["tokens"], table["sources"])))
    return ContextReach(
        title="Context reach" + (f" · {_display_name(selection[0])}" if len(selection) == 1 else ""),
        caption=format_caption(attribution, *parts, group_by=group_by, max_offset=max_offset),
        summary=summary(frame, table),
        data={"reach": frame, "groups": table},
    )


def group_means(
    attribution: xr.Dataset, names: NDArray[Any], selection: Sequence[str], max_offset: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two tables of the selected groups.

    Parameters
    ----------
    attribution : Dataset
        See `context_reach`.
    names : array (token,) of str
        Group of each token.
    selection : sequence of str
        Groups to include.
    max_offset : int
        Largest offset on both sides.

    Returns
    -------
    reach : DataFrame
        Column ``group`` and those of `offset_means`, one row per group and offset.
    groups : DataFrame
        ``group``, ``tokens``, ``sources`` and ``within_90_percent``, see `context_width`; one row per group.
    """
    import pandas as pd

    values = attribution["attribution"].values
    step, source, source_step = (attribution[name].values for name in ("step", "source", "source_step"))
    frames, groups = [], []
    for name in selection:
        mask = names == name
        part = (values[mask], step[mask], source[mask], source_step)
        frames.append(offset_means(*part, range(-max_offset, max_offset + 1)))
        frames[-1].insert(0, "group", name)
        groups.append((name, int(mask.sum()), np.unique(source[mask]).size, context_width(*part)))
    columns = ["group", "tokens", "sources", "within_90_percent"]
    return pd.concat(frames, ignore_index=True), pd.DataFrame(groups, columns=columns)


def group_names(attribution: xr.Dataset, group_by: str) -> NDArray[Any]:
    """Return the pair or letter of each token, ``(token,)`` of str; `SchemaError` if the result has none."""
    dims = attribution["attribution"].dims if "attribution" in attribution else ()
    needed = ("step", "source", "input", *["output"] * (group_by == "pair"))
    if dims != ("token", "source_step") or not set(needed) <= set(attribution.coords):
        raise SchemaError(
            f"Expected attribution (token, source_step) with the labels {', '.join(needed)}, from {MEASURE_CALL}; got "
            f"dims {dims} and coords {', '.join(map(str, attribution.coords))}."
        )
    inputs = attribution["input"].values.astype(str)
    if group_by == "input":
        return np.asarray(inputs)
    outputs = attribution["output"].values.astype(str)
    return np.array([f"{a}=>{b}" for a, b in zip(inputs.tolist(), outputs.tolist(), strict=True)])


def select_groups(names: NDArray[Any], sources: NDArray[Any], groups: Sequence[str] | None, group_by: str) -> list[str]:
    """Return the groups to show: the requested ones, or those with the most tokens.

    Parameters
    ----------
    names, sources : array (token,)
        Group and source of each token.
    groups : sequence of str, optional
        Requested groups.
    group_by : str
        Kind of group, for messages.
    """
    if not names.size:
        raise OptionError("No token was explained. Pass some tokens to interp.measure('attribution', acts, …).")
    unique, counts = np.unique(names, return_counts=True)
    if groups is None:
        ranked = unique[np.argsort(-counts, kind="stable")]
        frequent = [name for name in ranked if np.unique(sources[names == name]).size >= MIN_SOURCES]
        return [str(name) for name in (frequent or ranked)[:MAX_GROUPS]]
    for name in groups:
        if name not in unique:
            available = ", ".join(unique[:40].tolist())
            raise UnknownNameError(f"No {group_by} {name!r} was explained. Explained: {available}.")
    if not 1 <= len(groups) <= MAX_GROUPS:
        raise OptionError(f"groups= takes 1 to {MAX_GROUPS} names; got {len(groups)}.")
    return [str(name) for name in groups]


def summary(frame: pd.DataFrame, groups: pd.DataFrame) -> str:
    """Return a sentence with the largest mean and the width of the first three groups."""
    parts = []
    for row in groups.head(3).to_dict("records"):
        best = frame[frame["group"] == row["group"]].sort_values("mean", ascending=False, kind="stable").iloc[0]
        width = int(row["within_90_percent"])
        within = f"within {width} letter{'s' * (width > 1)}" if width else "at the letter itself"
        largest = f"largest at {format_offset(int(best['offset']), 'letter')} ({format_number(best['mean'])})"
        parts.append(f"{_display_name(row['group'])} {largest}, 90 % {within}")
    more = f"; and {len(groups) - 3} more" if len(groups) > 3 else ""
    return f"Mean |attribution|: {'; '.join(parts)}{more}."


def _display_name(name: str, limit: int = 8) -> str:
    """Return a pair or letter for a title, at most ``limit`` characters per label."""
    return format_pair(name, limit) if "=>" in name else truncate_middle(show_invisible(name), limit)
