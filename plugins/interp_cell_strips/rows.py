"""Rows of the strips: their cells, colours and scales, and their HTML tables with one cell per letter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from interp.plotting import colors, escape, show_invisible, truncate_middle

if TYPE_CHECKING:
    import xarray as xr

MAX_NAME = 34  # characters of a unit name beside its row
ORDINALS = ("1st", "2nd", "3rd", "4th", "5th")
ARROWS = {"forward": "→", "backward": "←", "": ""}
MARKS = {
    "framed": "wrong output",
    "changed": "changed by the edit",
    "target": "explained output",
    "missing": "only one possible output",
    "clipped": "outside the scale",
}


@dataclass(frozen=True)
class Cell:
    """A character with its column, letter, colour name, marks (keys of `MARKS`) and note; a placeholder is faint."""

    column: int
    letter: str
    color: str = ""
    mark: str = ""
    faint: bool = False
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A row of cells with its name, the arrow of the unit's direction, and its values.

    ``kind`` is ``input``, ``output``, ``likely``, ``unit``, or ``underline``: a coloured line below the previous row.
    """

    kind: str
    name: str
    arrow: str
    cells: tuple[Cell, ...]
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scale:
    """A colour scale of the legend: its name, the letter of its colours in the palette, and its maximum."""

    name: str
    letter: str
    limit: float

    @property
    def colors(self) -> list[str]:
        """Names of the colours, in ascending order of value."""
        high = {"d": colors.DIVERGING_STEPS, "s": colors.SEQUENTIAL_STEPS, "u": colors.UNDER_STEPS}[self.letter]
        return [f"{self.letter}{step}" for step in range(0 if self.letter == "s" else -high, high + 1)]

    @property
    def ends(self) -> tuple[str, str, str]:
        """Tick labels at the left end, in the middle and at the right end."""
        return ("0", "", "1") if self.letter == "s" else (f"− {self.limit:.2g}", "0", f"+ {self.limit:.2g}")


def iter_lines(strips: xr.Dataset, gates: np.ndarray) -> Iterator[list[Row]]:
    """Yield the rows of each line: input, output, the likeliest outputs, one row per unit, and the attribution.

    Parameters
    ----------
    strips : Dataset
        ``activation (character, unit)``, ``scale_max (unit,)`` and the coords ``line`` and ``column`` of ``character``.
        Optional: ``attribution (character)`` with the scalar ``attribution_scale_max``; the bool coord ``target``;
        ``likely_output`` and ``probability (character, rank)``.
    gates : boolean array (unit,)
        True for units in 0..1.
    """
    for line in np.unique(strips["line"].values):
        part = strips.isel(character=np.flatnonzero(strips["line"].values == line))
        columns, letters = part["column"].values.tolist(), part["input"].values.astype(str).tolist()
        labels = [_input_row(part, columns, letters), _label_row(part, columns)]
        rows = [*labels, *_likely_rows(part, columns), *_unit_rows(part, columns, letters, gates)]
        yield [*rows, *_attribution_row(part, columns)]


def _input_row(part: xr.Dataset, columns: list[int], letters: list[str]) -> Row:
    marks, notes = _target_marks(part), position_notes(part)
    return Row("input", "input", "", tuple(map(Cell, columns, letters, repeat(""), marks, repeat(False), notes)))


def position_notes(part: xr.Dataset) -> list[str]:
    """Return the position of each character as text: sample, step and source."""
    positions = zip(*(part[name].values.tolist() for name in ("sample", "step", "source")), strict=True)
    return [f"sample {sample}, step {step}, source {source}" for sample, step, source in positions]


def _target_marks(part: xr.Dataset) -> list[str]:
    targets = part["target"].values.tolist() if "target" in part.coords else [False] * part.sizes["character"]
    return ["target" * target for target in targets]


def _label_row(part: xr.Dataset, columns: list[int]) -> Row:
    right = part["output"].values.astype(str).tolist()
    outputs = part["predicted"].values.astype(str).tolist() if "predicted" in part.coords else right
    return output_row("output", columns, outputs, right, _target_marks(part))


def _likely_rows(part: xr.Dataset, columns: list[int]) -> Iterator[Row]:
    """Yield a row per rank: the likeliest outputs, on backgrounds coloured by their probability."""
    for rank in range(part.sizes.get("rank", 0)):
        letters, probability = part["likely_output"].values[:, rank].tolist(), part["probability"].values[:, rank]
        name = f"{ORDINALS[int(part['rank'].values[rank]) - 1]} likeliest"
        yield colored_row("likely", name, columns, letters, probability, 1.0, colors.sequential)


def output_row(
    name: str,
    columns: Sequence[int],
    outputs: Sequence[str],
    right: Sequence[str],
    marks: Sequence[str],
    *,
    values: Sequence[float] = (),
) -> Row:
    """Return a row of outputs with the given marks; those that differ from the right output are framed as well."""
    cells = tuple(
        Cell(
            column,
            output,
            "panel",
            f"{'framed' * (output != target)} {mark}".strip(),
            output == "_",
            f"right: {show_invisible(target)}",
        )
        for column, output, target, mark in zip(columns, outputs, right, marks, strict=True)
    )
    return Row("output", name, "", cells, tuple(values))


