"""The strips as a scene, for files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from interp import lettering, scene
from interp_cell_strips.cells import MARKS, NAME, Cell, Row, Scale

CELL, HEIGHT, BETWEEN = 24.0, 34.0, 30.0
PITCH = {"input": 36.0, "output": 36.0, "guess": 36.0, "unit": 42.0, "under": 8.0}
UNDER = 4.0
LETTER = 15.0
BAR = 110.0


def picture(lines: Iterable[Sequence[Row]], scales: Sequence[Scale], marks: Sequence[str], columns: int) -> scene.Scene:
    """Return the strips as a scene: lines of text below each other, the legend at the foot."""
    every = [list(rows) for rows in lines]
    names = [lettering.short(row.name, NAME) for rows in every[:1] for row in rows if row.kind != "under"]
    left = max(map(len, names)) * LETTER * 0.61 + 34
    shapes: list[scene.Shape] = []
    y = 0.0
    for rows in every:
        for row, above in zip(rows, [rows[0], *rows], strict=False):
            y += 8 if row.kind == "unit" and above.kind != "unit" else 0
            shapes += _under(row, left, y) if row.kind == "under" else _row(row, left, y)
            y += PITCH[row.kind]
        y += BETWEEN
    width = max(left + columns * CELL, 560.0)
    legend, height = _legend(scales, marks, width)
    shapes += scene.Scene(width, height, tuple(legend)).shifted(0, y)
    return scene.Scene(width, y + height, tuple(shapes))


def _row(row: Row, left: float, y: float) -> list[scene.Shape]:
    middle = y + HEIGHT / 2
    shapes: list[scene.Shape] = [
        scene.Text(left - 28, middle, lettering.short(row.name, NAME), LETTER - 1, "end", mono=True),
        scene.Text(left - 14, middle, row.arrow, LETTER, "middle", "muted"),
    ]
    for cell in row.cells:
        shapes += _cell(cell, left + cell.column * CELL, y)
    return shapes


def _cell(cell: Cell, x: float, y: float) -> list[scene.Shape]:
    letter = lettering.short(lettering.visible(cell.letter), 3)
    size = LETTER if len(letter) == 1 else LETTER * 0.8 if len(letter) == 2 else LETTER * 0.6
    if not cell.color:
        return [scene.Text(x + CELL / 2, y + HEIGHT / 2, letter, size, "middle", mono=True), *_frames(cell, x, y)]
    box = scene.Box(x + 0.5, y, CELL - 1, HEIGHT, cell.color, label="" if cell.faint else letter, label_size=size)
    shapes: list[scene.Shape] = [box]
    if cell.faint:
        shapes.append(scene.Text(x + CELL / 2, y + HEIGHT / 2, letter, size, "middle", "muted", mono=True))
    shapes += _frames(cell, x, y)
    if "clipped" in cell.mark:
        corner = ((x + CELL - 8, y), (x + CELL - 0.5, y), (x + CELL - 0.5, y + 7.5))
        shapes.append(scene.Area(corner, "ink", 1.0))
    return shapes


def _frames(cell: Cell, x: float, y: float) -> list[scene.Shape]:
    """Return the frames of a cell, one inside the other: target or changed dark, what is not right red."""
    marks, shapes = cell.mark.split(), list[scene.Shape]()
    for color, names in (("ink", {"changed", "target"}), ("wrong", {"framed"})):
        if names & set(marks):
            inset = 1.0 + 2 * len(shapes)
            box = (x + 0.5 + inset, y + inset, CELL - 1 - 2 * inset, HEIGHT - 2 * inset)
            shapes.append(scene.Box(*box, "panel", outline=color, outline_width=2, alpha=0))
    return shapes


def _under(row: Row, left: float, y: float) -> list[scene.Shape]:
    shapes: list[scene.Shape] = []
    for cell in row.cells:
        x = left + cell.column * CELL
        shapes.append(scene.Box(x + 0.5, y - 5, CELL - 1, UNDER, cell.color))
        if cell.mark:
            shapes.append(scene.Box(x + CELL - 4.5, y - 5, 4, UNDER, "ink"))
    return shapes


def _legend(scales: Sequence[Scale], marks: Sequence[str], width: float) -> tuple[list[scene.Shape], float]:
    """Return the legend's shapes and its height; keys that don't fit in a row go to the next."""
    keys = [(len(lettering.short(scale.name, 24)) * 8.4 + 68 + BAR, _scale(scale)) for scale in scales]
    keys += [(CELL + 24 + len(MARKS[mark]) * 8.0, _mark(mark)) for mark in marks]
    shapes: list[scene.Shape] = []
    x, y = 0.0, 14.0
    for need, key in keys:
        x, y = (0.0, y + 48) if x and x + need > width else (x, y)
        shapes += scene.Scene(need, 40, tuple(key)).shifted(x, y)
        x += need
    return shapes, y + 40


def _scale(scale: Scale) -> list[scene.Shape]:
    name = lettering.short(scale.name, 24)
    start, step = len(name) * 8.4 + 12, BAR / len(scale.colors)
    tall = UNDER if scale.letter == "u" else 14.0
    shapes: list[scene.Shape] = [scene.Text(0, 0, name, 13.5, mono=True)]
    shapes += [
        scene.Box(start + at * step, -tall / 2, step + 0.6 * (at + 1 < len(scale.colors)), tall, color)
        for at, color in enumerate(scale.colors)
    ]
    for at, end in enumerate(scale.ends):
        shapes.append(scene.Text(start + BAR * at / 2, 18, end, 11.5, "middle", "muted"))
    return shapes


def _mark(mark: str) -> list[scene.Shape]:
    color = "missing" if mark == "missing" else "panel"
    return [*_cell(Cell(0, "ա", color, mark), 0, -HEIGHT / 2), scene.Text(CELL + 10, 0, MARKS[mark], 13)]
