"""A plot of one or several curves, as shapes: from numbers to pixels, with ticks, lines and bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp import scene


def plain(value: float) -> float:
    """Return a value as it is: a linear axis."""
    return value


@dataclass(frozen=True)
class Panel:
    """A rectangle of pixels, and the ranges that it shows; ``bend`` is the scale of the x axis."""

    left: float
    top: float
    width: float
    height: float
    across: tuple[float, float]
    up: tuple[float, float]
    bend: Callable[[float], float] = plain

    def x(self, value: float) -> float:
        """Return where a value is on the x axis."""
        low, high = (self.bend(end) for end in self.across)
        return self.left + (self.bend(value) - low) / (high - low) * self.width

    def y(self, value: float) -> float:
        """Return where a value is on the y axis."""
        return self.top + (self.up[1] - value) / (self.up[1] - self.up[0]) * self.height

    def axes(self, values: Sequence[float], labels: Sequence[str], most: int, name: bool = True) -> list[scene.Shape]:
        """Return lines across at round numbers, with them on the left where ``name``, and ticks at some x."""
        shapes: list[scene.Shape] = []
        for value in scene.ticks(*self.up, most):
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
        """Return a line through points; NaN are left out."""
        points = tuple((self.x(a), self.y(b)) for a, b in zip(x, y, strict=True) if np.isfinite(b))
        return [scene.Area(points, color, 0.0, color, dash)] if len(points) > 1 else []

    def band(self, x: Any, low: Any, high: Any, color: str, alpha: float) -> list[scene.Shape]:
        """Return the area between two curves; NaN are left out, nothing is returned where none is left."""
        rows = [row for row in zip(x, low, high, strict=True) if np.isfinite(row).all()]
        under = [(self.x(at), self.y(least)) for at, least, _ in rows]
        over = [(self.x(at), self.y(most)) for at, _, most in reversed(rows)]
        return [scene.Area((*under, *over), color, alpha)] if len(rows) > 1 else []


def number(value: float) -> str:
    """Return a number for an axis."""
    return f"{value:.3g}".replace("-", "−")


def limits(*columns: Any) -> tuple[float, float]:
    """Return a range with 0 that holds all finite numbers, with a little air above and below."""
    known = np.concatenate([np.ravel(column).astype(float) for column in columns])
    known = known[np.isfinite(known)]
    low, high = min(known.min(initial=0.0), 0.0), max(known.max(initial=0.0), 0.0)
    air = 0.05 * ((high - low) or 1.0)
    return (low - air if low < 0 else 0.0), high + air
