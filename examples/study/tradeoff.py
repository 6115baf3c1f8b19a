"""Trade-off of the study as a picture: errors against readability, each network with the baseline of its seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SceneView
from interp.plotting import Axes, scene
from study.analysis import column
from study.protocol import N_SENTENCES

if TYPE_CHECKING:
    import pandas as pd

N_COLUMNS = 3
WIDTH, HEIGHT, LEFT, TOP = 250.0, 210.0, 56.0, 64.0
COLUMN_WIDTH, ROW_HEIGHT = WIDTH + 34, HEIGHT + 92
K80_TICKS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 228)
MAX_TICKS = 5


@dataclass(frozen=True, kw_only=True)
class TradeOff(SceneView):
    """One panel per arm: a line from the baseline of a seed to the network with the penalty."""

    @property
    def _rows(self) -> pd.DataFrame:
        rows: Any = self.data["networks"]
        return rows  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return the panels in rows of three."""
        rows = self._rows
        arms = [arm for arm in dict.fromkeys(rows["arm"]) if arm != "baseline"]
        ranges = padded_range(100 * rows["cer"]), padded_range(rows["log_k80"])
        shapes = _legend()
        for k, arm in enumerate(arms):
            corner = (LEFT + k % N_COLUMNS * COLUMN_WIDTH, TOP + k // N_COLUMNS * ROW_HEIGHT)
            axes = Axes(*corner, WIDTH, HEIGHT, *ranges)  # errors in %, ln k80
            shapes += _panel(axes, arm, k % N_COLUMNS == 0) + _networks(axes, rows, arm)
        height = TOP + -(-len(arms) // N_COLUMNS) * ROW_HEIGHT - 30
        return scene.Scene(LEFT + min(len(arms), N_COLUMNS) * COLUMN_WIDTH - 8, height, tuple(shapes))

    def holoviews(self) -> Any:
        """Return a layout of HoloViews ``Points``, one element per arm with the baseline."""
        import holoviews as hv

        rows = self._rows.assign(cer=100 * self._rows["cer"])
        base = rows[rows["arm"] == "baseline"]
        arms = [arm for arm in dict.fromkeys(rows["arm"]) if arm != "baseline"]
        return hv.Layout([hv.Points(base, ["cer", "log_k80"], label=arm)
                          * hv.Points(rows[(rows["arm"] == arm) & (rows["role"] == "arm")], ["cer", "log_k80"])
                          for arm in arms])  # fmt: skip


def draw_trade_off(rows: pd.DataFrame) -> TradeOff:
    """Return the picture of the study's networks.

    Parameters
    ----------
    rows : DataFrame
        Table as in `study.analysis.verdicts`.
    """
    networks = rows[["arm", "strength", "seed", "role", "cer", "log_k80"]]
    seeds, arms = rows["seed"].nunique(), rows["arm"].nunique() - 1
    return TradeOff(
        title="Errors and readability",
        caption=f"{arms} penalties on the dense layer of armenian-bilstm, {seeds} seeds; {N_SENTENCES:,} sentences of "
        "test text. k80: smallest number of units whose ablation has 80 % of the effect of ablating the layer, "
        "geometric mean over 12 pairs.",
        summary="Each line leads from the baseline of a seed to the network that was trained with a penalty from the "
        "same start. Downwards means fewer units per decision, to the left means fewer errors.",
        data={"networks": networks},
    )


def padded_range(values: Any) -> tuple[float, float]:
    """Return the range of some values with a margin of 8 % at both ends."""
    low, high = float(np.min(values)), float(np.max(values))
    margin = 0.08 * ((high - low) or 1.0)
    return low - margin, high + margin


def _legend() -> list[scene.Shape]:
    shapes: list[scene.Shape] = [scene.Text(0, TOP - 32, "k80, units", 13, color="muted")]
    entries = (("baseline", "baseline", 96.0), ("matched", "its snapshot nearest in errors", 190.0),
               ("arm", "with the penalty", 405.0))  # fmt: skip
    for role, label, x in entries:
        shapes += [_dot(x, TOP - 32, role), scene.Text(x + 10, TOP - 32, label, 13, color="muted")]
    return shapes


def _dot(x: float, y: float, role: str) -> scene.Shape:
    size = {"arm": 9.0, "baseline": 8.0, "matched": 6.0}[role]
    fill = {"arm": "s26", "baseline": "ground", "matched": "missing"}[role]
    line = {"arm": "ground", "baseline": "ink", "matched": "missing"}[role]
    return scene.Box(x - size / 2, y - size / 2, size, size, fill, size / 2, line)


def _panel(axes: Axes, arm: str, has_labels: bool) -> list[scene.Shape]:
    low, high = axes.y_range
    ticks = thin_ticks([k for k in K80_TICKS if low <= np.log(k) <= high])
    errors = scene.nice_ticks(*axes.x_range, 4)
    shapes: list[scene.Shape] = [scene.Text(axes.left, axes.top - 8, arm, 14, bold=True)]
    shapes += axes.y_axis(np.log(ticks).tolist(), list(map(str, ticks)) if has_labels else (), label_offset=8)
    shapes += axes.x_axis(errors, [f"{value:g}" for value in errors])
    shapes.append(scene.Text(axes.center, axes.bottom + 37, "characters wrong, %", 13, "middle", "muted"))
    return shapes


def thin_ticks(ticks: Sequence[int]) -> Sequence[int]:
    """Return every n-th tick, so that at most five remain."""
    return ticks[:: -(-len(ticks) // MAX_TICKS)] if ticks else ticks


def _networks(axes: Axes, rows: pd.DataFrame, arm: str) -> list[scene.Shape]:
    def points(name: str, role: str) -> list[tuple[float, float]]:
        errors, outcome = (column(rows, variable, name, role) for variable in ("cer", "log_k80"))
        return [(axes.x(100 * a), axes.y(b)) for a, b in zip(errors.tolist(), outcome.tolist(), strict=True)]

    points_by_role = {
        "matched": points(arm, "matched"),
        "baseline": points("baseline", "arm"),
        "arm": points(arm, "arm"),
    }
    ends = zip(points_by_role["baseline"], points_by_role["arm"], strict=True)
    lines = [scene.Edge(*start, *end, "s16", 1.5, alpha=0.6) for start, end in ends]
    return [*lines, *(_dot(*point, role) for role, group in points_by_role.items() for point in group)]
