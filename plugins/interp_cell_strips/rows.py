"""One line of the strips as rows of cells, the same for the page and for the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from interp import lettering, palette

if TYPE_CHECKING:
    import xarray as xr

NAME = 34  # the most characters of a unit name beside its row
RANKS = ("1st", "2nd", "3rd", "4th", "5th")
ARROWS = {"forward": "→", "backward": "←", "": ""}
MARKS = {
    "framed": "not the right output",
    "changed": "changed by the edit",
    "target": "the output that is explained",
    "missing": "only one output is possible",
    "clipped": "beyond the scale",
}


@dataclass(frozen=True)
class Cell:
    """A character: its column, letter, colour name and marks, words of `MARKS`; a placeholder is faint."""

    column: int
    letter: str
    color: str = ""
    mark: str = ""
    faint: bool = False
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A row of cells with its name, the direction in which the unit reads, and its values.

    Its kind is ``input``, ``output``, ``guess``, ``unit``, or ``under``: a line of colour under the row before it.
    """

    kind: str
    name: str
    arrow: str
    cells: tuple[Cell, ...]
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scale:
    """A colour scale of the legend: what it is for, the letter of its colours in the palette and its full value."""

    name: str
    letter: str
    full: float

    @property
    def colors(self) -> list[str]:
        """The names of its colours, from the least to the most."""
        high = {"d": palette.DIVERGING_STEPS, "s": palette.SEQUENTIAL_STEPS, "u": palette.UNDER_STEPS}[self.letter]
        return [f"{self.letter}{step}" for step in range(0 if self.letter == "s" else -high, high + 1)]

    @property
    def ends(self) -> tuple[str, str, str]:
        """What stands at its left end, in its middle and at its right end."""
        return ("0", "", "1") if self.letter == "s" else (f"− {self.full:.2g}", "0", f"+ {self.full:.2g}")


def lines(strips: xr.Dataset, gates: np.ndarray) -> Iterator[list[Row]]:
    """Yield the rows of each line: input, output, the likeliest outputs, one per unit, the attribution.

    Parameters
    ----------
    strips : Dataset
        ``activation (character, unit)``, ``full (unit,)`` and coords of ``character`` with ``line`` and ``column``;
        also ``attribution (character)`` with ``full_attribution ()``, a coord ``target``, of bool; ``guess`` and
        ``chance (character, rank)``.
    gates : boolean array (unit,)
        Which units lie in 0..1.
    """
    for line in np.unique(strips["line"].values):
        part = strips.isel(character=np.flatnonzero(strips["line"].values == line))
        columns, letters = part["column"].values.tolist(), part["input"].values.astype(str).tolist()
        above = [_input_row(part, columns, letters), _output_row(part, columns)]
        rows = [*above, *_guess_rows(part, columns), *_unit_rows(part, columns, letters, gates)]
        yield [*rows, *_under_row(part, columns)]


def _input_row(part: xr.Dataset, columns: list[int], letters: list[str]) -> Row:
    return Row(
        "input", "input", "", tuple(map(Cell, columns, letters, repeat(""), _targets(part), repeat(False), notes(part)))
    )


def notes(part: xr.Dataset) -> list[str]:
    """Return where each character stands, in words."""
    places = zip(*(part[name].values.tolist() for name in ("sample", "step", "source")), strict=True)
    return [f"sample {sample}, step {step}, source {source}" for sample, step, source in places]


def _targets(part: xr.Dataset) -> list[str]:
    targets = part["target"].values.tolist() if "target" in part.coords else [False] * part.sizes["character"]
    return ["target" * target for target in targets]


def _output_row(part: xr.Dataset, columns: list[int]) -> Row:
    right = part["output"].values.astype(str).tolist()
    said = part["predicted"].values.astype(str).tolist() if "predicted" in part.coords else right
    return output_row("output", columns, said, right, _targets(part))


def _guess_rows(part: xr.Dataset, columns: list[int]) -> Iterator[Row]:
    """Yield the likeliest outputs below each other, on backgrounds as strong as their chance."""
    for rank in range(part.sizes.get("rank", 0)):
        letters, chance = part["guess"].values[:, rank].tolist(), part["chance"].values[:, rank]
        name = f"{RANKS[int(part['rank'].values[rank]) - 1]} likeliest"
        yield colored("guess", name, columns, letters, chance, 1.0, palette.sequential)


def output_row(
    name: str,
    columns: Sequence[int],
    said: Sequence[str],
    right: Sequence[str],
    marks: Sequence[str],
    *,
    values: Sequence[float] = (),
) -> Row:
    """Return a row of outputs, what is not right framed, beside the marks that are given."""
    cells = tuple(
        Cell(
            column,
            given,
            "panel",
            f"{'framed' * (given != wanted)} {mark}".strip(),
            given == "_",
            f"right: {lettering.visible(wanted)}",
        )
        for column, given, wanted, mark in zip(columns, said, right, marks, strict=True)
    )
    return Row("output", name, "", cells, tuple(values))


def _under_row(part: xr.Dataset, columns: list[int]) -> Iterator[Row]:
    """Yield the attribution as a row without letters; nothing is drawn where it is NaN."""
    if "attribution" in part:
        values, none = part["attribution"].values, [""] * len(columns)
        row = colored("under", "attribution", columns, none, values, float(part["full_attribution"]), palette.under)
        yield replace(row, cells=tuple(cell for cell in row.cells if cell.color != "missing"))


def colored(
    kind: str,
    name: str,
    columns: Sequence[int],
    letters: Sequence[str],
    values: np.ndarray,
    full: float,
    color: Callable[[float], str],
    arrow: str = "",
) -> Row:
    """Return a row of letters on backgrounds as strong as values of which ``full`` gets the full colour."""
    numbers = np.asarray(values, float).tolist()
    cells = tuple(
        Cell(column, letter, color(value / full), "clipped" if abs(value) > full else "")
        for column, letter, value in zip(columns, letters, numbers, strict=True)
    )
    return Row(kind, name, arrow, cells, tuple(numbers))


def _unit_rows(part: xr.Dataset, columns: list[int], letters: list[str], gates: np.ndarray) -> Iterator[Row]:
    directions = part["direction"].values.astype(str).tolist()
    names, full = part["unit"].values.astype(str).tolist(), part["full"].values.tolist()
    for at, (name, direction, limit) in enumerate(zip(names, directions, full, strict=True)):
        color = palette.sequential if gates[at] else palette.diverging
        values = part["activation"].values[:, at]
        yield colored("unit", name, columns, letters, values, limit, color, ARROWS.get(direction, ""))


def scales(strips: xr.Dataset, gates: np.ndarray) -> list[Scale]:
    """Return the colour scales in use, in the order of the units; gates share one; then that of the attribution."""
    found: dict[tuple[str, str], Scale] = {}
    rows = zip(*(strips[name].values.tolist() for name in ("module", "quantity", "full")), gates.tolist(), strict=True)
    for module, quantity, full, gate in rows:
        key = ("", "gate") if gate else (module, quantity)
        name = "gates" if gate else f"{module} {quantity}"
        found.setdefault(key, Scale(name, "s" if gate else "d", float(full)))
    if "chance" in strips:
        found["", "chance"] = Scale("chance of an output", "s", 1.0)
    under = [Scale("attribution", "u", float(strips["full_attribution"]))] if "attribution" in strips else []
    return [*found.values(), *under]
