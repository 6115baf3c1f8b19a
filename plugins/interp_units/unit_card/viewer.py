"""The viewer ``unit-card``: activations, pairs, gates, text, connections and correlations of one unit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, viewer
from interp.plotting import (
    GREY_NOTE,
    SIGMOID_GATES,
    format_caption,
    render,
    scene,
    select_unit,
    show_invisible,
    truncate_middle,
)
from interp_units.correlation import MAX_SAMPLE
from interp_units.overview import check_distances
from interp_units.unit_card import data
from interp_units.unit_card import scene as parts

if TYPE_CHECKING:
    import pandas as pd
    import torch
    import xarray as xr

COLUMNS = (("distribution", "pairs", "gates", "connections"), ("contexts", "correlated"))
BETWEEN_COLUMNS, BETWEEN_PARTS = 60.0, 26.0  # pixels
SCALE_PERCENTILE = 99.5  # percentile of |activation| at the end of the colour scale
HEADINGS = {
    "distribution": "Activations",
    "pairs": "Pairs with the largest distance",
    "gates": "Gates of the same neuron",
    "connections": "Units that read it, by scaled weight",
    "contexts": "Text, from the highest to the lowest activations",
    "correlated": "Most correlated units",
}


@dataclass(frozen=True, kw_only=True)
class UnitCard(SceneView):
    """Parts in two columns, stacked on a narrow page; an empty part gives the reason.

    Attributes
    ----------
    names : mapping of str to str
        Names of the two sides of the pair in the histogram.
    reasons : mapping of str to str
        Text of each part that is empty.
    scale : float
        Absolute activation at the ends of the colour scale.
    gate : bool
        Whether the unit is a gate, with values in 0..1.
    """

    names: Mapping[str, str]
    reasons: Mapping[str, str]
    scale: float
    gate: bool

    def compose(self) -> scene.Scene:
        """Return distribution, pairs, gates and connections on the left, text and correlated units on the right."""
        left, right = self._columns()
        shapes = (*left.shapes, *right.shifted(left.width + BETWEEN_COLUMNS, 0))
        return scene.Scene(left.width + BETWEEN_COLUMNS + right.width, max(left.height, right.height), shapes)

    def picture(self) -> str:
        """Return each column as an ``<svg>`` element, side by side if the page is wide enough."""
        columns = (render.svg(column, self.summary) for column in self._columns())
        return f'<div class="columns">{"".join(columns)}</div>'

    def _columns(self) -> list[scene.Scene]:
        tables: Any = self.data
        connections, correlated = tables["connections"], tables["correlated"]
        drawn = {
            "distribution": parts.distribution(tables["distribution"], self.names),
            "pairs": parts.pairs(tables["pairs"]),
            "gates": parts.gates(tables["gates"]),
            "contexts": parts.contexts(tables["contexts"], self.scale, self.gate),
            "connections": parts.signed_bars(connections, "scaled_weight", unit_labels(connections)),
            "correlated": parts.signed_bars(correlated, "r", unit_labels(correlated)),
        }
        return [self._column({name: drawn[name] for name in names}) for names in COLUMNS]

    def _column(self, column: Mapping[str, parts.Part]) -> scene.Scene:
        shapes: list[scene.Shape] = []
        y = 0.0
        for name, part in column.items():
            block, height = parts.with_heading(HEADINGS[name], part, self.reasons.get(name, ""))
            shapes += scene.Scene(parts.WIDTH, height, tuple(block)).shifted(0, y)
            y += height + BETWEEN_PARTS
        return scene.Scene(parts.WIDTH, y, tuple(shapes))

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the numbers of each part that is not empty."""
        return {name: frame for name, frame in super().tables().items() if len(frame)}

    def style(self) -> str:
        """Return CSS that puts the columns side by side, with a minimum width at which they stay readable."""
        return f"""
.columns {{ display: flex; flex-wrap: wrap; gap: 0 {BETWEEN_COLUMNS:g}px; overflow-x: auto; }}
.columns .scene {{ flex: 1 1 430px; min-width: 430px; }}"""

    def holoviews(self) -> Any:
        """Return the distribution and the pairs as a layout of HoloViews ``Histogram`` and ``Bars``."""
        import holoviews as hv

        tables: Any = self.data
        bins = tables["distribution"]
        edges = np.append(bins["low"].to_numpy(), bins["high"].iloc[-1])
        drawn = hv.Histogram((edges, bins["all"].to_numpy()), kdims="activation", vdims="tokens", label=self.title)
        return hv.Layout([drawn, hv.Bars(tables["pairs"], "pair", "distance")]) if len(tables["pairs"]) else drawn


def unit_labels(table: pd.DataFrame) -> list[str]:
    """Return the label of each unit: its name, after the symbol of an output unit."""
    rows = zip(table["symbol"].tolist(), table["unit"].tolist(), strict=True)
    return [f"{show_invisible(symbol)}  {unit}" if symbol else unit for symbol, unit in rows]


