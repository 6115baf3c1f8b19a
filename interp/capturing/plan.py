"""What will be read from a model: its modules in the order called, their layout in time, their columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from interp.errors import CaptureError, unknown
from interp.schema import QUANTITIES, unit_name

if TYPE_CHECKING:
    from interp.contracts import Adapter


@dataclass
class Block:
    """Columns of one module, layer, direction and quantity.

    Attributes
    ----------
    start, stop : int
        Columns of the matrix.
    picks : Tensor, optional
        Which of the ``width`` values are kept, where not all.
    """

    layer: int
    direction: str
    quantity: str
    width: int
    start: int = 0
    stop: int = 0
    picks: torch.Tensor | None = None


@dataclass
class Reading:
    """One module that is read.

    Attributes
    ----------
    name : str
        Dotted, or ``model`` for the model itself.
    adapter : Adapter, optional
        For a recurrent module; without it the output is read as it stands.
    layout : str
        Of an output: ``batch`` (sample, step, feature), ``time`` (step, sample, feature), ``packed``,
        ``flat-batch``, ``flat-time`` (rows), ``call`` (one step a call), ``single`` (step, feature).
    calls : int
        Calls in one forward; of a cell, and of layout ``call``, they are the steps.
    """

    name: str
    module: torch.nn.Module
    adapter: Adapter | None
    layout: str = "batch"
    calls: int = 1
    blocks: list[Block] = field(default_factory=list)

    @property
    def stepwise(self) -> bool:
        """Whether one call is one step."""
        return self.adapter.cell if self.adapter is not None else self.layout == "call"

    def of(self, layer: int, direction: str) -> list[Block]:
        """Return the kept blocks of a layer and direction."""
        return [block for block in self.blocks if (block.layer, block.direction) == (layer, direction)]


@dataclass
class Plan:
    """All that is read, and what each column stands for.

    Attributes
    ----------
    readings : list of Reading
        In the order in which the modules were first called.
    axis : int, optional
        The dim of the leading input that holds the samples, where known.
    notes : dict of str to str
        Become attrs.
    shape : int, int
        Samples and steps of the forward that the plan was made from.
    """

    readings: list[Reading]
    axis: int | None = None
    notes: dict[str, str] = field(default_factory=dict)
    shape: tuple[int, int] = (0, 0)

    @property
    def width(self) -> int:
        """The number of columns."""
        return sum(block.stop - block.start for reading in self.readings for block in reading.blocks)

    @property
    def several(self) -> bool:
        """Whether some module is called several times in one forward, each time with steps of its own."""
        return any(reading.calls > 1 and not reading.stepwise for reading in self.readings)

    def units(self, symbols: dict[str, Sequence[str]]) -> dict[str, Any]:
        """Return the coords of ``unit`` for the kept columns; ``symbols`` names output units by module."""
        rows = [
            (unit_name(reading.name, block.quantity, index, block.layer, block.direction), reading.name, block.layer,
             block.direction, block.quantity, index, symbol_of(symbols, reading.name, index))
            for reading in self.readings for block in reading.blocks for index in kept(block)
        ]  # fmt: skip
        names = ("unit", "module", "layer", "direction", "quantity", "index", "symbol")
        return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def kept(block: Block) -> Iterable[int]:
    """Return the indices of the units of a block that are kept."""
    return range(block.width) if block.picks is None else block.picks.tolist()


def symbol_of(symbols: dict[str, Sequence[str]], module: str, index: int) -> str:
    """Return what a unit stands for, or nothing."""
    listed = symbols.get(module, ())
    return str(listed[index]) if index < len(listed) else ""


def blocks_of(adapter: Adapter, module: torch.nn.Module, wanted: Sequence[str] | str) -> list[Block]:
    """Return the blocks of a recurrent module in unit order, for the quantities asked for."""
    sizes = adapter.sizes(module)
    names = [name for name in adapter.quantities if (name != "c_prev" if wanted == "all" else name in wanted)]
    return [
        Block(layer, direction, name, sizes[name])
        for layer in range(adapter.layers(module)) for direction in adapter.directions(module) for name in names
    ]  # fmt: skip


def check_quantities(quantities: Sequence[str] | str, adapters: Sequence[Adapter]) -> None:
    """Raise `UnknownNameError` for a quantity that no captured module has; `CaptureError` where no module has any."""
    if quantities == "all":
        return
    if isinstance(quantities, str):
        raise CaptureError(f"quantities= takes 'all' or a list; got {quantities!r}. Type quantities=[{quantities!r}].")
    if not adapters and set(quantities) - {"out"}:
        raise CaptureError(
            f"quantities={list(quantities)!r}: the model called no module whose gates an adapter can read. "
            "Register an interp.Adapter for a custom one in the hook register_adapters."
        )
    there = {name for adapter in adapters for name in adapter.quantities} | {"out"}
    for name in quantities:
        if name not in there:
            raise unknown("quantity", name, sorted(there, key=lambda q: QUANTITIES.index(q) if q in QUANTITIES else 99))


def place(readings: Sequence[Reading], chosen: np.ndarray | None = None) -> None:
    """Give every block its columns; with ``chosen`` (a boolean a unit) only those units get one."""
    column = seen = 0
    for reading in readings:
        for block in list(reading.blocks):
            mine = None if chosen is None else np.flatnonzero(chosen[seen : seen + block.width])
            seen += block.width
            if mine is not None and mine.size < block.width:
                block.picks = torch.from_numpy(mine)
            count = block.width if mine is None else mine.size
            block.start, block.stop = column, column + count
            column += count
            if not count:
                reading.blocks.remove(block)
