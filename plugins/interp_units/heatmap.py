"""A grid of coloured cells with names on both sides, as shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interp import lettering, palette, scene

CELL, GAP = 22.0, 16.0  # pixels of a cell, and between two groups of columns
LEFT, HEAD = 112.0, 66.0  # for the names of rows, and of groups and columns
BAR = 120.0


@dataclass(frozen=True)
class Cell:
    """What a cell shows: its colour name, what the tooltip says, and whether it has a dot."""

    color: str
    note: str = ""
    dot: bool = False


@dataclass(frozen=True)
class Columns:
    """Neighbouring columns with a heading of their own: how many of how many, and the name of each."""

    name: str
    of: str
    labels: tuple[str, ...]


def width(groups: Sequence[Columns]) -> float:
    """Return the pixels from the left edge to the end of the last column."""
    return LEFT + sum(len(group.labels) for group in groups) * CELL + GAP * (len(groups) - 1)


def grid(
    rows: Sequence[tuple[str, str]], groups: Sequence[Columns], cells: Sequence[Sequence[Cell]], y: float
) -> list[scene.Shape]:
    """Return names and cells, the headings from ``y`` on and the cells from ``y + HEAD`` on.

    Parameters
    ----------
    rows : sequence of (str, str)
        The name of each row and its colour, ``ink`` or ``muted``.
    groups : sequence of Columns
        Neighbouring columns, from the left.
    cells : sequence (row) of sequence (column) of Cell
        The columns of all groups after each other.
    y : float
        The upper edge.
    """
    shapes: list[scene.Shape] = []
    for at, (name, color) in enumerate(rows):
        shapes.append(scene.Text(LEFT - 12, y + HEAD + (at + 0.5) * CELL, name, 15, "end", color, mono=True))
    x, first = LEFT, 0
    for group in groups:
        shapes += _heading(group, x, y)
        for at, row in enumerate(cells):
            for column, cell in enumerate(row[first : first + len(group.labels)]):
                shapes.append(_cell(cell, x + column * CELL, y + HEAD + at * CELL, f"{at} {first + column}"))
        first += len(group.labels)
        x += len(group.labels) * CELL + GAP
    return shapes


def _heading(group: Columns, x: float, y: float) -> list[scene.Shape]:
    room = max(int(len(group.labels) * CELL / 8.2), 4)
    shapes: list[scene.Shape] = [
        scene.Text(x, y + 8, lettering.short(group.name, room), 13.5),
        scene.Text(x, y + 28, lettering.short(group.of, room), 12.5, color="muted"),
    ]
    for at, label in enumerate(group.labels):
        shown = lettering.short(label, 4)
        size = min(10.5, 34.0 / max(len(shown), 1))
        shapes.append(scene.Text(x + (at + 0.5) * CELL, y + HEAD - 10, shown, size, "middle", "muted", mono=True))
    return shapes


def _cell(cell: Cell, x: float, y: float, key: str) -> scene.Box:
    label = "•" if cell.dot else ""
    place = (x + 0.5, y + 0.5, CELL - 1, CELL - 1)
    return scene.Box(*place, cell.color, key=key, note=cell.note, label=label, label_size=15)


def dot(x: float, y: float) -> list[scene.Shape]:
    """Return the legend of the dot in a cell."""
    note = "a dot: the unit knows the pair, as the caption says"
    box = scene.Box(x, y - 9, 18, 18, "s22", key="knows", note=note, label="•", label_size=15)
    return [box, scene.Text(x + 26, y, "knows", 13)]


def bar(x: float, y: float, name: str) -> list[scene.Shape]:
    """Return the legend of the sequential scale from 0 to 1, its name before it."""
    start = x + scene.advance(name, 13) + 18
    step = BAR / (palette.SEQUENTIAL_STEPS + 1)
    shapes: list[scene.Shape] = [scene.Text(x, y, name, 13), scene.Text(start - 6, y, "0", 13, "end", "muted")]
    for at in range(palette.SEQUENTIAL_STEPS + 1):
        wide = step + 0.6 * (at < palette.SEQUENTIAL_STEPS)
        shapes.append(scene.Box(start + at * step, y - 7, wide, 14, f"s{at}"))
    return [*shapes, scene.Text(start + BAR + 6, y, "1", 13, color="muted")]
