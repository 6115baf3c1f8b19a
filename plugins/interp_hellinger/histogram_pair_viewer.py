"""The viewer ``histogram-pair``: the two histograms behind one distance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, captions, lettering, one_pair, one_unit, pick, scene, viewer

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

LEFT, TOP, WIDTH, HEIGHT = 64.0, 74.0, 760.0, 300.0
SIDES = ("with", "without")
COLORS = {"with": "positive", "without": "negative"}
DASHES: dict[str, tuple[float, ...]] = {"with": (), "without": (5.0, 3.0)}


def histograms(values: np.ndarray, here: np.ndarray, low: float, high: float, bins: int) -> tuple[np.ndarray, ...]:
    """Return the edges of equal bins and the counts on both sides.

    Parameters
    ----------
    values : array (token,)
        Activations of one unit.
    here : boolean array (token,)
        Which tokens are of the pair; the others are the other side.
    low, high : float
        The range; a constant unit gets a range around its value.
    bins : int
        How many.

    Returns
    -------
    edges, counts : array (bin + 1,), int array (2, bin)
        The counts with the pair, and without.
    """
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    counts = [np.histogram(values[side], edges)[0] for side in (here, ~here)]
    return edges, np.stack(counts)


@dataclass(frozen=True, kw_only=True)
class HistogramPair(SceneView):
    """Two histograms over one axis: the tokens of a pair, and the other tokens of its input."""

    names: Mapping[str, str]
    counts: Mapping[str, str]
    enough: Mapping[str, bool]
    unit: str
    token: Mapping[str, Any] | None = None

    def compose(self) -> scene.Scene:
        """Return both histograms in shares, as steps."""
        bins: Any = self.data["bins"]
        top = max(float(bins[f"share_{side}"].max()) for side in SIDES) * 1.08 or 1.0
        axes = _Axes(float(bins["low"].iloc[0]), float(bins["high"].iloc[-1]), top)
        shapes = axes.shapes()
        for side in SIDES:
            shapes.append(scene.Area(_steps(bins, side, axes), COLORS[side], 0.32, COLORS[side], DASHES[side]))
        name = f"activation of {lettering.short(self.unit, 60)}"
        shapes += [*_targets(bins, axes), *self._legend(), *self._line(axes)]
        shapes.append(scene.Text(LEFT + WIDTH / 2, TOP + HEIGHT + 50, name, 14, "middle"))
        return scene.Scene(LEFT + WIDTH + 24, TOP + HEIGHT + 66, tuple(shapes))

    def picture(self) -> str:
        """Return the scene, with where its axis begins and ends: values, then left, top, width and height in pixels."""
        bins: Any = self.data["bins"]
        ends = (float(bins["low"].iloc[0]), float(bins["high"].iloc[-1]), LEFT, TOP, WIDTH, HEIGHT)
        return f'<div class="axis" data-axis="{" ".join(f"{end:.9g}" for end in ends)}">{super().picture()}</div>'

    def style(self) -> str:
        """Return the width below which the page scrolls, so that small text can be read."""
        return ".scene { min-width: 540px; }"

    def script(self) -> str:
        """Return the tooltips, and what draws the line of a token that is pointed at in another picture."""
        return super().script() + files("interp_hellinger").joinpath("line.js").read_text(encoding="utf-8")

    def _legend(self) -> list[scene.Shape]:
        shapes: list[scene.Shape] = []
        for row, side in enumerate(SIDES):
            y = 12 + row * 26.0
            corners = ((LEFT, y - 8), (LEFT + 32, y - 8), (LEFT + 32, y + 8), (LEFT, y + 8), (LEFT, y - 8))
            shapes.append(scene.Area(corners, COLORS[side], 0.32, COLORS[side], DASHES[side]))
            shapes.append(scene.Text(LEFT + 44, y, self.names[side], 15))
            color = "ink" if self.enough[side] else "muted"
            shapes.append(scene.Text(LEFT + 260, y, f"n = {self.counts[side]}", 14, color=color))
        return shapes

    def _line(self, axes: _Axes) -> list[scene.Shape]:
        """Return the line of one token, with its labels and value."""
        if self.token is None:
            return []
        x = axes.x(min(max(self.token["value"], axes.low), axes.high))
        anchor = "end" if x > LEFT + WIDTH / 2 else "start"
        words = scene.Text(x + (-7 if anchor == "end" else 7), TOP + 10, self.token["words"], 13, anchor, mono=True)
        return [scene.Edge(x, TOP - 4, x, TOP + HEIGHT, "ink", 2), words]

    def holoviews(self) -> Any:
        """Return the histograms as an overlay of HoloViews ``Histogram``."""
        import holoviews as hv

        bins: Any = self.data["bins"]
        edges = np.append(bins["low"].to_numpy(), bins["high"].iloc[-1])
        names = {"kdims": "activation", "vdims": "share"}
        shares = {side: (edges, bins[f"share_{side}"].to_numpy()) for side in SIDES}
        drawn: list[Any] = [hv.Histogram(shares[side], label=self.names[side], **names) for side in SIDES]
        lines = [] if self.token is None else [hv.VLine(self.token["value"])]
        return hv.Overlay([*drawn, *lines])


@dataclass(frozen=True)
class _Axes:
    """From activations ``low`` to ``high`` and shares 0 to ``top``, to pixels."""

    low: float
    high: float
    top: float

    def x(self, value: float) -> float:
        return LEFT + (value - self.low) / (self.high - self.low) * WIDTH

    def y(self, share: float) -> float:
        return TOP + HEIGHT * (1 - share / self.top)

    def shapes(self) -> list[scene.Shape]:
        shapes: list[scene.Shape] = []
        for share in scene.ticks(0.0, self.top, 5):
            y = self.y(share)
            shapes.append(scene.Edge(LEFT, y, LEFT + WIDTH, y))
            shapes.append(scene.Text(LEFT - 10, y, f"{100 * share:.3g} %", 13, "end", "muted"))
        for value in scene.ticks(self.low, self.high, 8):
            x = self.x(value)
            shapes.append(scene.Edge(x, TOP + HEIGHT, x, TOP + HEIGHT + 6, "muted"))
            shapes.append(scene.Text(x, TOP + HEIGHT + 20, f"{value:.3g}".replace("-", "−"), 13, "middle", "muted"))
        return shapes


def _steps(bins: pd.DataFrame, side: str, axes: _Axes) -> tuple[tuple[float, float], ...]:
    points = [(axes.x(axes.low), axes.y(0.0))]
    for low, high, share in bins[["low", "high", f"share_{side}"]].itertuples(index=False):
        points += [(axes.x(low), axes.y(share)), (axes.x(high), axes.y(share))]
    return (*points, (axes.x(axes.high), axes.y(0.0)))


def _targets(bins: pd.DataFrame, axes: _Axes) -> list[scene.Shape]:
    """Return a see-through column over each bin, for the tooltip."""
    shapes: list[scene.Shape] = []
    for at, row in enumerate(bins.to_dict("records")):
        note = f"{row['low']:.3g} to {row['high']:.3g}\nof the pair: {row['n_with']:,}\nothers: {row['n_without']:,}"
        x, wide = axes.x(row["low"]), axes.x(row["high"]) - axes.x(row["low"])
        shapes.append(scene.Box(x, TOP, wide, HEIGHT, "panel", alpha=0.0, key=f"bin {at}", note=note))
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
    """Draw a unit's activations where an input has one output, against those where it has another.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, with the two labels that the distance contrasts.
    dist : Dataset
        What ``interp.measure('hellinger', acts)`` returned: ``distance (unit, pair)``.
    unit : str
        ``lstm.0.backward.h.55``.
    pair : str or (str, str)
        ``("t", "ծ")`` or ``"t=>ծ"``.
    bins : int
        How many are drawn; the distance has its own, which the caption names.
    token : (int, int), optional
        Sample and step of a token whose activation is drawn as a line; it need not be of the pair.

    Raises
    ------
    UnknownNameError
        No such unit or pair.
    OptionError
        Fewer than two bins, no token of the pair, or no such token.
    """
    if bins < 2:
        raise OptionError(f"bins= is at least 2; got {bins}.")
    one = one_pair(one_unit(dist, unit), pair)
    given, becomes = json.loads(dist.attrs.get("options") or "{}").get("labels") or ("input", "output")
    letter, output = str(one["pair_input"].values), str(one["pair_output"].values)
    column = one_unit(acts, unit)
    among, values = pick(column, **{given: letter}), column["activation"].values
    pick(among, **{becomes: output})  # says so where there is no such label
    here = among[becomes].values == output
    if not here.any() or here.all():
        what = f"of {here.size} tokens with {given} {letter!r}, {int(here.sum())} have {becomes} {output!r}"
        raise OptionError(f"There is nothing to contrast: {what}. Capture more, or type another pair=.")
    drawn, source = among["activation"].values.astype(float), among["source"].values
    table = _table(*histograms(drawn, here, float(values.min()), float(values.max()), bins))
    masks = zip(SIDES, (here, ~here), strict=True)
    sizes = {side: (int(mask.sum()), np.unique(source[mask]).size) for side, mask in masks}
    line = None if token is None else _token(column, token, (given, becomes))
    return replace(_view(acts, one, table, sizes, {"unit": unit, "bins": bins}), token=line)


def _token(column: xr.Dataset, token: Sequence[int], labels: tuple[str, str]) -> dict[str, Any]:
    """Return the value of a token and its labels in words."""
    place = dict(zip(("sample", "step"), map(int, token), strict=True))
    found = pick(column, **place)
    if not found.sizes["token"]:
        raise OptionError(f"These activations have no token {place}. Type another token=(sample, step).")
    value = float(found["activation"].values[0])
    given, output = (lettering.short(lettering.visible(str(found[name].values[0])), 8) for name in labels)
    return place | {"value": value, "words": f"{given} ⇒ {output}  {value:.3f}".replace("-", "−")}


def _table(edges: np.ndarray, counts: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:]})
    for side, row in zip(SIDES, counts, strict=True):
        table[f"n_{side}"], table[f"share_{side}"] = row, row / max(row.sum(), 1)
    return table


def _view(
    acts: xr.Dataset, one: xr.Dataset, table: pd.DataFrame, sizes: dict[str, tuple[int, int]], options: dict[str, Any]
) -> HistogramPair:
    letter, output = (lettering.visible(str(one[f"pair_{side}"].values)) for side in ("input", "output"))
    given, unit, said = lettering.short(letter, 8), str(options["unit"]), _measured(one, sizes)
    shown = {side: captions.counts(*sizes[side]) for side in SIDES}
    enough = {side: captions.enough(*sizes[side]) for side in SIDES}
    n = f"pair {letter}=>{output}, n = {shown['with']} against {shown['without']} tokens / sources"
    what = f"the activations of {lettering.short(unit)} where {letter} becomes {output} and where it does not"
    return HistogramPair(
        title=f"{letter} ⇒ {output} · {lettering.short(unit)}",
        caption=captions.caption(acts, n, said, *[captions.GREY] * (not all(enough.values())), **options),
        summary=f"{said} between {what}.",
        data={"bins": table},
        names={"with": f"{given} ⇒ {lettering.short(output, 8)}", "without": f"{given}, other outputs"},
        counts=shown,
        enough=enough,
        unit=unit,
    )


def _measured(one: xr.Dataset, sizes: Mapping[str, tuple[int, int]]) -> str:
    """Return the distance in words: with its bins, and with its n where that is of other tokens than those drawn."""
    bins = json.loads(one.attrs.get("options") or "{}").get("bins")
    own = {side: (int(one[f"n_{side}"]), int(one[f"sources_{side}"])) for side in SIDES}
    other = " against ".join(captions.counts(*own[side]) for side in SIDES) if own != sizes else ""
    inside = ", ".join(filter(None, (bins and f"{bins:,} bins", other and f"measured on n = {other}")))
    return f"Hellinger distance {float(one['distance']):.3f}" + (f" ({inside})" if inside else "")
