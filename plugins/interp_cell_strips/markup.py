"""The strips as HTML: one table per line of text, every letter a cell of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

from interp import lettering
from interp_cell_strips.cells import MARKS, NAME, Cell, Row, Scale


def markup(lines: Iterable[Sequence[Row]], scales: Sequence[Scale], marks: Sequence[str], columns: int) -> str:
    """Return the lines of text as tables, and the legend."""
    every = [list(rows) for rows in lines]
    name = max(len(lettering.short(row.name, NAME)) for row in every[0])
    body = "\n".join(map(_line, every))
    return f'<div class="strips" style="--columns:{columns};--name:{name}">\n{body}\n</div>\n{_legend(scales, marks)}'


def _line(rows: Sequence[Row]) -> str:
    columns = max(cell.column for row in rows for cell in row.cells) + 1
    return f'<table style="--here:{columns}">\n' + "\n".join(_row(row) for row in rows) + "\n</table>"


def _row(row: Row) -> str:
    name = lettering.escape(lettering.short(row.name, NAME))
    head = f'<th scope="row"><bdi>{name}</bdi> <span class="arrow">{row.arrow}</span></th>'
    said = ",".join(f"{value:.3g}" if isfinite(value) else "–" for value in row.values)
    values = f' data-values="{said}"' if said else ""
    key = f' data-key="{lettering.escape(row.name)}"' if row.kind == "unit" else ""
    cells, at = [], 0
    for cell in row.cells:
        cells += ["<td></td>"] * (cell.column - at) + [_cell(cell)]
        at = cell.column + 1
    return f'<tr class="{row.kind}"{values}{key}>{head}{"".join(cells)}</tr>'


def _cell(cell: Cell) -> str:
    letter = lettering.visible(cell.letter)
    names = (cell.color, cell.mark, "faint" if cell.faint else "", "long" if len(letter) > 2 else "")
    note = f' data-note="{lettering.escape(cell.note)}"' if cell.note else ""
    shown = lettering.escape(lettering.short(letter, 3))
    return f'<td class="{" ".join(filter(None, names))}"{note}>{shown}</td>'


def _legend(scales: Sequence[Scale], marks: Sequence[str]) -> str:
    keys = (f'<span class="key"><i class="panel {mark}">ա</i> {MARKS[mark]}</span>' for mark in marks)
    return f'<div class="legend">{"".join((*map(_scale, scales), *keys))}</div>'


def _scale(scale: Scale) -> str:
    bar = "".join(f'<b class="{color}"></b>' for color in scale.colors[:: 1 if scale.letter == "u" else 2])
    ticks = "".join(f"<span>{end}</span>" for end in scale.ends)
    return (
        f'<span class="key scale {scale.letter}"><bdi>{lettering.escape(lettering.short(scale.name))}</bdi>'
        f'<span><span class="bar">{bar}</span><span class="ticks">{ticks}</span></span></span>'
    )
