"""The viewer ``unit-card``: all about one unit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, captions, lettering, one_unit, render, scene, viewer
from interp_units import cardparts, cardtables
from interp_units.overview import check_distances
from interp_units.reading import SAMPLE

if TYPE_CHECKING:
    import pandas as pd
    import torch
    import xarray as xr

SIDES = (("distribution", "pairs", "gates", "pushes"), ("contexts", "correlated"))
APART = 60.0  # pixels between the two columns
BELOW = 26.0  # and between two parts of a column
COVERED = 99.5  # % of |x| that a colour scale reaches
HEADINGS = {
    "distribution": "Activations",
    "pairs": "Pairs it tells apart best",
    "gates": "Gates of its neuron",
    "pushes": "What it pushes up and down",
    "contexts": "Text, from its highest to its lowest activations",
    "correlated": "Units that go with it",
}


@dataclass(frozen=True, kw_only=True)
class UnitCard(SceneView):
    """Parts in two columns, below each other where a page is narrow; one that can't be drawn says what is missing."""

    names: Mapping[str, str]
    missing: Mapping[str, str]
    full: float
    gate: bool

    def compose(self) -> scene.Scene:
        """Return distribution, pairs, gates and pushes, and beside them text and correlated units."""
        left, right = self._columns()
        beside = right.shifted(left.width + APART, 0)
        wide, tall = left.width + APART + right.width, max(left.height, right.height)
        return scene.Scene(wide, tall, (*left.shapes, *beside))

    def picture(self) -> str:
        """Return each column as an ``<svg>`` element: side by side where there is room."""
        drawn = (render.svg(column, self.summary) for column in self._columns())
        return f'<div class="columns">{"".join(drawn)}</div>'

    def _columns(self) -> list[scene.Scene]:
        frames: Any = self.data
        parts = {
            "distribution": cardparts.distribution(frames["distribution"], self.names),
            "pairs": cardparts.pairs(frames["pairs"]),
            "gates": cardparts.gates(frames["gates"]),
            "contexts": cardparts.contexts(frames["contexts"], self.full, self.gate),
            "pushes": cardparts.signed(frames["pushes"], "push", labels(frames["pushes"])),
            "correlated": cardparts.signed(frames["correlated"], "r", labels(frames["correlated"])),
        }
        return [self._column({name: parts[name] for name in names}) for names in SIDES]

    def _column(self, parts: Mapping[str, cardparts.Part]) -> scene.Scene:
        shapes: list[scene.Shape] = []
        y = 0.0
        for name, part in parts.items():
            drawn, height = cardparts.headed(HEADINGS[name], part, self.missing.get(name, ""))
            shapes += scene.Scene(cardparts.WIDTH, height, tuple(drawn)).shifted(0, y)
            y += height + BELOW
        return scene.Scene(cardparts.WIDTH, y, tuple(shapes))

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the numbers of each part that has any."""
        return {name: frame for name, frame in super().tables().items() if len(frame)}

    def style(self) -> str:
        """Return how columns stand beside each other, no narrower than can be read."""
        return f"""
