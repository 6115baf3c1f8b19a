"""The viewer ``histogram-pair``: the two histograms behind one distance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, select, viewer
from interp.plotting import (
    GREY_NOTE,
    Axes,
    format_caption,
    format_counts,
    format_number,
    has_enough_data,
    scene,
    select_pair,
    select_unit,
    show_invisible,
    truncate_middle,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

LEFT, TOP, WIDTH, HEIGHT = 64.0, 74.0, 760.0, 300.0
SIDES = ("target", "rest")
COLORS = {"target": "positive", "rest": "negative"}
DASHES: dict[str, tuple[float, ...]] = {"target": (), "rest": (5.0, 3.0)}


def histograms(values: np.ndarray, is_target: np.ndarray, low: float, high: float, bins: int) -> tuple[np.ndarray, ...]:
    """Return the edges of equal-width bins and the counts on both sides.

    Parameters
    ----------
    values : array (token,)
        Activations of one unit.
    is_target : boolean array (token,)
        Tokens of the pair; all others are the rest.
    low, high : float
        Range of the bins; a constant unit gets a range around its value.
    bins : int
        Number of bins.

    Returns
    -------
    edges, counts : array (bin + 1,), int array (2, bin)
        Counts of the target side first.
    """
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    counts = [np.histogram(values[side], edges)[0] for side in (is_target, ~is_target)]
    return edges, np.stack(counts)


@dataclass(frozen=True, kw_only=True)
class HistogramPair(SceneView):
    """Two histograms on one axis: the tokens of a pair, and the other tokens of its input."""

    names: Mapping[str, str]
    counts: Mapping[str, str]
    sufficient: Mapping[str, bool]
    unit: str
    token: Mapping[str, Any] | None = None

    def compose(self) -> scene.Scene:
        """Return both histograms as steps, in proportions."""
        bins: Any = self.data["bins"]
        top = max(float(bins[f"share_{side}"].max()) for side in SIDES) * 1.08 or 1.0
        x_range = float(bins["low"].iloc[0]), float(bins["high"].iloc[-1])
        axes = Axes(LEFT, TOP, WIDTH, HEIGHT, x_range, (0.0, top))
        shapes = _grid(axes)
        for side in SIDES:
            shapes.append(scene.Area(_steps(bins, side, axes), COLORS[side], 0.32, COLORS[side], DASHES[side]))
        name = f"activation of {truncate_middle(self.unit, 60)}"
        shapes += [*_hover_targets(bins, axes), *self._legend(), *self._token_line(axes)]
        shapes.append(scene.Text(axes.center, axes.bottom + 50, name, 14, "middle"))
        return scene.Scene(LEFT + WIDTH + 24, TOP + HEIGHT + 66, tuple(shapes))

    def picture(self) -> str:
        """Return the scene with the extent of its axis: values, then left, top, width and height in pixels."""
        bins: Any = self.data["bins"]
        ends = (float(bins["low"].iloc[0]), float(bins["high"].iloc[-1]), LEFT, TOP, WIDTH, HEIGHT)
        return f'<div class="axis" data-axis="{" ".join(f"{end:.9g}" for end in ends)}">{super().picture()}</div>'

    def style(self) -> str:
        """Return a minimum width, below which the page scrolls, so that small text stays readable."""
        return ".scene { min-width: 540px; }"

    def script(self) -> str:
        """Return the scripts for tooltips, and for the line of a token that is pointed at in another view."""
        return super().script() + files("interp_hellinger").joinpath("line.js").read_text(encoding="utf-8")

    def _legend(self) -> list[scene.Shape]:
        shapes: list[scene.Shape] = []
        for row, side in enumerate(SIDES):
            y = 12 + row * 26.0
            corners = ((LEFT, y - 8), (LEFT + 32, y - 8), (LEFT + 32, y + 8), (LEFT, y + 8), (LEFT, y - 8))
            shapes.append(scene.Area(corners, COLORS[side], 0.32, COLORS[side], DASHES[side]))
            shapes.append(scene.Text(LEFT + 44, y, self.names[side], 15))
            color = "ink" if self.sufficient[side] else "muted"
            shapes.append(scene.Text(LEFT + 260, y, f"n = {self.counts[side]}", 14, color=color))
        return shapes

    def _token_line(self, axes: Axes) -> list[scene.Shape]:
        """Return the line of one token, with its labels and value."""
        if self.token is None:
            return []
        low, high = axes.x_range
        x = axes.x(min(max(self.token["value"], low), high))
        anchor = "end" if x > axes.center else "start"
        label = scene.Text(x + (-7 if anchor == "end" else 7), TOP + 10, self.token["label"], 13, anchor, mono=True)
        return [scene.Edge(x, TOP - 4, x, axes.bottom, "ink", 2), label]

    def holoviews(self) -> Any:
        """Return the histograms as an overlay of HoloViews ``Histogram``."""
        import holoviews as hv

        bins: Any = self.data["bins"]
        edges = np.append(bins["low"].to_numpy(), bins["high"].iloc[-1])
        dims = {"kdims": "activation", "vdims": "share"}
        shares = {side: (edges, bins[f"share_{side}"].to_numpy()) for side in SIDES}
        elements: list[Any] = [hv.Histogram(shares[side], label=self.names[side], **dims) for side in SIDES]
        lines = [] if self.token is None else [hv.VLine(self.token["value"])]
        return hv.Overlay([*elements, *lines])


def _grid(axes: Axes) -> list[scene.Shape]:
    shares, values = scene.nice_ticks(*axes.y_range, 5), scene.nice_ticks(*axes.x_range, 8)
    lines = axes.y_axis(shares, [f"{100 * share:.3g} %" for share in shares], zero_color="line")
    return lines + axes.x_axis(values, [format_number(value) for value in values], length=6, label_offset=20)


def _steps(bins: pd.DataFrame, side: str, axes: Axes) -> tuple[tuple[float, float], ...]:
    points = [(axes.x(axes.x_range[0]), axes.y(0.0))]
    for low, high, share in bins[["low", "high", f"share_{side}"]].itertuples(index=False):
        points += [(axes.x(low), axes.y(share)), (axes.x(high), axes.y(share))]
    return (*points, (axes.x(axes.x_range[1]), axes.y(0.0)))


def _hover_targets(bins: pd.DataFrame, axes: Axes) -> list[scene.Shape]:
    """Return a transparent column over each bin, which carries its tooltip."""
    shapes: list[scene.Shape] = []
    for index, row in enumerate(bins.to_dict("records")):
        counts = f"target: {row['n_target']:,}\nrest: {row['n_rest']:,}"
        note = f"{row['low']:.3g} to {row['high']:.3g}\n{counts}"
        x, width = axes.x(row["low"]), axes.x(row["high"]) - axes.x(row["low"])
        shapes.append(scene.Box(x, TOP, width, HEIGHT, "panel", alpha=0.0, key=f"bin {index}", note=note))
    return shapes


@viewer(requires=("source",), name="histogram-pair")
def histogram_pair(
    acts: xr.Dataset,
    dist: xr.Dataset,
    *,
    unit: str,
    pair: str | Sequence[str],
    bins: int = 40,
    token: Sequence[int] | None = None,
) -> HistogramPair:
    """Draw a unit's activations where an input has one output, against those where it has any other.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, with the two labels that the distance contrasts.
    dist : Dataset
        Result of ``interp.measure('hellinger', acts)``: ``distance (unit, pair)``.
    unit : str
        Name of the unit, such as ``lstm.0.backward.h.55``.
    pair : str or (str, str)
        Input and output, as ``("t", "ծ")`` or ``"t=>ծ"``.
    bins : int
        Number of bins in the picture, at least 2; the distance has its own bins, which the caption names.
    token : (int, int), optional
        Sample and step of a token to mark with a line at its activation; it can be any token, also of another input.

    Raises
    ------
    UnknownNameError
        If there is no such unit or pair.
    OptionError
        For fewer than two bins, if there is no such token, or if a side has no tokens.
    """
    if bins < 2:
        raise OptionError(f"bins= is at least 2; got {bins}.")
    cell = select_pair(select_unit(dist, unit), pair)
    labels = json.loads(dist.attrs.get("options") or "{}").get("labels") or ("input", "output")
    pair_labels = str(cell["pair_input"].values), str(cell["pair_output"].values)
    column = select_unit(acts, unit)
    of_input, is_target = _tokens_of_input(column, labels, pair_labels)
    values, source = of_input["activation"].values.astype(float), of_input["source"].values
    whole = column["activation"].values
    table = _bin_table(*histograms(values, is_target, float(whole.min()), float(whole.max()), bins))
    masks = zip(SIDES, (is_target, ~is_target), strict=True)
    sizes = {side: (int(mask.sum()), np.unique(source[mask]).size) for side, mask in masks}
    line = None if token is None else _marked_token(column, token, labels)
    return replace(_view(acts, cell, table, sizes, {"unit": unit, "bins": bins}), token=line)


def _tokens_of_input(column: xr.Dataset, labels: Sequence[str], pair: tuple[str, str]) -> tuple[xr.Dataset, np.ndarray]:
    """Return the tokens of the pair's input, and which of them have its output (token,).

    Raises
    ------
    UnknownNameError
        If a label or a value does not occur.
    OptionError
        If a side has no tokens.
    """
    (input_label, output_label), (name, output) = labels, pair
    of_input = select(column, **{input_label: name})
    select(of_input, **{output_label: output})  # raises an error if there is no such label
    is_target = of_input[output_label].values == output
    if not is_target.any() or is_target.all():
        counts = f"of {is_target.size} tokens with {input_label} {name!r}, {int(is_target.sum())} have {output_label}"
        raise OptionError(f"There is nothing to contrast: {counts} {output!r}. Capture more, or type another pair=.")
    return of_input, is_target


def _marked_token(column: xr.Dataset, token: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    """Return sample, step and value of a token, and its labels and value as text."""
    position = dict(zip(("sample", "step"), map(int, token), strict=True))
    row = select(column, **position)
    if not row.sizes["token"]:
        raise OptionError(f"These activations have no token {position}. Type another token=(sample, step).")
    value = float(row["activation"].values[0])
    first, second = (truncate_middle(show_invisible(str(row[name].values[0])), 8) for name in labels)
    return position | {"value": value, "label": f"{first} ⇒ {second}  {value:.3f}".replace("-", "−")}


def _bin_table(edges: np.ndarray, counts: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:]})
    for side, row in zip(SIDES, counts, strict=True):
        table[f"n_{side}"], table[f"share_{side}"] = row, row / max(row.sum(), 1)
    return table


def _view(
    acts: xr.Dataset, cell: xr.Dataset, table: pd.DataFrame, sizes: dict[str, tuple[int, int]], options: dict[str, Any]
) -> HistogramPair:
    name, output = (show_invisible(str(cell[f"pair_{side}"].values)) for side in ("input", "output"))
    short_name, unit, distance = truncate_middle(name, 8), str(options["unit"]), _distance_text(cell, sizes)
    counts = {side: format_counts(*sizes[side]) for side in SIDES}
    sufficient = {side: has_enough_data(*sizes[side]) for side in SIDES}
    n = f"pair {name}=>{output}, n = {counts['target']} against {counts['rest']} tokens / sources"
    contrast = f"the activations of {truncate_middle(unit)} where {name} becomes {output} and where it does not"
    return HistogramPair(
        title=f"{name} ⇒ {output} · {truncate_middle(unit)}",
        caption=format_caption(acts, n, distance, *[GREY_NOTE] * (not all(sufficient.values())), **options),
        summary=f"{distance} between {contrast}.",
        data={"bins": table},
        names={"target": f"{short_name} ⇒ {truncate_middle(output, 8)}", "rest": f"{short_name}, other outputs"},
        counts=counts,
        sufficient=sufficient,
        unit=unit,
    )


def _distance_text(cell: xr.Dataset, sizes: Mapping[str, tuple[int, int]]) -> str:
    """Return the distance with its bins, and with its sample sizes if these differ from the ones in the picture."""
    bins = json.loads(cell.attrs.get("options") or "{}").get("bins")
    own_sizes = {side: (int(cell[f"n_{side}"]), int(cell[f"sources_{side}"])) for side in SIDES}
    other = " against ".join(format_counts(*own_sizes[side]) for side in SIDES) if own_sizes != sizes else ""
    details = ", ".join(filter(None, (bins and f"{bins:,} bins", other and f"measured on n = {other}")))
    return f"Hellinger distance {float(cell['distance']):.3f}" + (f" ({details})" if details else "")
