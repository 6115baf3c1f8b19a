"""Scene of the strips, for PNG and SVG files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from interp.plotting import scene, show_invisible, truncate_middle
from interp_cell_strips.rows import MARKS, MAX_NAME, Cell, Row, Scale

CELL_WIDTH, CELL_HEIGHT, LINE_GAP = 24.0, 34.0, 30.0
ROW_HEIGHTS = {"input": 36.0, "output": 36.0, "likely": 36.0, "unit": 42.0, "underline": 8.0}
UNDERLINE_HEIGHT = 4.0
LETTER_SIZE = 15.0
BAR_WIDTH = 110.0


def compose_strips(
    lines: Iterable[Sequence[Row]], scales: Sequence[Scale], marks: Sequence[str], line_width: int
) -> scene.Scene:
    """Return the strips as a scene: lines of text below each other, and the legend at the bottom."""
    blocks = [list(rows) for rows in lines]
    names = [truncate_middle(row.name, MAX_NAME) for rows in blocks[:1] for row in rows if row.kind != "underline"]
    left = max(map(len, names)) * LETTER_SIZE * 0.61 + 34
    shapes: list[scene.Shape] = []
    y = 0.0
    for rows in blocks:
        for row, previous in zip(rows, [rows[0], *rows], strict=False):
            y += 8 if row.kind == "unit" and previous.kind != "unit" else 0
            shapes += _underline_shapes(row, left, y) if row.kind == "underline" else _row_shapes(row, left, y)
            y += ROW_HEIGHTS[row.kind]
        y += LINE_GAP
    width = max(left + line_width * CELL_WIDTH, 560.0)
    legend, height = _legend(scales, marks, width)
    shapes += scene.Scene(width, height, tuple(legend)).shifted(0, y)
    return scene.Scene(width, y + height, tuple(shapes))


def _row_shapes(row: Row, left: float, y: float) -> list[scene.Shape]:
    middle = y + CELL_HEIGHT / 2
    shapes: list[scene.Shape] = [
        scene.Text(left - 28, middle, truncate_middle(row.name, MAX_NAME), LETTER_SIZE - 1, "end", mono=True),
        scene.Text(left - 14, middle, row.arrow, LETTER_SIZE, "middle", "muted"),
    ]
    for cell in row.cells:
        shapes += _cell_shapes(cell, left + cell.column * CELL_WIDTH, y)
    return shapes


def _cell_shapes(cell: Cell, x: float, y: float) -> list[scene.Shape]:
    letter = truncate_middle(show_invisible(cell.letter), 3)
    size = LETTER_SIZE if len(letter) == 1 else LETTER_SIZE * 0.8 if len(letter) == 2 else LETTER_SIZE * 0.6
    if not cell.color:
        return [
            scene.Text(x + CELL_WIDTH / 2, y + CELL_HEIGHT / 2, letter, size, "middle", mono=True),
            *_frame_shapes(cell, x, y),
        ]
    box = scene.Box(
        x + 0.5, y, CELL_WIDTH - 1, CELL_HEIGHT, cell.color, label="" if cell.faint else letter, label_size=size
    )
    shapes: list[scene.Shape] = [box]
    if cell.faint:
        shapes.append(scene.Text(x + CELL_WIDTH / 2, y + CELL_HEIGHT / 2, letter, size, "middle", "muted", mono=True))
    shapes += _frame_shapes(cell, x, y)
    if "clipped" in cell.mark:
        corner = ((x + CELL_WIDTH - 8, y), (x + CELL_WIDTH - 0.5, y), (x + CELL_WIDTH - 0.5, y + 7.5))
        shapes.append(scene.Area(corner, "ink", 1.0))
    return shapes


def _frame_shapes(cell: Cell, x: float, y: float) -> list[scene.Shape]:
    """Return the frames of a cell, one inside the other: dark for a target or a change, red for a wrong output."""
    marks, shapes = cell.mark.split(), list[scene.Shape]()
    for color, names in (("ink", {"changed", "target"}), ("wrong", {"framed"})):
        if names & set(marks):
            inset = 1.0 + 2 * len(shapes)
            box = (x + 0.5 + inset, y + inset, CELL_WIDTH - 1 - 2 * inset, CELL_HEIGHT - 2 * inset)
            shapes.append(scene.Box(*box, "panel", outline=color, outline_width=2, alpha=0))
    return shapes


def _underline_shapes(row: Row, left: float, y: float) -> list[scene.Shape]:
    shapes: list[scene.Shape] = []
    for cell in row.cells:
        x = left + cell.column * CELL_WIDTH
        shapes.append(scene.Box(x + 0.5, y - 5, CELL_WIDTH - 1, UNDERLINE_HEIGHT, cell.color))
        if cell.mark:
            shapes.append(scene.Box(x + CELL_WIDTH - 4.5, y - 5, 4, UNDERLINE_HEIGHT, "ink"))
    return shapes


def _legend(scales: Sequence[Scale], marks: Sequence[str], width: float) -> tuple[list[scene.Shape], float]:
    """Return the shapes of the legend and its height; keys that don't fit in a row move to the next."""
    keys = [(len(truncate_middle(scale.name, 24)) * 8.4 + 68 + BAR_WIDTH, _scale_shapes(scale)) for scale in scales]
    keys += [(CELL_WIDTH + 24 + len(MARKS[mark]) * 8.0, _mark_shapes(mark)) for mark in marks]
    shapes: list[scene.Shape] = []
    x, y = 0.0, 14.0
    for key_width, key in keys:
        x, y = (0.0, y + 48) if x and x + key_width > width else (x, y)
        shapes += scene.Scene(key_width, 40, tuple(key)).shifted(x, y)
        x += key_width
    return shapes, y + 40


def _scale_shapes(scale: Scale) -> list[scene.Shape]:
    name = truncate_middle(scale.name, 24)
    start, step = len(name) * 8.4 + 12, BAR_WIDTH / len(scale.colors)
    bar_height = UNDERLINE_HEIGHT if scale.letter == "u" else 14.0
    shapes: list[scene.Shape] = [scene.Text(0, 0, name, 13.5, mono=True)]
    shapes += [
        scene.Box(start + at * step, -bar_height / 2, step + 0.6 * (at + 1 < len(scale.colors)), bar_height, color)
        for at, color in enumerate(scale.colors)
    ]
    for at, end in enumerate(scale.ends):
        shapes.append(scene.Text(start + BAR_WIDTH * at / 2, 18, end, 11.5, "middle", "muted"))
    return shapes


def _mark_shapes(mark: str) -> list[scene.Shape]:
    color = "missing" if mark == "missing" else "panel"
    return [
        *_cell_shapes(Cell(0, "ա", color, mark), 0, -CELL_HEIGHT / 2),
        scene.Text(CELL_WIDTH + 10, 0, MARKS[mark], 13),
    ]
