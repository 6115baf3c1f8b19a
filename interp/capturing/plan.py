"""The plan of a capture: modules to read in the order of their calls, their layouts, and their columns."""

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
    width : int
        Number of units of the quantity.
    start, stop : int
        Range of columns in the matrix.
    picks : Tensor, optional
        Indices of the selected units, if not all ``width`` are selected.
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
    """Plan of one module.

    Attributes
    ----------
    name : str
        Dotted name, or ``model`` for the model itself.
    module : Module
        The module.
    adapter : Adapter, optional
        Adapter of a recurrent module; without one the module's output is read.
    layout : str
        Layout of the output: ``batch`` (sample, step, feature), ``time`` (step, sample, feature), ``packed``,
        ``flat-batch``, ``flat-time`` (rows), ``call`` (one step per call), ``single`` (step, feature).
    calls : int
        Number of calls in one forward; for a cell and for the layout ``call``, the number of steps.
    blocks : list of Block
        Columns to read.
    """

    name: str
    module: torch.nn.Module
    adapter: Adapter | None
    layout: str = "batch"
    calls: int = 1
    blocks: list[Block] = field(default_factory=list)

    @property
    def stepwise(self) -> bool:
        """True if one call is one step."""
        return self.adapter.cell if self.adapter is not None else self.layout == "call"

    def of(self, layer: int, direction: str) -> list[Block]:
        """Return the blocks of a layer and direction."""
        return [block for block in self.blocks if (block.layer, block.direction) == (layer, direction)]


@dataclass
class Plan:
    """Plan of a capture: modules to read, and the unit of each column.

    Attributes
    ----------
    readings : list of Reading
        Modules in the order in which they were first called.
    axis : int, optional
        Sample dim of the first input tensor, if known.
    notes : dict of str to str
        Attributes that are added to the dataset.
    shape : int, int
        Number of samples and steps of the forward that the plan was made from.
    """

    readings: list[Reading]
    axis: int | None = None
    notes: dict[str, str] = field(default_factory=dict)
    shape: tuple[int, int] = (0, 0)

    @property
    def width(self) -> int:
        """Number of columns."""
        return sum(block.stop - block.start for module_plan in self.readings for block in module_plan.blocks)

    @property
    def several(self) -> bool:
        """True if a module is called several times in one forward, with different steps each time."""
        return any(module_plan.calls > 1 and not module_plan.stepwise for module_plan in self.readings)

    def units(self, symbols: dict[str, Sequence[str]]) -> dict[str, Any]:
        """Return the coords of ``unit``; ``symbols`` maps module names to the symbols of their output units."""
        rows = [
            (unit_name(part.name, block.quantity, index, block.layer, block.direction), part.name, block.layer,
             block.direction, block.quantity, index, symbol_of(symbols, part.name, index))
            for part in self.readings for block in part.blocks for index in kept(block)
        ]  # fmt: skip
        names = ("unit", "module", "layer", "direction", "quantity", "index", "symbol")
        return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def kept(block: Block) -> Iterable[int]:
    """Return the indices of the selected units of a block."""
    return range(block.width) if block.picks is None else block.picks.tolist()


def symbol_of(symbols: dict[str, Sequence[str]], module: str, index: int) -> str:
    """Return the symbol of an output unit, or an empty string."""
    names = symbols.get(module, ())
    return str(names[index]) if index < len(names) else ""


def blocks_of(adapter: Adapter, module: torch.nn.Module, quantities: Sequence[str] | str) -> list[Block]:
    """Return the blocks of a recurrent module in unit order, for the given quantities."""
    sizes = adapter.sizes(module)
    names = [name for name in adapter.quantities if (name != "c_prev" if quantities == "all" else name in quantities)]
    return [
        Block(layer, direction, name, sizes[name])
        for layer in range(adapter.layers(module)) for direction in adapter.directions(module) for name in names
    ]  # fmt: skip


def check_quantities(quantities: Sequence[str] | str, adapters: Sequence[Adapter]) -> None:
    """Raise `UnknownNameError` for a quantity that no captured module has; `CaptureError` if no module has any."""
    if quantities == "all":
        return
    if isinstance(quantities, str):
        raise CaptureError(f"quantities= takes 'all' or a list; got {quantities!r}. Type quantities=[{quantities!r}].")
    if not adapters and set(quantities) - {"out"}:
        raise CaptureError(
            f"quantities={list(quantities)!r}: the model called no module whose gates an adapter can read. "
            "Register an interp.Adapter for a custom module in the hook register_adapters."
        )
    names = {name for adapter in adapters for name in adapter.quantities} | {"out"}
    for name in quantities:
        if name not in names:
            raise unknown("quantity", name, sorted(names, key=lambda q: QUANTITIES.index(q) if q in QUANTITIES else 99))


def place(module_plans: Sequence[Reading], mask: np.ndarray | None = None) -> None:
    """Assign columns to every block; with ``mask`` (one boolean per unit) only to the units where it is true."""
    column = unit = 0
    for module_plan in module_plans:
        for block in list(module_plan.blocks):
            indices = None if mask is None else np.flatnonzero(mask[unit : unit + block.width])
            unit += block.width
            if indices is not None and indices.size < block.width:
                block.picks = torch.from_numpy(indices)
            count = block.width if indices is None else indices.size
            block.start, block.stop = column, column + count
            column += count
            if not count:
                module_plan.blocks.remove(block)
