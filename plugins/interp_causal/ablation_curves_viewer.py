"""The viewer ``ablation-curves``: effects of ablating the first k units of a ranking, and all but them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SceneView, SchemaError, viewer
from interp.plotting import (
    GREY_NOTE,
    Axes,
    axis_range,
    format_caption,
    format_counts,
    format_number,
    format_pair,
    has_enough_data,
    scene,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SIDES = {"removed": "remove the first k units", "kept": "keep only the first k units"}
LEFT, TOP, WIDTH, HEIGHT, GAP = 62.0, 92.0, 430.0, 300.0, 40.0
BAND_PERCENTILES = (2.5, 97.5)  # of random orders
EFFECT_FRACTION = 0.8  # of the effect of all units, marked as k80
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
DASH = (5.0, 3.0)
CAPTION_OPTIONS = ("replace_with", "match_on", "n_draws", "seed", "scope", "n_random_orders")


@dataclass(frozen=True, kw_only=True)
class AblationCurves(SceneView):
    """Two panels, remove and keep: the ranking with its interval, and the band of random orders."""

    @property
    def _curve(self) -> xr.Dataset:
        curve: Any = self.data["curve"]
        return curve  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return a scene with both panels side by side, on one scale."""
        frame, n = self.tables()["curves"], int(self._curve["k"].values[-1])
        columns = [frame[name] for name in frame if str(name).startswith(tuple(SIDES))]
        y_range = axis_range(*columns, [float(self._curve["whole"])])
        shapes = _legend(self._curve)
        for position, side in enumerate(SIDES):
            left = LEFT + position * (WIDTH + GAP)
            axes = Axes(left, TOP, WIDTH, HEIGHT, (0, n), y_range, np.sqrt)
            shapes += _labelled_axes(axes, n, SIDES[side], position == 0)
            shapes += _curves(axes, frame, side)
            shapes += _k80_mark(axes, self._curve) if side == "removed" else []
            shapes += _dots(axes, frame, side, n)
        return scene.Scene(LEFT + 2 * WIDTH + GAP + 16, TOP + HEIGHT + 54, tuple(shapes))

    def holoviews(self) -> Any:
        """Return the curves as a layout of two overlays of HoloViews ``Area`` and ``Curve``."""
        import holoviews as hv

        frame = self.tables()["curves"]
        overlays = []
        for side, title in SIDES.items():
            parts: list[Any] = [hv.Curve((frame["k"], frame[side]), "k", "effect", label="ranking")]
            if f"{side}_random" in frame:
                edges = (frame["k"], frame[f"{side}_random_low"], frame[f"{side}_random_high"])
                parts.insert(0, hv.Area(edges, "k", ["effect", "high"], label="random orders"))
            overlays.append(hv.Overlay(parts, label=title))
        return overlays[0] + overlays[1]

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return one row per k: both effects with their intervals, and random orders with their band (nats)."""
        return {"curves": curve_table(self._curve)}


def curve_table(curve: xr.Dataset) -> pd.DataFrame:
    """Return the curves as a table; the band contains the middle 95 % of the random orders.

    Parameters
    ----------
    curve : Dataset
        Result of the probe ``ablation-curve``.

    Returns
    -------
    DataFrame
        Columns ``k``, then for ``removed`` and ``kept`` the effect with ``_ci_low`` and ``_ci_high``, and with random
        orders ``_random`` with ``_random_low`` and ``_random_high``.
    """
    import pandas as pd

    frame = pd.DataFrame({"k": curve["k"].values})
    for side in SIDES:
        for name in (side, f"{side}_ci_low", f"{side}_ci_high"):
            frame[name] = curve[name].values
        if curve.sizes.get("order"):
            orders = curve[f"{side}_order"].values
            band = np.percentile(orders, BAND_PERCENTILES, axis=1)
            frame[f"{side}_random"] = orders.mean(1)
            frame[f"{side}_random_low"], frame[f"{side}_random_high"] = band
    return frame


def _labelled_axes(axes: Axes, n: int, title: str, is_first: bool) -> list[scene.Shape]:
    """Return the ticks and grid lines of a panel, and its titles."""
    ticks = [0, *(k for k in TICKS if k < 0.8 * n), n]
    ticks = [k for k in ticks if k in (0, n) or axes.x(n) - axes.x(k) > 34]
    levels = scene.nice_ticks(*axes.y_range, 6)
    shapes: list[scene.Shape] = [scene.Text(axes.left, axes.top - 20, title, 15)]
    shapes += axes.y_axis(levels, [format_number(level) for level in levels] if is_first else ())
    shapes += axes.x_axis(ticks, [f"{k:,}" for k in ticks])
    shapes.append(scene.Text(axes.center, axes.bottom + 40, "k (square-root scale)", 13, "middle", "muted"))
    if is_first:
        shapes.append(scene.Text(0, axes.top - 44, "effect, nats", 13, color="muted"))
    return shapes


def _curves(axes: Axes, frame: pd.DataFrame, side: str) -> list[scene.Shape]:
    """Return the curve of the ranking and of random orders, with their bands."""
    k, shapes = frame["k"], list[scene.Shape]()
    if f"{side}_random" in frame:
        shapes += axes.band(k, frame[f"{side}_random_low"], frame[f"{side}_random_high"], "missing", 0.55)
        shapes += axes.line(k, frame[f"{side}_random"], "muted", DASH)
    shapes += axes.band(k, frame[f"{side}_ci_low"], frame[f"{side}_ci_high"], "s16", 0.35)
    return shapes + axes.line(k, frame[side], "ink")


def _k80_mark(axes: Axes, curve: xr.Dataset) -> list[scene.Shape]:
    """Return the mark of k80: lines from 80 % of the effect of all units down to the k that reaches it."""
    k80, level = int(curve["k80"]), EFFECT_FRACTION * float(curve["whole"])
    if k80 < 0:
        return []
    x, y = axes.x(k80), axes.y(level)
    anchor, shift = ("end", -9) if x > axes.left + 0.75 * axes.width else ("start", 9)
    return [
        scene.Edge(axes.left, y, x, y, "ink", 1.2, (2, 3)),
        scene.Edge(x, y, x, axes.bottom, "ink", 1.2, (2, 3)),
        scene.Box(x - 6, y - 6, 12, 12, "positive", round=6, outline="ink", outline_width=1.5),
        scene.Text(axes.left + 6, y - 11, f"{EFFECT_FRACTION:.0%} of all".replace("%", " %"), 12, color="muted"),
        scene.Text(x + shift, axes.bottom - 14, f"k80 = {k80:,}", 14, anchor, bold=True),
    ]


def _dots(axes: Axes, frame: pd.DataFrame, side: str, n: int) -> list[scene.Shape]:
    """Return a dot for each measured k, with its values as a note."""
    shapes: list[scene.Shape] = []
    for row in frame.to_dict("records"):
        low, high = (format_number(row[f"{side}_{end}"]) for end in ("ci_low", "ci_high"))
        note = f"{side} the first {int(row['k']):,} of {n:,} units\n"
        note += f"effect {format_number(row[side])} nats ({low} to {high})"
        if f"{side}_random" in row:
            low, high = (format_number(row[f"{side}_random_{end}"]) for end in ("low", "high"))
            note += f"\nrandom orders {format_number(row[f'{side}_random'])} ({low} to {high})"
        x, y = axes.x(row["k"]), axes.y(row[side])
        shapes.append(scene.Box(x - 3, y - 3, 6, 6, "ink", round=3, key=f"{side} {int(row['k'])}", note=note))
    return shapes


def _legend(curve: xr.Dataset) -> list[scene.Shape]:
    shapes: list[scene.Shape] = [
        scene.Box(LEFT, 2, 34, 20, "s16", alpha=0.35),
        scene.Edge(LEFT, 12, LEFT + 34, 12, "ink", 2),
        scene.Text(LEFT + 44, 12, "ranking, with 95 % interval", 14),
    ]
    orders = curve.sizes.get("order", 0)
    if orders:
        x = LEFT + 340
        shapes += [
            scene.Box(x, 2, 34, 20, "missing", alpha=0.55),
            scene.Edge(x, 12, x + 34, 12, "muted", 2, DASH),
            scene.Text(x + 44, 12, f"{orders:,} random orders: mean and middle 95 %", 14),
        ]
    n = (int(curve["tokens"]), int(curve["sources"]))
    color = "ink" if has_enough_data(*n) else "muted"
    return [*shapes, scene.Text(LEFT + 2 * WIDTH + GAP, 12, f"n = {format_counts(*n)}", 14, "end", color)]


@viewer(name="ablation-curves")
def ablation_curves(curve: xr.Dataset) -> AblationCurves:
    """Draw the effects of ablating the first k units of a ranking, and all but them.

    Parameters
    ----------
    curve : Dataset
        Result of the probe ``ablation-curve``: ``removed`` and ``kept (k)`` with their intervals, random orders
        ``removed_order`` and ``kept_order (k, order)``, ``whole``, ``k80``, ``tokens`` and ``sources``.

    Raises
    ------
    SchemaError
        For a result of another kind.
    """
    if not {"removed", "kept", "whole", "k80", "tokens"} <= set(curve.data_vars):
        raise SchemaError(
            "Expected a result of interp.measure('ablation-curve', acts, model=…, ranking=…, pair=…); got variables "
            f"{', '.join(map(str, curve.data_vars))}."
        )
    options = json.loads(str(curve.attrs.get("options") or "{}"))
    name = format_pair(str(options.get("pair") or ""))
    units, n = int(curve["k"].values[-1]), (int(curve["tokens"]), int(curve["sources"]))
    parts = [f"pair {name or 'not named'}, n = {format_counts(*n)} tokens / sources"]
    parts += [GREY_NOTE] * (not has_enough_data(*n))
    parts.append(f"{units:,} units; effects are log-odds of the correct output, intact minus ablated")
    return AblationCurves(
        title=f"{name} · ablation" if name else "Ablation",
        caption=format_caption(curve, *parts, **{key: options[key] for key in CAPTION_OPTIONS if key in options}),
        summary=summary(curve, name),
        data={"curve": curve},
    )


def summary(curve: xr.Dataset, name: str) -> str:
    """Return a sentence with the effect of all units and the number of units that have most of it."""
    whole, k80, n = float(curve["whole"]), int(curve["k80"]), int(curve["k"].values[-1])
    decrease = f"the log-odds of {name or 'the correct output'} by {format_number(whole)} nats"
    effect = f"Ablating all {n:,} units lowers {decrease}"
    if k80 < 0:
        return f"{effect}: there is no effect to attribute to units."
    first = "unit has" if k80 == 1 else f"{k80:,} units have"
    sentence = f"{effect}; the first {first} 80 % of this effect"
    if "area_removed" not in curve:
        return f"{sentence}."
    areas = " and ".join(
        f"{float(curve[f'area_{side}']):.2f} ({title})" for side, title in (("removed", "remove"), ("kept", "keep"))
    )
    return f"{sentence}; area between ranking and random orders, relative to it: {areas}."
