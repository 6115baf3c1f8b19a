"""A heatmap of coloured cells with names of rows and groups of columns, and its legends, as shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interp.plotting import colors, scene, truncate_middle

CELL, GAP = 22.0, 16.0  # pixels of a cell, and between two groups of columns
LEFT, HEAD = 112.0, 66.0  # pixels for the names of rows, and for those of groups and columns
BAR = 120.0  # pixels of a colour scale


@dataclass(frozen=True)
class Cell:
    """Colour name, tooltip and dot of a cell."""

    color: str
    note: str = ""
    dot: bool = False


@dataclass(frozen=True)
class ColumnGroup:
    """Neighbouring columns under one heading: its name, its size in words, and the name of each column."""

    name: str
    size: str
    labels: tuple[str, ...]


def width(groups: Sequence[ColumnGroup]) -> float:
    """Return the pixels from the left edge to the end of the last column."""
    return LEFT + sum(len(group.labels) for group in groups) * CELL + GAP * (len(groups) - 1)


def heatmap(
    rows: Sequence[tuple[str, str]], groups: Sequence[ColumnGroup], cells: Sequence[Sequence[Cell]], y: float
) -> list[scene.Shape]:
    """Return the names and cells: headings start at ``y``, cells at ``y + HEAD``.

    Parameters
    ----------
    rows : sequence of (str, str)
        Name of each row and its colour, ``ink`` or ``muted``.
    groups : sequence of ColumnGroup
        Groups of columns, from left to right.
    cells : sequence (row) of sequence (column) of Cell
        Cells of each row, over the columns of all groups.
    y : float
        Upper edge.
    """
    shapes: list[scene.Shape] = []
    for row, (name, color) in enumerate(rows):
        shapes.append(scene.Text(LEFT - 12, y + HEAD + (row + 0.5) * CELL, name, 15, "end", color, mono=True))
    x, first = LEFT, 0
    for group in groups:
        shapes += _heading(group, x, y)
        for row, line in enumerate(cells):
            for column, cell in enumerate(line[first : first + len(group.labels)]):
                shapes.append(_cell(cell, x + column * CELL, y + HEAD + row * CELL, f"{row} {first + column}"))
        first += len(group.labels)
        x += len(group.labels) * CELL + GAP
    return shapes


def _heading(group: ColumnGroup, x: float, y: float) -> list[scene.Shape]:
    limit = max(int(len(group.labels) * CELL / 8.2), 4)
    shapes: list[scene.Shape] = [
        scene.Text(x, y + 8, truncate_middle(group.name, limit), 13.5),
        scene.Text(x, y + 28, truncate_middle(group.size, limit), 12.5, color="muted"),
    ]
    for column, label in enumerate(group.labels):
        text = truncate_middle(label, 4)
        size = min(10.5, 34.0 / max(len(text), 1))
        shapes.append(scene.Text(x + (column + 0.5) * CELL, y + HEAD - 10, text, size, "middle", "muted", mono=True))
    return shapes


def _cell(cell: Cell, x: float, y: float, key: str) -> scene.Box:
    label = "•" if cell.dot else ""
    box = (x + 0.5, y + 0.5, CELL - 1, CELL - 1)
    return scene.Box(*box, cell.color, key=key, note=cell.note, label=label, label_size=15)


def dot_legend(x: float, y: float) -> list[scene.Shape]:
    """Return the legend of the dot in a cell."""
    note = "a dot: the unit is selective for the pair, as defined in the caption"
    box = scene.Box(x, y - 9, 18, 18, "s22", key="selective", note=note, label="•", label_size=15)
    return [box, scene.Text(x + 26, y, "selective", 13)]


def sequential_legend(x: float, y: float, name: str) -> list[scene.Shape]:
    """Return the legend of the sequential colour scale from 0 to 1, after its name."""
    start = x + scene.text_width(name, 13) + 18
    step = BAR / (colors.SEQUENTIAL_STEPS + 1)
    shapes: list[scene.Shape] = [scene.Text(x, y, name, 13), scene.Text(start - 6, y, "0", 13, "end", "muted")]
    for color in range(colors.SEQUENTIAL_STEPS + 1):
        overlap = 0.6 * (color < colors.SEQUENTIAL_STEPS)
        shapes.append(scene.Box(start + color * step, y - 7, step + overlap, 14, f"s{color}"))
    return [*shapes, scene.Text(start + BAR + 6, y, "1", 13, color="muted")]


def diverging_legend(x: float, y: float, name: str) -> list[scene.Shape]:
    """Return the legend of the diverging colour scale from -1 to 1, after its name."""
    shapes: list[scene.Shape] = [scene.Text(x, y, name, 13), scene.Text(x + 40, y, "− 1", 13, "end", "muted")]
    steps = range(-colors.DIVERGING_STEPS, colors.DIVERGING_STEPS + 1)
    step = BAR / len(steps)
    shapes += [scene.Box(x + 48 + at * step, y - 7, step + 0.5, 14, f"d{color}") for at, color in enumerate(steps)]
    return [*shapes, scene.Text(x + 56 + BAR, y, "+ 1", 13, color="muted")]
