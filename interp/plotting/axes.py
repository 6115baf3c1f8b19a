"""Axes of a plot as shapes of a scene: mapping of data to pixels, ticks, lines and bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.plotting.scene import Area, Edge, Shape, Text


def identity(value: float) -> float:
    """Return the value unchanged; the scale of a linear axis."""
    return value


@dataclass(frozen=True)
class Axes:
    """A rectangle on a scene, with the data ranges of its axes.

    Attributes
    ----------
    left, top, width, height : float
        Rectangle in pixels.
    x_range, y_range : (float, float)
        Data ranges: values at the left and the right edge, and at the lower and the upper one.
    x_scale : callable
        Monotonic function that maps x values to the scale of the x axis; linear by default.
    """

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    x_scale: Callable[[float], float] = identity

    @property
    def bottom(self) -> float:
        """Position of the lower edge, in pixels."""
        return self.top + self.height

    @property
    def right(self) -> float:
        """Position of the right edge, in pixels."""
        return self.left + self.width

    @property
    def center(self) -> float:
        """Position of the middle of the x axis, in pixels."""
        return self.left + self.width / 2

    def x(self, value: float) -> float:
        """Return the x position of a value, in pixels."""
        low, high = (self.x_scale(end) for end in self.x_range)
        return self.left + (self.x_scale(value) - low) / (high - low) * self.width

    def y(self, value: float) -> float:
        """Return the y position of a value, in pixels."""
        low, high = self.y_range
        return self.top + (high - value) / (high - low) * self.height

    def x_axis(
        self, values: Sequence[float], labels: Sequence[str], *, length: float = 5.0, label_offset: float = 17.0
    ) -> list[Shape]:
        """Return ticks below the rectangle, with labels.

        Parameters
        ----------
        values, labels : sequence
            Positions of the ticks, in data units, and their labels.
        length, label_offset : float
            Length of the ticks, and distance from the edge to the middle of the labels, in pixels.
        """
        shapes: list[Shape] = []
        for value, label in zip(values, labels, strict=True):
            x = self.x(value)
            shapes.append(Edge(x, self.bottom, x, self.bottom + length, "muted"))
            shapes.append(Text(x, self.bottom + label_offset, label, 13, "middle", "muted"))
        return shapes

    def y_axis(
        self,
        values: Sequence[float],
        labels: Sequence[str] = (),
        *,
        zero_color: str = "muted",
        label_offset: float = 10.0,
    ) -> list[Shape]:
        """Return horizontal grid lines, with labels on the left.

        Parameters
        ----------
        values : sequence of float
            Positions of the lines, in data units.
        labels : sequence of str
            Labels of the lines; by default they have none.
        zero_color : str
            Colour of the line at 0.
        label_offset : float
            Distance from the edge to the labels, in pixels.
        """
        shapes: list[Shape] = []
        for value, label in zip(values, labels or [""] * len(values), strict=True):
            y = self.y(value)
            shapes.append(Edge(self.left, y, self.right, y, "line" if value else zero_color))
            if label:
                shapes.append(Text(self.left - label_offset, y, label, 13, "end", "muted"))
        return shapes

    def line(self, x: Any, y: Any, color: str, dash: tuple[float, ...] = ()) -> list[Shape]:
        """Return a line through points in data units, without NaNs; an empty list for fewer than two points."""
        points = tuple((self.x(a), self.y(b)) for a, b in zip(x, y, strict=True) if np.isfinite(b))
        return [Area(points, color, 0.0, color, dash)] if len(points) > 1 else []

    def band(self, x: Any, low: Any, high: Any, color: str, alpha: float) -> list[Shape]:
        """Return the area between two curves in data units, without NaNs; an empty list for fewer than two points."""
        rows = [row for row in zip(x, low, high, strict=True) if np.isfinite(row).all()]
        lower = [(self.x(value), self.y(bottom)) for value, bottom, _ in rows]
        upper = [(self.x(value), self.y(top)) for value, _, top in reversed(rows)]
        return [Area((*lower, *upper), color, alpha)] if len(rows) > 1 else []


def axis_range(*columns: Any) -> tuple[float, float]:
    """Return a range that contains 0 and all finite values, with a margin of 5 % beyond the values."""
    values = np.concatenate([np.ravel(column).astype(float) for column in columns])
    values = values[np.isfinite(values)]
    low, high = min(values.min(initial=0.0), 0.0), max(values.max(initial=0.0), 0.0)
    margin = 0.05 * ((high - low) or 1.0)
    return (low - margin if low < 0 else 0.0), high + margin
