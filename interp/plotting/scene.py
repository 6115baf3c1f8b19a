"""Scenes: pictures as lists of shapes in pixels, drawn as SVG for pages and with matplotlib for files.

Colours are names of `interp.plotting.colors`. A box with a ``key`` is a node, and its ``note`` is the text of its
tooltip, in lines. An `Edge` with a ``value`` connects the nodes with the keys ``lower`` and ``upper``.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, replace
from textwrap import wrap

from interp.plotting.text import sanitize, truncate_middle


@dataclass(frozen=True)
class Edge:
    """A straight line; ``value`` is the number that its width represents."""

    x1: float
    y1: float
    x2: float
    y2: float
    color: str = "line"
    width: float = 1.0
    dash: tuple[float, ...] = ()
    alpha: float = 1.0
    lower: str = ""
    upper: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Box:
    """A rectangle; ``round`` is the radius of its corners. With half the side as radius it is a circle."""

    x: float
    y: float
    width: float
    height: float
    color: str
    round: float = 0.0
    outline: str = ""
    outline_width: float = 1.0
    alpha: float = 1.0
    key: str = ""
    note: str = ""
    label: str = ""
    label_size: float = 12.0


@dataclass(frozen=True)
class Area:
    """A filled polygon through points ``(x, y)``."""

    points: tuple[tuple[float, float], ...]
    color: str
    alpha: float = 0.3
    outline: str = ""
    dash: tuple[float, ...] = ()


@dataclass(frozen=True)
class Text:
    """One line of text; ``y`` is its vertical middle, and ``anchor`` is ``start``, ``middle`` or ``end``."""

    x: float
    y: float
    text: str
    size: float = 14.0
    anchor: str = "start"
    color: str = "ink"
    mono: bool = False
    bold: bool = False


Shape = Edge | Box | Area | Text


@dataclass(frozen=True)
class Scene:
    """Shapes on a canvas of ``width`` x ``height`` pixels, origin at the top left; later shapes are on top."""

    width: float
    height: float
    shapes: tuple[Shape, ...]

    def shifted(self, dx: float, dy: float) -> tuple[Shape, ...]:
        """Return the shapes moved by ``(dx, dy)`` pixels."""
        return tuple(_moved(shape, dx, dy) for shape in self.shapes)


def _moved(shape: Shape, dx: float, dy: float) -> Shape:
    if isinstance(shape, Edge):
        return replace(shape, x1=shape.x1 + dx, y1=shape.y1 + dy, x2=shape.x2 + dx, y2=shape.y2 + dy)
    if isinstance(shape, Area):
        return replace(shape, points=tuple((x + dx, y + dy) for x, y in shape.points))
    return replace(shape, x=shape.x + dx, y=shape.y + dy)


def text_width(text: str, size: float) -> float:
    """Return an upper bound of the width of a line of text at a font size, in pixels, for the widest of the fonts."""
    return sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.64 for letter in text) * size


def wrap_text(text: str, x: float, y: float, width: float, *, size: float = 13.0, color: str = "muted") -> list[Text]:
    """Return text in lines of at most ``width`` pixels; ``y`` is the middle of the first line."""
    lines = wrap(sanitize(text), max(int(width / (0.57 * size)), 8)) or [""]
    return [Text(x, y + row * size * 1.5, line, size, color=color) for row, line in enumerate(lines)]


def with_title(scene: Scene, title: str, summary: str, caption: str, margin: float = 24.0) -> Scene:
    """Return the scene with title and summary above it and the caption below, without overlaps."""
    inner = max(scene.width, 480.0)
    head: list[Shape] = [Text(margin, margin + 16, sanitize(truncate_middle(title, 80)), 26, bold=True)]
    lines = wrap_text(summary, margin, margin + 52, inner, size=14)
    top = margin + 52 + len(lines) * 21 + 8
    foot = wrap_text(caption, margin, top + scene.height + 24, inner, size=12)
    height = top + scene.height + 24 + len(foot) * 18 + margin / 2
    return Scene(inner + 2 * margin, height, (*head, *lines, *scene.shifted(margin, top), *foot))


def nice_ticks(low: float, high: float, n_ticks: int) -> list[float]:
    """Return about ``n_ticks`` round numbers between ``low`` and ``high``, in steps of 1, 2 or 5 x a power of ten.

    Examples
    --------
    >>> nice_ticks(0.0, 1.0, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / n_ticks
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]
