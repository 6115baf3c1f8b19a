"""The viewer ``ablation-curves``: what is lost with the first k units of a ranking, and with all but them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SceneView, SchemaError, captions, lettering, scene, viewer
from interp_causal.panel import Panel, limits, number

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SIDES = {"removed": "remove the first k units", "kept": "keep only the first k units"}
LEFT, TOP, WIDTH, HEIGHT, BETWEEN = 62.0, 92.0, 430.0, 300.0, 40.0
MIDDLE = (2.5, 97.5)  # percentiles of random orders that the band joins
SHARE = 0.8
ROUND = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
DASH = (5.0, 3.0)


@dataclass(frozen=True, kw_only=True)
class AblationCurves(SceneView):
    """Two panels, remove and keep: the ranking with its interval, and the band of random orders."""

    @property
    def _curve(self) -> xr.Dataset:
        curve: Any = self.data["curve"]
        return curve  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return both panels side by side on one scale."""
        frame, n = self.tables()["curves"], int(self._curve["k"].values[-1])
        columns = [frame[name] for name in frame if str(name).startswith(tuple(SIDES))]
        up = limits(*columns, [float(self._curve["whole"])])
        shapes = _legend(self._curve)
        for place, side in enumerate(SIDES):
            left = LEFT + place * (WIDTH + BETWEEN)
            panel = Panel(left, TOP, WIDTH, HEIGHT, (0, n), up, np.sqrt)
            shapes += _frame(panel, n, SIDES[side], place == 0)
            shapes += _side(panel, frame, side)
            shapes += _level(panel, self._curve) if side == "removed" else []
            shapes += _nodes(panel, frame, side, n)
        return scene.Scene(LEFT + 2 * WIDTH + BETWEEN + 16, TOP + HEIGHT + 54, tuple(shapes))

    def holoviews(self) -> Any:
        """Return the curves as a layout of two overlays of HoloViews ``Area`` and ``Curve``."""
        import holoviews as hv

        frame = self.tables()["curves"]
        drawn = []
        for side, words in SIDES.items():
            parts: list[Any] = [hv.Curve((frame["k"], frame[side]), "k", "effect", label="ranking")]
            if f"{side}_random" in frame:
                edges = (frame["k"], frame[f"{side}_random_low"], frame[f"{side}_random_high"])
                parts.insert(0, hv.Area(edges, "k", ["effect", "high"], label="random orders"))
            drawn.append(hv.Overlay(parts, label=words))
        return drawn[0] + drawn[1]

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return one row for each k: both effects with their intervals, and random orders with their band (nats)."""
        return {"curves": table(self._curve)}


def table(curve: xr.Dataset) -> pd.DataFrame:
    """Return the curves as a table; the band joins the middle 95 % of the random orders.

    Parameters
    ----------
    curve : Dataset
        Of the probe ``ablation-curve``.

    Returns
    -------
    DataFrame
        Columns ``k``, then for ``removed`` and ``kept`` the effect with ``_low`` and ``_high``, and with random orders
        ``_random`` with ``_random_low`` and ``_random_high``.
    """
    import pandas as pd

    frame = pd.DataFrame({"k": curve["k"].values})
    for side in SIDES:
        for name in (side, f"{side}_low", f"{side}_high"):
            frame[name] = curve[name].values
        if curve.sizes.get("order"):
            orders = curve[f"{side}_order"].values
            frame[f"{side}_random"] = orders.mean(1)
            frame[f"{side}_random_low"], frame[f"{side}_random_high"] = np.percentile(orders, MIDDLE, axis=1)
    return frame


def _frame(panel: Panel, n: int, words: str, first: bool) -> list[scene.Shape]:
    marks = [0, *(k for k in ROUND if k < 0.8 * n), n]
    marks = [k for k in marks if k in (0, n) or panel.x(n) - panel.x(k) > 34]
    foot = panel.top + panel.height
    shapes: list[scene.Shape] = [scene.Text(panel.left, panel.top - 20, words, 15)]
    shapes += panel.axes(marks, [f"{k:,}" for k in marks], 6, first)
    shapes.append(scene.Text(panel.left + panel.width / 2, foot + 40, "k (square-root scale)", 13, "middle", "muted"))
    if first:
        shapes.append(scene.Text(0, panel.top - 44, "effect, nats", 13, color="muted"))
    return shapes


def _side(panel: Panel, frame: pd.DataFrame, side: str) -> list[scene.Shape]:
    k, shapes = frame["k"], list[scene.Shape]()
    if f"{side}_random" in frame:
        shapes += panel.band(k, frame[f"{side}_random_low"], frame[f"{side}_random_high"], "missing", 0.55)
        shapes += panel.line(k, frame[f"{side}_random"], "muted", DASH)
    shapes += panel.band(k, frame[f"{side}_low"], frame[f"{side}_high"], "s16", 0.35)
    return shapes + panel.line(k, frame[side], "ink")


def _level(panel: Panel, curve: xr.Dataset) -> list[scene.Shape]:
    """Return the mark of k80: from 80 % of the whole effect down to the k that reaches it."""
    k80, level = int(curve["k80"]), SHARE * float(curve["whole"])
    if k80 < 0:
        return []
    x, y, foot = panel.x(k80), panel.y(level), panel.top + panel.height
    side = ("end", -9) if x > panel.left + 0.75 * panel.width else ("start", 9)
    return [
        scene.Edge(panel.left, y, x, y, "ink", 1.2, (2, 3)),
        scene.Edge(x, y, x, foot, "ink", 1.2, (2, 3)),
        scene.Box(x - 6, y - 6, 12, 12, "positive", round=6, outline="ink", outline_width=1.5),
        scene.Text(panel.left + 6, y - 11, f"{SHARE:.0%} of all".replace("%", " %"), 12, color="muted"),
        scene.Text(x + side[1], foot - 14, f"k80 = {k80:,}", 14, side[0], bold=True),
    ]


def _nodes(panel: Panel, frame: pd.DataFrame, side: str, n: int) -> list[scene.Shape]:
    """Return a dot for each measured k, with its numbers."""
    shapes: list[scene.Shape] = []
    for row in frame.to_dict("records"):
        low, high = (number(row[f"{side}_{end}"]) for end in ("low", "high"))
        note = f"{side} the first {int(row['k']):,} of {n:,} units\neffect {number(row[side])} nats ({low} to {high})"
        if f"{side}_random" in row:
            low, high = (number(row[f"{side}_random_{end}"]) for end in ("low", "high"))
            note += f"\nrandom orders {number(row[f'{side}_random'])} ({low} to {high})"
        x, y = panel.x(row["k"]), panel.y(row[side])
        shapes.append(scene.Box(x - 3, y - 3, 6, 6, "ink", round=3, key=f"{side} {int(row['k'])}", note=note))
    return shapes


def _legend(curve: xr.Dataset) -> list[scene.Shape]:
    shapes: list[scene.Shape] = [
        scene.Box(LEFT, 2, 34, 20, "s16", alpha=0.35),
        scene.Edge(LEFT, 12, LEFT + 34, 12, "ink", 2),
        scene.Text(LEFT + 44, 12, "the ranking, with its 95 % interval", 14),
    ]
    orders = curve.sizes.get("order", 0)
    if orders:
        x = LEFT + 340
        shapes += [
            scene.Box(x, 2, 34, 20, "missing", alpha=0.55),
            scene.Edge(x, 12, x + 34, 12, "muted", 2, DASH),
            scene.Text(x + 44, 12, f"{orders:,} random orders: mean, and the middle 95 %", 14),
        ]
    n = (int(curve["tokens"]), int(curve["sources"]))
    color = "ink" if captions.enough(*n) else "muted"
    return [*shapes, scene.Text(LEFT + 2 * WIDTH + BETWEEN, 12, f"n = {captions.counts(*n)}", 14, "end", color)]


@viewer(name="ablation-curves")
def ablation_curves(curve: xr.Dataset) -> AblationCurves:
    """Draw what the right output loses when the first k units of a ranking are ablated, and all but them.

    Parameters
    ----------
    curve : Dataset
        Of the probe ``ablation-curve``: ``removed`` and ``kept (k)`` with their intervals, random orders
        ``removed_order`` and ``kept_order (k, order)``, ``whole``, ``k80``, ``tokens`` and ``sources``.

    Raises
    ------
    SchemaError
        Another kind of result.
    """
    if not {"removed", "kept", "whole", "k80", "tokens"} <= set(curve.data_vars):
        raise SchemaError(
            "Expected a result of interp.measure('ablation-curve', acts, model=…, ranking=…, pair=…); got variables "
            f"{', '.join(map(str, curve.data_vars))}."
        )
    options = json.loads(str(curve.attrs.get("options") or "{}"))
    name = lettering.pair(str(options.get("pair") or ""))
    units, n = int(curve["k"].values[-1]), (int(curve["tokens"]), int(curve["sources"]))
    told = {key: options[key] for key in ("to", "given", "draws", "seed", "seen_by", "orders") if key in options}
    words = [f"pair {name or 'not named'}, n = {captions.counts(*n)} tokens / sources"]
    words += [captions.GREY] * (not captions.enough(*n))
    words.append(f"{units:,} units; effects are log-odds of the right output, intact minus ablated")
    return AblationCurves(
        title=f"{name} · ablation" if name else "Ablation",
        caption=captions.caption(curve, *words, **told),
        summary=summary(curve, name),
        data={"curve": curve},
    )


def summary(curve: xr.Dataset, name: str) -> str:
    """Return in a sentence how many units of the ranking do the work."""
    whole, k80, n = float(curve["whole"]), int(curve["k80"]), int(curve["k"].values[-1])
    said = f"Ablating all {n:,} units costs {name or 'the right output'} {number(whole)} nats of log-odds"
    if k80 < 0:
        return f"{said}: there is no effect to share out."
    said += f"; the first {k80:,} of the ranking have 80 % of that"
    if "area_removed" not in curve:
        return f"{said}."
    areas = " and ".join(
        f"{float(curve[f'area_{side}']):.2f} ({words})" for side, words in (("removed", "remove"), ("kept", "keep"))
    )
    return f"{said}; area between the ranking and random orders, in shares of it: {areas}."