@viewer(requires=("source",), name="unit-card")
def unit_card(
    acts: xr.Dataset,
    dist: xr.Dataset | None = None,
    contexts: xr.Dataset | None = None,
    *,
    unit: str,
    pair: str | Sequence[str] = "",
    model: torch.nn.Module | None = None,
    connectivity: xr.Dataset | None = None,
    examples: int = 2,
) -> UnitCard:
    """Draw one unit: its activations, pairs, gates, text examples, connections and correlated units.

    Parameters
    ----------
    acts : Dataset
        Activations, dims ``(token, unit)``; the text is the label ``input``.
    dist : Dataset, optional
        Result of the probe ``hellinger``, for the pairs.
    contexts : Dataset, optional
        Result of the probe ``top-contexts``; by default it is measured here, on at most a million tokens.
    unit : str
        Name of the unit, such as ``lstm.0.backward.h.55``.
    pair : str or (str, str)
        Pair whose two histograms are drawn; by default the best pair of ``dist``.
    model : Module, optional
        The captured network, for the weights of the connections.
    connectivity : Dataset, optional
        ``weight (lower_unit, upper_unit)`` from `interp.connectivity`, instead of a model.
    examples : int
        Number of lines of text for each tenth of the unit's activations, 1 to 4.

    Raises
    ------
    UnknownNameError
        No such unit or pair.
    OptionError
        No tokens, or ``examples`` out of range.
    SchemaError
        Distances of another kind.
    """
    if not 1 <= examples <= 4:
        raise OptionError(f"examples= must be 1 to 4; got {examples}.")
    column = select_unit(acts, unit).load()
    if not column.sizes["token"]:
        raise OptionError("These activations have no token: capture more, or select less with interp.select.")
    if dist is not None:
        check_distances(dist)
        dist = select_unit(dist, unit)
    contrast = data.contrast_of(column, dist, pair, _labels(dist))
    tables, reasons = _tables(acts, column, dist, contrast, contexts, model, connectivity, examples)
    size = np.abs(column["activation"].values.astype(float))
    scale = float(np.nanpercentile(size, SCALE_PERCENTILE)) if np.isfinite(size).any() else 1.0
    method = _method(column, tables, scale, measured_here=contexts is None)
    return UnitCard(
        title=truncate_middle(unit),
        caption=format_caption(acts, *method, unit=truncate_middle(unit), examples=examples),
        summary=_summary(column, tables),
        data=tables,
        names=_side_names(contrast),
        reasons=reasons,
        scale=scale or 1.0,
        gate=_is_gate(column),
    )


def _labels(dist: xr.Dataset | None) -> tuple[str, str]:
    """Return the names of the labels that distances were measured with."""
    options = json.loads(str(dist.attrs.get("options") or "{}")) if dist is not None else {}
    letter, output = options.get("labels") or ("input", "output")
    return letter, output


def _tables(
    acts: xr.Dataset,
    column: xr.Dataset,
    dist: xr.Dataset | None,
    contrast: xr.Dataset | None,
    contexts: xr.Dataset | None,
    model: torch.nn.Module | None,
    connectivity: xr.Dataset | None,
    examples: int,
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Return the tables of the card, and the reasons for empty ones."""
    import pandas as pd

    connections, no_connections = data.connections(acts, column, model, connectivity)
    has_text = "input" in column.coords
    draw_text = has_text or contexts is not None
    tables = {
        "distribution": data.distribution(column, contrast),
        "pairs": pd.DataFrame({"pair": []}) if dist is None else data.top_pairs(dist),
        "gates": data.gates(acts, column),
        "contexts": data.text_examples(column, contexts, examples) if draw_text else pd.DataFrame(),
        "connections": connections,
        "correlated": data.correlated(acts, column),
    }
    few = "No pair has enough tokens: measure with a lower min_tokens=."
    names = ", ".join(SIGMOID_GATES)
    reasons = {
        "pairs": data.NO_DISTANCES if dist is None else few,
        "gates": f"No gate ({names}) of this neuron was captured: capture with quantities=.",
        "contexts": "No text: this unit has a NaN." if has_text else "There is no label 'input' to show.",
        "connections": no_connections,
        "correlated": "No other neuron was captured, or none varies.",
    }
    return tables, reasons


def _method(column: xr.Dataset, tables: Mapping[str, pd.DataFrame], scale: float, *, measured_here: bool) -> list[str]:
    tokens = column.sizes["token"]
    colors = "text colours from 0 to 1" if _is_gate(column) else f"text colours end at ±{scale:.3g}"
    sentences = [colors, f"correlations over {min(tokens, MAX_SAMPLE):,} tokens"]
    if measured_here and tokens > data.MAX_TEXT_TOKENS:
        limit = f"{data.MAX_TEXT_TOKENS:,}"
        sentences.append(f"text from {limit} tokens: pass interp.measure('top-contexts', acts) to use all")
    if len(tables["connections"]):
        sentences.append("scaled weight: weight x standard deviation of the unit")
    if len(tables["pairs"]):
        sentences += ["n of target : rest, tokens / sources", GREY_NOTE]
    return sentences


def _is_gate(column: xr.Dataset) -> bool:
    return str(column["quantity"].values) in SIGMOID_GATES


def _side_names(contrast: xr.Dataset | None) -> dict[str, str]:
    """Return the names of both sides of a pair, for the legend of the histogram."""
    if contrast is None:
        return {}
    letter, output = (
        truncate_middle(show_invisible(str(contrast[f"pair_{end}"].values)), 8) for end in ("input", "output")
    )
    return {"target": f"{letter} ⇒ {output}", "rest": f"{letter}, other outputs"}


def _summary(column: xr.Dataset, tables: Mapping[str, pd.DataFrame]) -> str:
    values = column["activation"].values.astype(float)
    if not np.isfinite(values).any():
        return data.NOT_FINITE
    parts_of_text = [f"Mean {_format(np.nanmean(values))}, standard deviation {np.nanstd(values):.2f}"]
    records = tables["pairs"].head(3).to_dict("records")
    best = [f"{truncate_middle(str(row['pair']))} ({row['distance']:.2f})" for row in records]
    if best:
        parts_of_text.append(f"largest distances {', '.join(best)}")
    correlated = tables["correlated"]
    if len(correlated):
        name, r = truncate_middle(correlated["unit"].iloc[0]), _format(correlated["r"].iloc[0])
        parts_of_text.append(f"most correlated with {name} (r = {r})")
    return "; ".join(parts_of_text) + "."


def _format(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
