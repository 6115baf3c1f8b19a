"""Axes of a plot as shapes: mapping of data to pixels, ticks, lines and bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.plotting import scene


def plain(value: float) -> float:
    """Return the value unchanged, as the scale of a linear axis."""
    return value


@dataclass(frozen=True)
class Panel:
    """A rectangle on a scene, with the data ranges of its axes.

    Attributes
    ----------
    left, top, width, height : float
        Rectangle in pixels.
    across, up : (float, float)
        Data ranges of the x and y axis.
    bend : callable
        Monotonic function that maps x values to the scale of the x axis; linear by default.
    """

    left: float
    top: float
    width: float
    height: float
    across: tuple[float, float]
    up: tuple[float, float]
    bend: Callable[[float], float] = plain

    def x(self, value: float) -> float:
        """Return the x position of a value, in pixels."""
        low, high = (self.bend(end) for end in self.across)
        return self.left + (self.bend(value) - low) / (high - low) * self.width

    def y(self, value: float) -> float:
        """Return the y position of a value, in pixels."""
        return self.top + (self.up[1] - value) / (self.up[1] - self.up[0]) * self.height

    def axes(self, values: Sequence[float], labels: Sequence[str], most: int, name: bool = True) -> list[scene.Shape]:
        """Return grid lines at round y values and ticks on the x axis.

        Parameters
        ----------
        values, labels : sequence
            Positions of the x ticks, in data units, and their labels.
        most : int
            Maximum number of grid lines.
        name : bool
            Draw the y values left of the grid lines.
        """
        shapes: list[scene.Shape] = []
        for value in scene.nice_ticks(*self.up, most):
            y = self.y(value)
            shapes.append(scene.Edge(self.left, y, self.left + self.width, y, "muted" if value == 0 else "line"))
            if name:
                shapes.append(scene.Text(self.left - 10, y, number(value), 13, "end", "muted"))
        foot = self.top + self.height
        for value, label in zip(values, labels, strict=True):
            shapes.append(scene.Edge(self.x(value), foot, self.x(value), foot + 5, "muted"))
            shapes.append(scene.Text(self.x(value), foot + 17, label, 13, "middle", "muted"))
        return shapes

    def line(self, x: Any, y: Any, color: str, dash: tuple[float, ...] = ()) -> list[scene.Shape]:
        """Return a line through points in data units, without NaNs; an empty list for fewer than two points."""
        points = tuple((self.x(a), self.y(b)) for a, b in zip(x, y, strict=True) if np.isfinite(b))
        return [scene.Area(points, color, 0.0, color, dash)] if len(points) > 1 else []

    def band(self, x: Any, low: Any, high: Any, color: str, alpha: float) -> list[scene.Shape]:
        """Return the area between two curves in data units, without NaNs; an empty list for fewer than two points."""
        rows = [row for row in zip(x, low, high, strict=True) if np.isfinite(row).all()]
        under = [(self.x(value), self.y(bottom)) for value, bottom, _ in rows]
        over = [(self.x(value), self.y(top)) for value, _, top in reversed(rows)]
        return [scene.Area((*under, *over), color, alpha)] if len(rows) > 1 else []


def number(value: float) -> str:
    """Format a number with three significant digits and a minus sign."""
    return f"{value:.3g}".replace("-", "−")


def limits(*columns: Any) -> tuple[float, float]:
    """Return a range that contains 0 and all finite values, with a margin of 5 % beyond the values."""
    values = np.concatenate([np.ravel(column).astype(float) for column in columns])
    values = values[np.isfinite(values)]
    low, high = min(values.min(initial=0.0), 0.0), max(values.max(initial=0.0), 0.0)
    margin = 0.05 * ((high - low) or 1.0)
    return (low - margin if low < 0 else 0.0), high + margin
