"""The layered graph as a scene: nodes and edges with their colours, labels and legend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

from interp import lettering, palette, scene
from interp_layered_graph.layout import LEFT, Layout, lay_out
from interp_layered_graph.rows import GATES

if TYPE_CHECKING:
    import pandas as pd

LABELS = 200.0
RADIUS, GATE = 15.0, 24.0
LEGEND = 15.0
THIN, THICK = 0.5, 6.0
DASH = (7.0, 4.0)
ALPHA = 0.55


@dataclass(frozen=True)
class Words:
    """What the picture says beside its numbers.

    Parameters
    ----------
    letter, output : str
        The pair.
    n : str
        Tokens / sources on both sides.
    enough : bool
        False draws n grey.
    shown : mapping of str to str
        What stands under the names of the rows ``output``, ``hidden`` and ``h``: ``"12 of 228"``.
    measure : str
        What the width of an edge is.
    """

    letter: str
    output: str
    n: str
    enough: bool
    shown: Mapping[str, str]
    measure: str = "mean contribution"


def graph(nodes: pd.DataFrame, edges: pd.DataFrame, words: Words) -> scene.Scene:
    """Return the graph as a scene.

    Parameters
    ----------
    nodes : DataFrame
        ``unit``, ``row``, ``side``, ``place``, ``label``, ``distance``.
    edges : DataFrame
        ``lower_unit``, ``upper_unit``, ``contribution``; later ones lie on top.
    words : Words
        The pair and the counts.
    """
    layout = lay_out(nodes)
    shapes = _legend(float(edges["contribution"].abs().max()) if len(edges) else 0.0, words)
    shapes += [scene.Edge(layout.middle, layout.rows["h"] - 24, layout.middle, layout.floor, dash=(1.5, 2.5))] * (
        "h" in layout.rows
    )
    shapes += _edges(edges, layout)
    shapes += [_node(node, layout, words) for node in nodes.to_dict("records")]
    shapes += [*_labels(layout, words), *_foot(layout, words)]
    return scene.Scene(layout.right + LABELS, layout.bottom, tuple(shapes))


def _edges(edges: pd.DataFrame, layout: Layout) -> list[scene.Shape]:
    largest = float(edges["contribution"].abs().max()) if len(edges) else 1.0
    shapes: list[scene.Shape] = []
    for lower, upper, value in edges[["lower_unit", "upper_unit", "contribution"]].itertuples(index=False):
        (x1, y1), (x2, y2) = layout.spots[lower], layout.spots[upper]
        width = THIN + (THICK - THIN) * abs(value) / largest
        color, dash = ("positive", ()) if value > 0 else ("negative", DASH)
        ends = (x1, y1 - RADIUS - 1, x2, y2 + RADIUS + 3)
        shapes.append(scene.Edge(*ends, color, width, dash, ALPHA, lower, upper, float(value)))
    return shapes


def _node(node: Mapping[Any, Any], layout: Layout, words: Words) -> scene.Box:
    x, y = layout.spots[node["unit"]]
    top = node["row"] in ("output", "hidden", "h")
    half = (RADIUS + 2 * (node["row"] == "output")) if top else GATE / 2
    chosen = node["row"] == "output" and node["label"] == lettering.visible(words.output)
    distance = "not measured" if isnan(node["distance"]) else f"{node['distance']:.3f}"
    said = f" ({node['label']})" if node["row"] == "output" else ""
    return scene.Box(
        x - half,
        y - half,
        2 * half,
        2 * half,
        palette.sequential(node["distance"]),
        round=half if top else 1.5,
        outline="ink" if chosen else "ground",
        outline_width=2.5 if chosen else 1.0,
        key=node["unit"],
        note=f"{node['unit']}{said}\ndistance {distance}\nn = {words.n}",
        label=lettering.short(node["label"], 4) if top else "",
        label_size=17.0 if node["row"] == "output" else 12.5,
    )


def _legend(largest: float, words: Words) -> list[scene.Shape]:
    y, left, width, steps = 18.0, LEFT + 104, 120.0, palette.SEQUENTIAL_STEPS
    shapes: list[scene.Shape] = [scene.Text(LEFT, y, "distance  0", LEGEND)]
    step = width / (steps + 1)
    shapes += [scene.Box(left + at * step, y - 7, step + 0.6 * (at < steps), 14, f"s{at}") for at in range(steps + 1)]
    shapes.append(scene.Text(left + width + 8, y, "1", LEGEND))
    color = "ink" if words.enough else "muted"
    shapes.append(scene.Text(left + width + 44, y, f"n = {words.n}", LEGEND, color=color))
    return shapes + (_edge_legend(LEFT, y + 30, largest, words.measure) if largest else [])


def _edge_legend(x: float, y: float, largest: float, measure: str) -> list[scene.Shape]:
    return [
        scene.Text(x, y, measure, LEGEND),
        scene.Edge(x + 168, y, x + 212, y, "positive", THICK),
        scene.Text(x + 220, y, "+ pushes up", LEGEND),
        scene.Edge(x + 336, y, x + 380, y, "negative", THICK, DASH),
        scene.Text(x + 388, y, "− pushes down", LEGEND),
        scene.Text(x + 526, y, f"this wide = {largest:.2g}", LEGEND, color="muted"),
    ]


def _labels(layout: Layout, words: Words) -> list[scene.Shape]:
    x = layout.right + 22
    shapes: list[scene.Shape] = []
    for row, name in (("output", "output"), ("hidden", "hidden"), ("h", "h")):
        if row in layout.rows:
            y = layout.rows[row]
            shapes.append(scene.Text(x, y - 11, name, 16))
            shapes.append(scene.Text(x, y + 13, words.shown[row], 13.5, color="muted"))
    for letter, name in (pair for group in GATES for pair in group):
        if letter in layout.rows:
            shown = "c₋₁" if letter == "c_prev" else letter
            shapes.append(scene.Text(x, layout.rows[letter], shown, 15, mono=True))
            shapes.append(scene.Text(x + 44, layout.rows[letter], name, 13.5, color="muted"))
    return shapes


def _foot(layout: Layout, words: Words) -> list[scene.Shape]:
    y = layout.floor + 24
    letter = lettering.short(lettering.visible(words.letter), 4)
    node = scene.Box(layout.middle - 17, y - 17, 34, 34, "panel", round=17, label=letter, label_size=17)
    shapes: list[scene.Shape] = [node, scene.Text(layout.right + 22, y, "input", 16)]
    if "h" in layout.rows:
        shapes.append(scene.Text(layout.middle - 40, y, "forward  →", 13.5, "end", "muted"))
        shapes.append(scene.Text(layout.middle + 40, y, "←  backward", 13.5, color="muted"))
    return shapes
