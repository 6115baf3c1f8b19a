"""Scene of the layered graph: the layout, and nodes and edges with colours, labels and legend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

from interp.plotting import colors, scene, show_invisible, truncate_middle
from interp_layered_graph.data import GATE_GROUPS

if TYPE_CHECKING:
    import pandas as pd

NODE_STEP, DIRECTION_GAP, LEFT = 41.0, 34.0, 0.0
ROW_TOPS = {"output": 104.0, "hidden": 222.0, "h": 356.0}
FIRST_GATE, GATE_STEP, GROUP_STEP = 424.0, 36.0, 49.0
MAX_STEPS = {"output": 64.0, "hidden": 56.0}
MIN_WIDTH = 700.0
LABELS_WIDTH = 200.0
NODE_RADIUS, GATE_SIZE = 15.0, 24.0
LEGEND_SIZE = 15.0
MIN_EDGE, MAX_EDGE = 0.5, 6.0
DASH = (7.0, 4.0)
EDGE_ALPHA = 0.55


@dataclass(frozen=True)
class GraphLayout:
    """Coordinates of one graph, in pixels.

    Parameters
    ----------
    rows : mapping of str to float
        The y of each row in the graph, from the top.
    middle : float
        The x of the line between the directions.
    right : float
        The x where the nodes end and the labels begin.
    centers : mapping of str to (float, float)
        The centre of each node, by unit.
    """

    rows: Mapping[str, float]
    middle: float
    right: float
    centers: dict[str, tuple[float, float]]

    @property
    def floor(self) -> float:
        """The y below the last row."""
        return max(self.rows.values(), default=ROW_TOPS["h"]) + 26

    @property
    def bottom(self) -> float:
        """The height of the scene."""
        return self.floor + 50


@dataclass(frozen=True)
class GraphLabels:
    """Texts of the graph.

    Parameters
    ----------
    letter, output : str
        Input and output of the pair.
    n : str
        Numbers of tokens / sources on both sides.
    has_enough_data : bool
        False draws ``n`` in grey.
    row_notes : mapping of str to str
        Text below the names of the rows ``output``, ``hidden`` and ``h``, such as ``"12 of 228"``.
    measure : str
        Name of the measure that the width of an edge shows.
    """

    letter: str
    output: str
    n: str
    has_enough_data: bool
    row_notes: Mapping[str, str]
    measure: str = "mean contribution"


def compute_layout(nodes: pd.DataFrame) -> GraphLayout:
    """Return the coordinates of the nodes: directions side by side, the rows above them centred.

    Parameters
    ----------
    nodes : DataFrame
        ``unit``, ``row``, ``side``, ``position``; one row per node.
    """
    neurons = nodes[nodes["row"] == "h"]["side"].tolist()
    widths = {side: neurons.count(side) * NODE_STEP for side in ("forward", "backward")}
    gap = DIRECTION_GAP if all(widths.values()) else 0.0
    slack = max(MIN_WIDTH - widths["forward"] - widths["backward"] - gap, 0.0) / 2
    starts = {"forward": LEFT + slack, "backward": LEFT + slack + widths["forward"] + gap}
    right = LEFT + 2 * slack + sum(widths.values()) + gap
    rows = _row_heights(set(nodes["row"]))
    centers: dict[str, tuple[float, float]] = {}
    for row, side, units in _group_by_row(nodes):
        step = NODE_STEP if side else min(MAX_STEPS[row], (right - LEFT) / max(len(units), 1))
        start = starts[side] if side else (LEFT + right - step * len(units)) / 2
        centers |= {unit: (start + step * (position + 0.5), rows[row]) for unit, position in units}
    return GraphLayout(rows, starts["backward"] - gap / 2, right, centers)


def _row_heights(names: set[str]) -> dict[str, float]:
    rows = {name: y for name, y in ROW_TOPS.items() if name in names}
    y = FIRST_GATE
    for group in GATE_GROUPS:
        gates = [name for name, _ in group if name in names]
        rows |= {name: y + GATE_STEP * at for at, name in enumerate(gates)}
        y += GATE_STEP * (len(gates) - 1) + GROUP_STEP if gates else 0
    return rows


def _group_by_row(nodes: pd.DataFrame) -> list[tuple[str, str, list[tuple[str, int]]]]:
    groups: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for row, side, unit, position in nodes[["row", "side", "unit", "position"]].itertuples(index=False):
        groups.setdefault((row, side), []).append((unit, position))
    return [(row, side, units) for (row, side), units in groups.items()]


def compose_graph(nodes: pd.DataFrame, edges: pd.DataFrame, labels: GraphLabels) -> scene.Scene:
    """Return the graph as a scene.

    Parameters
    ----------
    nodes : DataFrame
        ``unit``, ``row``, ``side``, ``position``, ``label``, ``distance``.
    edges : DataFrame
        ``lower_unit``, ``upper_unit``, ``contribution``; later ones are drawn on top.
    labels : GraphLabels
        Texts: the pair, the counts, the measure.
    """
    layout = compute_layout(nodes)
    shapes = _legend(float(edges["contribution"].abs().max()) if len(edges) else 0.0, labels)
    if "h" in layout.rows:
        shapes.append(scene.Edge(layout.middle, layout.rows["h"] - 24, layout.middle, layout.floor, dash=(1.5, 2.5)))
    shapes += _edge_shapes(edges, layout)
    shapes += [_node_shape(node, layout, labels) for node in nodes.to_dict("records")]
    shapes += [*_row_labels(layout, labels), *_input_row(layout, labels)]
    return scene.Scene(layout.right + LABELS_WIDTH, layout.bottom, tuple(shapes))


def _edge_shapes(edges: pd.DataFrame, layout: GraphLayout) -> list[scene.Shape]:
    largest = float(edges["contribution"].abs().max()) if len(edges) else 1.0
    shapes: list[scene.Shape] = []
    for lower, upper, value in edges[["lower_unit", "upper_unit", "contribution"]].itertuples(index=False):
        (x1, y1), (x2, y2) = layout.centers[lower], layout.centers[upper]
        width = MIN_EDGE + (MAX_EDGE - MIN_EDGE) * abs(value) / largest
        color, dash = ("positive", ()) if value > 0 else ("negative", DASH)
        ends = (x1, y1 - NODE_RADIUS - 1, x2, y2 + NODE_RADIUS + 3)
        shapes.append(scene.Edge(*ends, color, width, dash, EDGE_ALPHA, lower, upper, float(value)))
    return shapes


def _node_shape(node: Mapping[Any, Any], layout: GraphLayout, labels: GraphLabels) -> scene.Box:
    x, y = layout.centers[node["unit"]]
    is_circle = node["row"] in ("output", "hidden", "h")
    half = (NODE_RADIUS + 2 * (node["row"] == "output")) if is_circle else GATE_SIZE / 2
    is_target = node["row"] == "output" and node["label"] == show_invisible(labels.output)
    distance = "not measured" if isnan(node["distance"]) else f"{node['distance']:.3f}"
    symbol = f" ({node['label']})" if node["row"] == "output" else ""
    return scene.Box(
        x - half,
        y - half,
        2 * half,
        2 * half,
        colors.sequential(node["distance"]),
        round=half if is_circle else 1.5,
        outline="ink" if is_target else "ground",
        outline_width=2.5 if is_target else 1.0,
        key=node["unit"],
        note=f"{node['unit']}{symbol}\ndistance {distance}\nn = {labels.n}",
        label=truncate_middle(node["label"], 4) if is_circle else "",
        label_size=17.0 if node["row"] == "output" else 12.5,
    )


def _legend(largest: float, labels: GraphLabels) -> list[scene.Shape]:
    y, left, width, steps = 18.0, LEFT + 104, 120.0, colors.SEQUENTIAL_STEPS
    shapes: list[scene.Shape] = [scene.Text(LEFT, y, "distance  0", LEGEND_SIZE)]
    step = width / (steps + 1)
    shapes += [scene.Box(left + at * step, y - 7, step + 0.6 * (at < steps), 14, f"s{at}") for at in range(steps + 1)]
    shapes.append(scene.Text(left + width + 8, y, "1", LEGEND_SIZE))
    color = "ink" if labels.has_enough_data else "muted"
    shapes.append(scene.Text(left + width + 44, y, f"n = {labels.n}", LEGEND_SIZE, color=color))
    return shapes + (_edge_legend(LEFT, y + 30, largest, labels.measure) if largest else [])


def _edge_legend(x: float, y: float, largest: float, measure: str) -> list[scene.Shape]:
    return [
        scene.Text(x, y, measure, LEGEND_SIZE),
        scene.Edge(x + 168, y, x + 212, y, "positive", MAX_EDGE),
        scene.Text(x + 220, y, "+ pushes up", LEGEND_SIZE),
        scene.Edge(x + 336, y, x + 380, y, "negative", MAX_EDGE, DASH),
        scene.Text(x + 388, y, "− pushes down", LEGEND_SIZE),
        scene.Text(x + 526, y, f"this width = {largest:.2g}", LEGEND_SIZE, color="muted"),
    ]


def _row_labels(layout: GraphLayout, labels: GraphLabels) -> list[scene.Shape]:
    x = layout.right + 22
    shapes: list[scene.Shape] = []
    for row in ("output", "hidden", "h"):
        if row in layout.rows:
            y = layout.rows[row]
            shapes.append(scene.Text(x, y - 11, row, 16))
            shapes.append(scene.Text(x, y + 13, labels.row_notes[row], 13.5, color="muted"))
    for quantity, name in (gate for group in GATE_GROUPS for gate in group):
        if quantity in layout.rows:
            symbol = "c₋₁" if quantity == "c_prev" else quantity
            shapes.append(scene.Text(x, layout.rows[quantity], symbol, 15, mono=True))
            shapes.append(scene.Text(x + 44, layout.rows[quantity], name, 13.5, color="muted"))
    return shapes


def _input_row(layout: GraphLayout, labels: GraphLabels) -> list[scene.Shape]:
    y = layout.floor + 24
    letter = truncate_middle(show_invisible(labels.letter), 4)
    node = scene.Box(layout.middle - 17, y - 17, 34, 34, "panel", round=17, label=letter, label_size=17)
    shapes: list[scene.Shape] = [node, scene.Text(layout.right + 22, y, "input", 16)]
    if "h" in layout.rows:
        shapes.append(scene.Text(layout.middle - 40, y, "forward  →", 13.5, "end", "muted"))
        shapes.append(scene.Text(layout.middle + 40, y, "←  backward", 13.5, color="muted"))
    return shapes
