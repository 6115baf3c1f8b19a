"""The trade-off of the study as a picture: errors against readability, each network beside the baseline of its seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SceneView, scene
from interp_reproduction.study.analysis import column
from interp_reproduction.study.protocol import SENTENCES

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = 3
WIDTH, HEIGHT, LEFT, TOP = 250.0, 210.0, 56.0, 64.0
ACROSS, DOWN = WIDTH + 34, HEIGHT + 92
MARKS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 228)


@dataclass(frozen=True)
class Axes:
    """From a network's errors (%) and ln k80 to the pixels of one panel."""

    left: float
    top: float
    errors: tuple[float, float]
    outcome: tuple[float, float]

    def at(self, errors: float, outcome: float) -> tuple[float, float]:
        """Return x and y."""
        right = (errors - self.errors[0]) / (self.errors[1] - self.errors[0])
        up = (outcome - self.outcome[0]) / (self.outcome[1] - self.outcome[0])
        return self.left + right * WIDTH, self.top + (1 - up) * HEIGHT


@dataclass(frozen=True, kw_only=True)
class TradeOff(SceneView):
    """A panel for each arm: a line from the baseline of a seed to the network with the penalty."""

    @property
    def _rows(self) -> pd.DataFrame:
        rows: Any = self.data["networks"]
        return rows  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return the panels in rows of three."""
        rows = self._rows
        arms = [arm for arm in dict.fromkeys(rows["arm"]) if arm != "baseline"]
        ranges = spread(100 * rows["cer"]), spread(rows["log_k80"])
        shapes = _legend()
        for place, arm in enumerate(arms):
            axes = Axes(LEFT + place % COLUMNS * ACROSS, TOP + place // COLUMNS * DOWN, *ranges)
            shapes += _frame(axes, arm, place % COLUMNS == 0) + _networks(axes, rows, arm)
        height = TOP + -(-len(arms) // COLUMNS) * DOWN - 30
        return scene.Scene(LEFT + min(len(arms), COLUMNS) * ACROSS - 8, height, tuple(shapes))

    def holoviews(self) -> Any:
        """Return a layout of HoloViews ``Points`` for each arm, the baseline's among them."""
        import holoviews as hv

        rows = self._rows.assign(cer=100 * self._rows["cer"])
        base = rows[rows["arm"] == "baseline"]
        arms = [arm for arm in dict.fromkeys(rows["arm"]) if arm != "baseline"]
        return hv.Layout([hv.Points(base, ["cer", "log_k80"], label=arm)
                          * hv.Points(rows[(rows["arm"] == arm) & (rows["role"] == "arm")], ["cer", "log_k80"])
                          for arm in arms])  # fmt: skip


def trade_off(rows: pd.DataFrame) -> TradeOff:
    """Return the picture of the study's networks.

    Parameters
    ----------
    rows : DataFrame
        As of `verdicts`.
    """
    kept = rows[["arm", "strength", "seed", "role", "cer", "log_k80"]]
    seeds, arms = rows["seed"].nunique(), rows["arm"].nunique() - 1
    return TradeOff(
        title="Errors and readability",
        caption=f"{arms} penalties on the dense layer of armenian-bilstm, {seeds} seeds; {SENTENCES:,} sentences of "
        "test text. k80: fewest units whose ablation has 80 % of the effect of ablating the layer, "
        "geometric mean over 12 pairs.",
        summary="Each line leads from the baseline of a seed to the network that was trained with a penalty from the "
        "same start: downwards is fewer units a decision, to the left fewer errors.",
        data={"networks": kept},
    )


def spread(values: Any) -> tuple[float, float]:
    """Return a range with a little air at both ends."""
    low, high = float(np.min(values)), float(np.max(values))
    air = 0.08 * ((high - low) or 1.0)
    return low - air, high + air


def _legend() -> list[scene.Shape]:
    shapes: list[scene.Shape] = [scene.Text(0, TOP - 32, "k80, units", 13, color="muted")]
    entries = (("baseline", "baseline", 96.0), ("matched", "its snapshot nearest in errors", 190.0),
               ("arm", "with the penalty", 405.0))  # fmt: skip
    for role, words, x in entries:
        shapes += [_dot(x, TOP - 32, role), scene.Text(x + 10, TOP - 32, words, 13, color="muted")]
    return shapes


def _dot(x: float, y: float, role: str) -> scene.Shape:
    size = {"arm": 9.0, "baseline": 8.0, "matched": 6.0}[role]
    fill = {"arm": "s26", "baseline": "ground", "matched": "missing"}[role]
    line = {"arm": "ground", "baseline": "ink", "matched": "missing"}[role]
    return scene.Box(x - size / 2, y - size / 2, size, size, fill, size / 2, line)


def _frame(axes: Axes, arm: str, named: bool) -> list[scene.Shape]:
    foot = axes.top + HEIGHT
    shapes: list[scene.Shape] = [scene.Text(axes.left, axes.top - 8, arm, 14, bold=True)]
    for mark in chosen([k for k in MARKS if axes.outcome[0] <= np.log(k) <= axes.outcome[1]]):
        _, y = axes.at(axes.errors[0], float(np.log(mark)))
        shapes.append(scene.Edge(axes.left, y, axes.left + WIDTH, y))
        shapes += [scene.Text(axes.left - 8, y, str(mark), 13, "end", "muted")] if named else []
    for value in scene.ticks(*axes.errors, 4):
        x, _ = axes.at(value, axes.outcome[0])
        shapes.append(scene.Edge(x, foot, x, foot + 5, "muted"))
        shapes.append(scene.Text(x, foot + 17, f"{value:g}", 13, "middle", "muted"))
    shapes.append(scene.Text(axes.left + WIDTH / 2, foot + 37, "characters wrong, %", 13, "middle", "muted"))
    return shapes


def chosen(marks: Sequence[int]) -> Sequence[int]:
    """Return at most five of some marks."""
    return marks[:: -(-len(marks) // 5)] if marks else marks


def _networks(axes: Axes, rows: pd.DataFrame, arm: str) -> list[scene.Shape]:
    def points(of: str, role: str) -> list[tuple[float, float]]:
        errors, outcome = (column(rows, name, of, role) for name in ("cer", "log_k80"))
        return [axes.at(100 * a, b) for a, b in zip(errors.tolist(), outcome.tolist(), strict=True)]

    base, mine, matched = points("baseline", "arm"), points(arm, "arm"), points(arm, "matched")
    lines = [scene.Edge(*start, *end, "s16", 1.5, alpha=0.6) for start, end in zip(base, mine, strict=True)]
    dots = [_dot(*at, role) for role, held in (("matched", matched), ("baseline", base), ("arm", mine))
            for at in held]  # fmt: skip
    return [*lines, *dots]
