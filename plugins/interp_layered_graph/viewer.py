"""The viewer ``layered-graph`` and its view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import interp
from interp import OptionError, SceneView, viewer
from interp.plotting import (
    GREY_NOTE,
    format_caption,
    format_counts,
    has_enough_data,
    scene,
    select_pair,
    show_invisible,
    truncate_middle,
)
from interp_layered_graph.data import ShownUnits, edge_table, node_table, select_units
from interp_layered_graph.scene import GraphLabels, compose_graph, compute_layout

if TYPE_CHECKING:
    import pandas as pd
    import torch
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class LayeredGraph(SceneView):
    """Nodes by row, coloured by distance; the width of an edge is the contribution of the lower unit to the upper."""

    labels: GraphLabels

    def compose(self) -> scene.Scene:
        """Return the graph as a scene."""
        return compose_graph(self._frame("nodes"), self._frame("edges"), self.labels)

    def holoviews(self) -> Any:
        """Return the graph as HoloViews ``Segments`` under ``Points``."""
        import holoviews as hv

        nodes, edges = self._frame("nodes"), self._frame("edges")
        centers = compute_layout(nodes).centers
        x, y = ([centers[unit][axis] for unit in nodes["unit"]] for axis in (0, 1))
        frame = nodes.assign(x=x, y=[-value for value in y])
        points = hv.Points(frame, ["x", "y"], ["distance", "unit", "label", "row"])
        ends = [
            (*_flip(centers[lower]), *_flip(centers[upper]), value)
            for lower, upper, value in edges.itertuples(index=False)
        ]
        return hv.Segments(ends, ["x0", "y0", "x1", "y1"], "contribution", label=self.title) * points

    def script(self) -> str:
        """Return the JavaScript that highlights the edges of the node under the pointer."""
        return files("interp_layered_graph").joinpath("graph.js").read_text(encoding="utf-8")

    def style(self) -> str:
        """Return the CSS of highlighted and faded edges."""
        return files("interp_layered_graph").joinpath("graph.css").read_text(encoding="utf-8")

    def _frame(self, name: str) -> pd.DataFrame:
        frame: Any = self.data[name]
        return frame  # type: ignore[no-any-return]


def _flip(center: tuple[float, float]) -> tuple[float, float]:
    return center[0], -center[1]


@viewer(requires=("input", "output"))
def layered_graph(
    acts: xr.Dataset,
    dist: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    connectivity: xr.Dataset | None = None,
    pair: str | Sequence[str],
    n_hidden: int = 12,
    n_units: int = 10,
    contrast: bool = False,
) -> LayeredGraph:
    """Draw the units that separate a pair, with their contributions to the outputs.

    Parameters
    ----------
    acts : Dataset
        Activations, dims ``(token, unit)``, with the labels ``input`` and ``output``; at least the tokens whose input
        is that of the pair.
    dist : Dataset
        Result of the probe ``hellinger``: ``interp.measure("hellinger", acts)``.
    model : Module, optional
        The captured network; its linear layers give the edges. Without it there are no edges.
    connectivity : Dataset, optional
        ``weight (lower_unit, upper_unit)`` from `interp.connectivity`, instead of a model.
    pair : str or (str, str)
        The pair, as ``("t", "ծ")`` or ``"t=>ծ"``.
    n_hidden, n_units : int
        Numbers of hidden units, and of h per direction; those with the largest distance.
    contrast : bool
        If False, edges are the mean of weight x activation over the tokens of the pair. If True, they are its contrast
        with the other tokens of the input, minus the part that is common to all outputs.

    Raises
    ------
    UnknownNameError
        If there is no such pair.
    OptionError
        If a number of units is below one, there is no h among the units, or the model is not the captured one.
    """
    if min(n_hidden, n_units) < 1:
        raise OptionError(f"n_hidden and n_units must be at least 1; got {n_hidden} and {n_units}.")
    one = select_pair(dist, pair)
    letter, output = str(one["pair_input"].values), str(one["pair_output"].values)
    weights = interp.connectivity(model, acts) if connectivity is None and model is not None else connectivity
    selection = select_units(acts, one, weights, n_hidden, n_units)
    if not selection.forward.size + selection.backward.size:
        raise OptionError("No h of a recurrent module was measured. Type quantities=['h', 'out'] in interp.capture.")
    nodes = node_table(one, selection)
    edges = edge_table(acts, weights, nodes, (letter, output), contrast=contrast)
    labels = _labels(one, selection, letter, output, "contrast" if contrast else "mean contribution")
    method = "contrast of weight x activation with the other tokens" if contrast else "mean of weight x activation"
    parts = [f"pair {letter}=>{output}, n = {labels.n} tokens / sources", f"edges: {method}"]
    parts += [] if labels.has_enough_data else [GREY_NOTE]
    options = {"n_hidden": n_hidden, "n_units": n_units, "contrast": contrast}
    return LayeredGraph(
        title=f"{show_invisible(letter)} ⇒ {show_invisible(output)}",
        caption=format_caption(acts, *parts, **options),
        summary=_summary(nodes, edges, letter, output),
        data={"nodes": nodes, "edges": edges},
        labels=labels,
    )


def _labels(one: xr.Dataset, selection: ShownUnits, letter: str, output: str, measure: str) -> GraphLabels:
    sides = [(int(one[f"n_{side}"]), int(one[f"sources_{side}"])) for side in ("target", "rest")]
    row_notes = {
        "output": f"outputs of {truncate_middle(show_invisible(letter), 4)}",
        "hidden": f"{selection.hidden.size} of {selection.n_hidden}",
        "h": f"{selection.forward.size} + {selection.backward.size} of {selection.n_h}",
    }
    n = " against ".join(format_counts(*side) for side in sides)
    return GraphLabels(letter, output, n, all(has_enough_data(*side) for side in sides), row_notes, measure)


def _summary(nodes: pd.DataFrame, edges: pd.DataFrame, letter: str, output: str) -> str:
    h = nodes[nodes["row"] == "h"]
    means = h.groupby("side")["distance"].mean()
    distances = " and ".join(f"{means[side]:.2f} {side}" for side in ("forward", "backward") if side in means)
    target = nodes.loc[(nodes["row"] == "output") & (nodes["label"] == show_invisible(output)), "unit"]
    edge = edges[edges["upper_unit"].isin(target)]["contribution"]
    pushes = f" {int((edge > 0).sum())} of the {len(edge)} units under {output} push it up." if len(edge) else ""
    return f"Units that separate {letter} ⇒ {output}: mean distance of the best h {distances or 'unknown'}.{pushes}"
