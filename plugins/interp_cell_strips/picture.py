"""The strips as a scene, for files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from interp import lettering, palette, scene
from interp_cell_strips.cells import NAME, Cell, Row, Scale

CELL, HEIGHT, PITCH, BETWEEN = 24.0, 34.0, 42.0, 30.0
LETTER = 15.0
BAR = 110.0


def picture(lines: Iterable[Sequence[Row]], scales: Sequence[Scale], columns: int) -> scene.Scene:
    """Return the strips as a scene: lines of text below each other, the legend at the foot."""
    every = [list(rows) for rows in lines]
    names = [lettering.short(row.name, NAME) for rows in every[:1] for row in rows]
    left = max(map(len, names)) * LETTER * 0.61 + 34
    shapes: list[scene.Shape] = []
    y = 0.0
    for rows in every:
        for row in rows:
            y += 8 if row.kind == "unit" and rows[2] is row else 0
            shapes += _row(row, left, y)
            y += PITCH if row.kind == "unit" else HEIGHT + 2
        y += BETWEEN
    width = max(left + columns * CELL, 560.0)
    legend, height = _legend(scales, width)
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
        return [scene.Text(x + CELL / 2, y + HEIGHT / 2, letter, size, "middle", mono=True)]
    box = scene.Box(x + 0.5, y, CELL - 1, HEIGHT, cell.color, label="" if cell.faint else letter, label_size=size)
    shapes: list[scene.Shape] = [box]
    if cell.faint:
        shapes.append(scene.Text(x + CELL / 2, y + HEIGHT / 2, letter, size, "middle", "muted", mono=True))
    if cell.mark == "framed":
        inner = (x + 1.5, y + 1, CELL - 3, HEIGHT - 2)
        shapes.append(scene.Box(*inner, "panel", outline="wrong", outline_width=2, alpha=0))
    if cell.mark == "clipped":
        corner = ((x + CELL - 8, y), (x + CELL - 0.5, y), (x + CELL - 0.5, y + 7.5))
        shapes.append(scene.Area(corner, "ink", 1.0))
    return shapes


def _legend(scales: Sequence[Scale], width: float) -> tuple[list[scene.Shape], float]:
    """Return the legend's shapes and its height; keys that don't fit in a row go to the next."""
    shapes: list[scene.Shape] = []
    x, y = 0.0, 14.0
    for scale in scales:
        name = lettering.short(scale.name, 24)
        need = len(name) * 8.4 + 12 + BAR + 56
        x, y = (0.0, y + 48) if x and x + need > width else (x, y)
        shapes += scene.Scene(need, 40, tuple(_scale(scale, name))).shifted(x, y)
        x += need
    x, y = (0.0, y + 48) if x and x + 420 > width else (x, y)
    return [*shapes, *scene.Scene(420, 40, tuple(_marks())).shifted(x, y)], y + 40


def _scale(scale: Scale, name: str) -> list[scene.Shape]:
    start = len(name) * 8.4 + 12
    low = -palette.DIVERGING_STEPS if scale.signed else 0
    high = palette.DIVERGING_STEPS if scale.signed else palette.SEQUENTIAL_STEPS
    step, letter = BAR / (high - low + 1), "d" if scale.signed else "s"
    shapes: list[scene.Shape] = [scene.Text(0, 0, name, 13.5, mono=True)]
    shapes += [
        scene.Box(start + (at - low) * step, -7, step + 0.6 * (at < high), 14, f"{letter}{at}")
        for at in range(low, high + 1)
    ]
    ends = (f"− {scale.full:.2g}", "0", f"+ {scale.full:.2g}") if scale.signed else ("0", "", "1")
    for at, end in enumerate(ends):
        shapes.append(scene.Text(start + BAR * at / 2, 18, end, 11.5, "middle", "muted"))
    return shapes


def _marks() -> list[scene.Shape]:
    wrong = _cell(Cell(0, "ա", "panel", "framed"), 0, -HEIGHT / 2)
    clipped = _cell(Cell(0, "ա", "panel", "clipped"), 216, -HEIGHT / 2)
    return [
        *wrong,
        scene.Text(CELL + 10, 0, "not the right output", 13),
        *clipped,
        scene.Text(216 + CELL + 10, 0, "beyond the scale", 13),
    ]
