"""Where each node of the layered graph lies, in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interp_layered_graph.rows import GATES

if TYPE_CHECKING:
    import pandas as pd

PITCH, GAP, LEFT = 41.0, 34.0, 0.0
TOP = {"output": 104.0, "hidden": 222.0, "h": 356.0}
FIRST_GATE, GATE_STEP, GROUP_STEP = 424.0, 36.0, 49.0
SPREAD = {"output": 64.0, "hidden": 56.0}
NARROWEST = 700.0

Spots = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Layout:
    """The measures of one graph.

    Parameters
    ----------
    rows : mapping of str to float
        The y of each row that is there, from the top.
    middle : float
        The x of the line between the directions.
    right : float
        The x where the nodes end and the labels begin.
    spots : mapping of str to (float, float)
        The centre of each node, by unit.
    """

    rows: Mapping[str, float]
    middle: float
    right: float
    spots: Spots

    @property
    def floor(self) -> float:
        """The y under the last row."""
        return max(self.rows.values(), default=TOP["h"]) + 26

    @property
    def bottom(self) -> float:
        """The height of the picture."""
        return self.floor + 50


def lay_out(nodes: pd.DataFrame) -> Layout:
    """Return where the nodes lie: directions side by side, the rows above them centred.

    Parameters
    ----------
    nodes : DataFrame
        With ``unit``, ``row``, ``side``, ``place``; one row per node.
    """
    neurons = nodes[nodes["row"] == "h"]["side"].tolist()
    wide = {side: neurons.count(side) * PITCH for side in ("forward", "backward")}
    gap = GAP if all(wide.values()) else 0.0
    slack = max(NARROWEST - wide["forward"] - wide["backward"] - gap, 0.0) / 2
    starts = {"forward": LEFT + slack, "backward": LEFT + slack + wide["forward"] + gap}
    right = LEFT + 2 * slack + sum(wide.values()) + gap
    rows = _heights(set(nodes["row"]))
    spots: Spots = {}
    for row, side, units in _groups(nodes):
        step = PITCH if side else min(SPREAD[row], (right - LEFT) / max(len(units), 1))
        start = starts[side] if side else (LEFT + right - step * len(units)) / 2
        spots |= {unit: (start + step * (place + 0.5), rows[row]) for unit, place in units}
    return Layout(rows, starts["backward"] - gap / 2, right, spots)


def _heights(there: set[str]) -> dict[str, float]:
    rows = {name: y for name, y in TOP.items() if name in there}
    y = FIRST_GATE
    for group in GATES:
        shown = [name for name, _ in group if name in there]
        rows |= {name: y + GATE_STEP * at for at, name in enumerate(shown)}
        y += GATE_STEP * (len(shown) - 1) + GROUP_STEP if shown else 0
    return rows


def _groups(nodes: pd.DataFrame) -> list[tuple[str, str, list[tuple[str, int]]]]:
    groups: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for row, side, unit, place in nodes[["row", "side", "unit", "place"]].itertuples(index=False):
        groups.setdefault((row, side), []).append((unit, place))
    return [(row, side, units) for (row, side), units in groups.items()]
