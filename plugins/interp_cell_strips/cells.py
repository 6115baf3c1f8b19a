"""One line of the strips as rows of cells, the same for the page and for the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp import lettering, palette

if TYPE_CHECKING:
    import xarray as xr

NAME = 34  # the most characters of a unit name beside its row
ARROWS = {"forward": "→", "backward": "←", "": ""}


@dataclass(frozen=True)
class Cell:
    """A character: its column, letter, colour name and mark (``framed``, ``clipped``); a placeholder is faint."""

    column: int
    letter: str
    color: str = ""
    mark: str = ""
    faint: bool = False
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A row of cells with its name, the direction in which the unit reads, and its values."""

    kind: str
    name: str
    arrow: str
    cells: tuple[Cell, ...]
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scale:
    """A colour scale of the legend: what it is for, its kind and its full value."""

    name: str
    signed: bool
    full: float


def lines(strips: xr.Dataset, gates: np.ndarray) -> Iterator[list[Row]]:
    """Yield the rows of each line: input, output, then one per unit.

    Parameters
    ----------
    strips : Dataset
        ``activation (character, unit)``, ``full (unit,)`` and coords of ``character`` with ``line`` and ``column``.
    gates : boolean array (unit,)
        Which units lie in 0..1.
    """
    for line in np.unique(strips["line"].values):
        part = strips.isel(character=np.flatnonzero(strips["line"].values == line))
        columns, letters = part["column"].values.tolist(), part["input"].values.astype(str).tolist()
        above = [_input_row(part, columns, letters), _output_row(part, columns)]
        yield [*above, *_unit_rows(part, columns, letters, gates)]


def _input_row(part: xr.Dataset, columns: list[int], letters: list[str]) -> Row:
    places = zip(*(part[name].values.tolist() for name in ("sample", "step", "source")), strict=True)
    notes = [f"sample {sample}, step {step}, source {source}" for sample, step, source in places]
    cells = (Cell(column, letter, note=note) for column, letter, note in zip(columns, letters, notes, strict=True))
    return Row("input", "input", "", tuple(cells))


def _output_row(part: xr.Dataset, columns: list[int]) -> Row:
    right = part["output"].values.astype(str).tolist()
    said = part["predicted"].values.astype(str).tolist() if "predicted" in part.coords else right
    cells = tuple(
        Cell(column, given, "panel", "framed" * (given != wanted), given == "_", f"right: {lettering.visible(wanted)}")
        for column, given, wanted in zip(columns, said, right, strict=True)
    )
    return Row("output", "output", "", cells)


def _unit_rows(part: xr.Dataset, columns: list[int], letters: list[str], gates: np.ndarray) -> Iterator[Row]:
    directions = part["direction"].values.astype(str).tolist()
    names, full = part["unit"].values.astype(str).tolist(), part["full"].values.tolist()
    for at, (name, direction, limit) in enumerate(zip(names, directions, full, strict=True)):
        values = part["activation"].values[:, at].astype(float).tolist()
        color = palette.sequential if gates[at] else palette.diverging
        cells = tuple(
            Cell(column, letter, color(value / limit), "clipped" if abs(value) > limit else "")
            for column, letter, value in zip(columns, letters, values, strict=True)
        )
        yield Row("unit", name, ARROWS.get(direction, ""), cells, tuple(values))


def scales(strips: xr.Dataset, gates: np.ndarray) -> list[Scale]:
    """Return the colour scales in use, in the order of the units; gates share one."""
    found: dict[tuple[str, str], Scale] = {}
    rows = zip(*(strips[name].values.tolist() for name in ("module", "quantity", "full")), gates.tolist(), strict=True)
    for module, quantity, full, gate in rows:
        key = ("", "gate") if gate else (module, quantity)
        name = "gates" if gate else f"{module} {quantity}"
        found.setdefault(key, Scale(name, not gate, float(full)))
    return list(found.values())