def _attribution_row(part: xr.Dataset, columns: list[int]) -> Iterator[Row]:
    """Yield the attribution as a row without letters; values that are NaN have no cell."""
    if "attribution" in part:
        values, letters, limit = part["attribution"].values, [""] * len(columns), float(part["attribution_scale_max"])
        row = colored_row("underline", "attribution", columns, letters, values, limit, colors.underline)
        yield replace(row, cells=tuple(cell for cell in row.cells if cell.color != "missing"))


def colored_row(
    kind: str,
    name: str,
    columns: Sequence[int],
    letters: Sequence[str],
    values: np.ndarray,
    limit: float,
    color: Callable[[float], str],
    arrow: str = "",
) -> Row:
    """Return a row of letters on backgrounds coloured by values; ``limit`` has the full colour."""
    numbers = np.asarray(values, float).tolist()
    cells = tuple(
        Cell(column, letter, color(value / limit), "clipped" if abs(value) > limit else "")
        for column, letter, value in zip(columns, letters, numbers, strict=True)
    )
    return Row(kind, name, arrow, cells, tuple(numbers))


def _unit_rows(part: xr.Dataset, columns: list[int], letters: list[str], gates: np.ndarray) -> Iterator[Row]:
    directions = part["direction"].values.astype(str).tolist()
    names, limits = part["unit"].values.astype(str).tolist(), part["scale_max"].values.tolist()
    for at, (name, direction, limit) in enumerate(zip(names, directions, limits, strict=True)):
        color = colors.sequential if gates[at] else colors.diverging
        values = part["activation"].values[:, at]
        yield colored_row("unit", name, columns, letters, values, limit, color, ARROWS.get(direction, ""))


def list_scales(strips: xr.Dataset, gates: np.ndarray) -> list[Scale]:
    """Return the colour scales in use, in the order of the units (one for all gates), then that of the attribution."""
    scales: dict[tuple[str, str], Scale] = {}
    columns = (strips[name].values.tolist() for name in ("module", "quantity", "scale_max"))
    for module, quantity, limit, gate in zip(*columns, gates.tolist(), strict=True):
        key = ("", "gate") if gate else (module, quantity)
        name = "gates" if gate else f"{module} {quantity}"
        scales.setdefault(key, Scale(name, "s" if gate else "d", float(limit)))
    if "probability" in strips:
        scales["", "probability"] = Scale("output probability", "s", 1.0)
    if "attribution" in strips:
        scales["", "attribution"] = Scale("attribution", "u", float(strips["attribution_scale_max"]))
    return list(scales.values())


def render_html(lines: Iterable[Sequence[Row]], scales: Sequence[Scale], marks: Sequence[str], line_width: int) -> str:
    """Return the strips as HTML: a table per line of text, then the legend."""
    tables = [list(rows) for rows in lines]
    name = max(len(truncate_middle(row.name, MAX_NAME)) for row in tables[0])
    style = f"--columns:{line_width};--name:{name}"
    body = "\n".join(map(_table_html, tables))
    return f'<div class="strips" style="{style}">\n{body}\n</div>\n{_legend_html(scales, marks)}'


def _table_html(rows: Sequence[Row]) -> str:
    columns = max(cell.column for row in rows for cell in row.cells) + 1
    return f'<table style="--here:{columns}">\n' + "\n".join(_row_html(row) for row in rows) + "\n</table>"


def _row_html(row: Row) -> str:
    name = escape(truncate_middle(row.name, MAX_NAME))
    head = f'<th scope="row"><bdi>{name}</bdi> <span class="arrow">{row.arrow}</span></th>'
    numbers = ",".join(f"{value:.3g}" if isfinite(value) else "–" for value in row.values)
    values = f' data-values="{numbers}"' if numbers else ""
    key = f' data-key="{escape(row.name)}"' if row.kind == "unit" else ""
    cells, column = [], 0
    for cell in row.cells:
        cells += ["<td></td>"] * (cell.column - column) + [_cell_html(cell)]
        column = cell.column + 1
    return f'<tr class="{row.kind}"{values}{key}>{head}{"".join(cells)}</tr>'


def _cell_html(cell: Cell) -> str:
    letter = show_invisible(cell.letter)
    names = (cell.color, cell.mark, "faint" if cell.faint else "", "long" if len(letter) > 2 else "")
    note = f' data-note="{escape(cell.note)}"' if cell.note else ""
    text = escape(truncate_middle(letter, 3))
    return f'<td class="{" ".join(filter(None, names))}"{note}>{text}</td>'


def _legend_html(scales: Sequence[Scale], marks: Sequence[str]) -> str:
    keys = (f'<span class="key"><i class="panel {mark}">ա</i> {MARKS[mark]}</span>' for mark in marks)
    return f'<div class="legend">{"".join((*map(_scale_html, scales), *keys))}</div>'


def _scale_html(scale: Scale) -> str:
    bar = "".join(f'<b class="{color}"></b>' for color in scale.colors[:: 1 if scale.letter == "u" else 2])
    ticks = "".join(f"<span>{end}</span>" for end in scale.ends)
    return (
        f'<span class="key scale {scale.letter}"><bdi>{escape(truncate_middle(scale.name))}</bdi>'
        f'<span><span class="bar">{bar}</span><span class="ticks">{ticks}</span></span></span>'
    )