.columns {{ display: flex; flex-wrap: wrap; gap: 0 {APART:g}px; overflow-x: auto; }}
.columns .scene {{ flex: 1 1 430px; min-width: 430px; }}"""

    def holoviews(self) -> Any:
        """Return the distribution and the pairs as a layout of HoloViews ``Histogram`` and ``Bars``."""
        import holoviews as hv

        frames: Any = self.data
        bins = frames["distribution"]
        edges = np.append(bins["low"].to_numpy(), bins["high"].iloc[-1])
        drawn = hv.Histogram((edges, bins["all"].to_numpy()), kdims="activation", vdims="tokens", label=self.title)
        return hv.Layout([drawn, hv.Bars(frames["pairs"], "pair", "distance")]) if len(frames["pairs"]) else drawn


def labels(table: pd.DataFrame) -> list[str]:
    """Return how units are called: an output with its symbol."""
    rows = zip(table["symbol"].tolist(), table["unit"].tolist(), strict=True)
    return [f"{lettering.visible(symbol)}  {unit}" if symbol else unit for symbol, unit in rows]


@viewer(requires=("source",), name="unit-card")
def unit_card(
    acts: xr.Dataset,
    dist: xr.Dataset | None = None,
    contexts: xr.Dataset | None = None,
    *,
    unit: str,
    pair: str | Sequence[str] = "",
    model: torch.nn.Module | None = None,
    wiring: xr.Dataset | None = None,
    examples: int = 2,
) -> UnitCard:
    """Draw all about one unit: activations, pairs, gates of its neuron, text, what it pushes, what goes with it.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``; text is of the label ``input``.
    dist : Dataset, optional
        What the probe ``hellinger`` returned; without it there are no pairs.
    contexts : Dataset, optional
        What the probe ``top-contexts`` returned; where it is not given it is measured here, over a million tokens at
        most.
    unit : str
        ``lstm.0.backward.h.55``.
    pair : str or (str, str)
        Whose two histograms are drawn; by default the best pair of ``dist``.
    model : Module, optional
        The captured network, for what the unit pushes.
    wiring : Dataset, optional
        ``weight (lower_unit, upper_unit)`` instead of a model.
    examples : int
        Lines of text for each tenth of the unit's activations, 1 to 4.

    Raises
    ------
    UnknownNameError
        No such unit or pair.
    OptionError
        No token, or ``examples`` out of range.
    SchemaError
        Distances of another kind.
    """
    if not 1 <= examples <= 4:
        raise OptionError(f"examples= is 1 to 4; got {examples}.")
    column = one_unit(acts, unit).load()
    if not column.sizes["token"]:
        raise OptionError("These activations have no token: capture more, or select less with interp.pick.")
    if dist is not None:
        check_distances(dist)
        dist = one_unit(dist, unit)
    frames, missing, one = _frames(acts, column, dist, contexts, pair, model, wiring, examples)
    size = np.abs(column["activation"].values.astype(float))
    full = np.nanpercentile(size, COVERED) if np.isfinite(size).any() else 1.0
    method = [f"colours of text reach {full:.3g}", f"correlations over {min(column.sizes['token'], SAMPLE):,} tokens"]
    if contexts is None and column.sizes["token"] > cardtables.TEXT:
        method.append(f"text from {cardtables.TEXT:,} tokens: pass interp.measure('top-contexts', acts) for all")
    method += ["a push is weight x standard deviation"] * bool(len(frames["pushes"]))
    method += ["n with : without, tokens / sources", captions.GREY] * bool(len(frames["pairs"]))
    return UnitCard(
        title=lettering.short(unit),
        caption=captions.caption(acts, *method, unit=lettering.short(unit), examples=examples),
        summary=_summary(column, frames),
        data=frames,
        names=_names(one),
        missing=missing,
        full=float(full or 1.0),
        gate=str(column["quantity"].values) in cardtables.GATES,
    )


def _frames(
    acts: xr.Dataset,
    column: xr.Dataset,
    dist: xr.Dataset | None,
    contexts: xr.Dataset | None,
    pair: str | Sequence[str],
    model: torch.nn.Module | None,
    wiring: xr.Dataset | None,
    examples: int,
) -> tuple[dict[str, pd.DataFrame], dict[str, str], xr.Dataset | None]:
    """Return the tables of the card, what is missing for empty ones, and the pair that is contrasted."""
    import pandas as pd

    options = json.loads(str(dist.attrs.get("options") or "{}")) if dist is not None else {}
    given, becomes = options.get("labels") or ("input", "output")
    one = cardtables.contrasted(column, dist, pair, (given, becomes))
    pushed, why = cardtables.pushes(acts, column, model, wiring)
    text = "input" in column.coords
    frames = {
        "distribution": cardtables.distribution(column, one),
        "pairs": pd.DataFrame({"pair": []}) if dist is None else cardtables.top_pairs(dist),
        "gates": cardtables.gates(acts, column),
        "contexts": cardtables.quantile_rows(column, contexts, examples)
        if text or contexts is not None
        else pd.DataFrame(),
        "pushes": pushed,
        "correlated": cardtables.correlated(acts, column),
    }
    missing = {
        "pairs": cardtables.NO_DISTANCES
        if dist is None
        else "No pair has enough tokens: measure with a lower minimum=.",
        "gates": f"No gate ({', '.join(cardtables.GATES)}) of this neuron was captured: capture with quantities=.",
        "contexts": "There is no label 'input' to show." if not text else "No text: this unit was NaN somewhere.",
        "pushes": why,
        "correlated": "No other neuron was captured, or none varies.",
    }
    return frames, missing, one


def _names(one: xr.Dataset | None) -> dict[str, str]:
    if one is None:
        return {}
    letter, output = (
        lettering.short(lettering.visible(str(one[f"pair_{end}"].values)), 8) for end in ("input", "output")
    )
    return {"with": f"{letter} ⇒ {output}", "without": f"{letter}, other outputs"}


def _summary(column: xr.Dataset, frames: Mapping[str, pd.DataFrame]) -> str:
    values = column["activation"].values.astype(float)
    if not np.isfinite(values).any():
        return "No activation of this unit is a finite number."
    said = f"Mean {_number(np.nanmean(values))}, standard deviation {np.nanstd(values):.2f}"
    best = [
        f"{lettering.short(str(row['pair']))} ({row['distance']:.2f})"
        for row in frames["pairs"].head(3).to_dict("records")
    ]
    told = [f"tells apart best {', '.join(best)}"] if best else []
    near = frames["correlated"]
    told += (
        [f"goes with {lettering.short(near['unit'].iloc[0])} (r = {_number(near['r'].iloc[0])})"] if len(near) else []
    )
    return "; ".join([said, *told]) + "."


def _number(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
