"""The viewer ``layered-graph`` and its view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import interp
from interp import OptionError, SceneView, captions, lettering, one_pair, scene, viewer
from interp_layered_graph.layout import lay_out
from interp_layered_graph.picture import Words, graph
from interp_layered_graph.tables import Choice, choose, edge_table, node_table

if TYPE_CHECKING:
    import pandas as pd
    import torch
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class LayeredGraph(SceneView):
    """Nodes by row, coloured by distance; edges as wide as what the lower unit contributes to the upper one."""

    words: Words

    def compose(self) -> scene.Scene:
        """Return the graph."""
        return graph(self._frame("nodes"), self._frame("edges"), self.words)

    def holoviews(self) -> Any:
        """Return the graph as HoloViews ``Segments`` under ``Points``."""
        import holoviews as hv

        nodes, edges = self._frame("nodes"), self._frame("edges")
        spots = lay_out(nodes).spots
        x, y = ([spots[unit][axis] for unit in nodes["unit"]] for axis in (0, 1))
        placed = nodes.assign(x=x, y=[-value for value in y])
        points = hv.Points(placed, ["x", "y"], ["distance", "unit", "label", "row"])
        ends = [
            (*_flip(spots[lower]), *_flip(spots[upper]), value) for lower, upper, value in edges.itertuples(index=False)
        ]
        return hv.Segments(ends, ["x0", "y0", "x1", "y1"], "contribution", label=self.title) * points

    def script(self) -> str:
        """Return what lights up the edges of the node under the pointer."""
        return files("interp_layered_graph").joinpath("graph.js").read_text(encoding="utf-8")

    def style(self) -> str:
        """Return how the chosen and the faded edges look."""
        return files("interp_layered_graph").joinpath("graph.css").read_text(encoding="utf-8")

    def _frame(self, name: str) -> pd.DataFrame:
        frame: Any = self.data[name]
        return frame  # type: ignore[no-any-return]


def _flip(spot: tuple[float, float]) -> tuple[float, float]:
    return spot[0], -spot[1]


@viewer(requires=("input", "output"))
def layered_graph(
    acts: xr.Dataset,
    dist: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    wiring: xr.Dataset | None = None,
    pair: str | Sequence[str],
    n_hidden: int = 12,
    n_units: int = 10,
    article: bool = True,
) -> LayeredGraph:
    """Draw which units tell that an input letter becomes an output, and what they push up and down.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, with the labels ``input`` and ``output``: at least the tokens with the input letter.
    dist : Dataset
        What the probe ``hellinger`` returned: ``interp.measure("hellinger", acts)``.
    model : Module, optional
        The network that was captured: its linear layers give the edges. Without it there are none.
    wiring : Dataset, optional
        ``weight (lower_unit, upper_unit)`` instead of a model.
    pair : str or (str, str)
        ``("t", "ծ")`` or ``"t=>ծ"``.
    n_hidden, n_units : int
        How many hidden units, and how many h of each direction; those with the largest distance.
    article : bool
        Edges are the mean of weight x activation over the tokens of the pair. With False they are its contrast with the
        other tokens of the input, what all outputs share taken off.

    Raises
    ------
    UnknownNameError
        No such pair.
    OptionError
        A number of units below one, no h among the units, or another model than the captured one.
    """
    if min(n_hidden, n_units) < 1:
        raise OptionError(f"n_hidden and n_units are at least 1; got {n_hidden} and {n_units}.")
    one = one_pair(dist, pair)
    letter, output = str(one["pair_input"].values), str(one["pair_output"].values)
    weights = interp.wiring(model, acts) if wiring is None and model is not None else wiring
    choice = choose(acts, one, weights, n_hidden, n_units)
    if not choice.forward.size + choice.backward.size:
        raise OptionError("No h of a recurrent module was measured. Type quantities=['h', 'out'] in interp.capture.")
    nodes = node_table(one, choice)
    edges = edge_table(acts, weights, nodes, (letter, output), article=article)
    words = _words(one, choice, letter, output, "mean contribution" if article else "contrast")
    how = "mean of weight x activation" if article else "contrast of weight x activation with the other tokens"
    said = f"pair {letter}=>{output}, n = {words.n} tokens / sources"
    grey = [] if words.enough else [captions.GREY]
    options = {"n_hidden": n_hidden, "n_units": n_units, "article": article}
    return LayeredGraph(
        title=f"{lettering.visible(letter)} ⇒ {lettering.visible(output)}",
        caption=captions.caption(acts, said, f"edges: {how}", *grey, **options),
        summary=_summary(nodes, edges, letter, output),
        data={"nodes": nodes, "edges": edges},
        words=words,
    )


def _words(one: xr.Dataset, choice: Choice, letter: str, output: str, measure: str) -> Words:
    sides = [(int(one[f"n_{side}"]), int(one[f"sources_{side}"])) for side in ("with", "without")]
    shown = {
        "output": f"what {lettering.short(lettering.visible(letter), 4)} can become",
        "hidden": f"{choice.hidden.size} of {choice.of_hidden}",
        "h": f"{choice.forward.size} + {choice.backward.size} of {choice.of_h}",
    }
    text = " against ".join(captions.counts(*side) for side in sides)
    return Words(letter, output, text, all(captions.enough(*side) for side in sides), shown, measure)


def _summary(nodes: pd.DataFrame, edges: pd.DataFrame, letter: str, output: str) -> str:
    h = nodes[nodes["row"] == "h"]
    means = h.groupby("side")["distance"].mean()
    shown = " and ".join(f"{means[side]:.2f} {side}" for side in ("forward", "backward") if side in means)
    target = nodes.loc[(nodes["row"] == "output") & (nodes["label"] == lettering.visible(output)), "unit"]
    up = edges[edges["upper_unit"].isin(target)]["contribution"]
    pushes = f" {int((up > 0).sum())} of the {len(up)} units under {output} push it up." if len(up) else ""
    return f"Which units tell that {letter} becomes {output}: mean distance of the best h {shown or 'unknown'}.{pushes}"
