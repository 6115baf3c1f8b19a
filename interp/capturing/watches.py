"""Watches of the engine that record: into the matrix, or kept until its rows are known."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from threading import get_ident
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.capturing.layout import Axis
from interp.capturing.plan import Block, kept
from interp.capturing.tokens import Tokens
from interp.recurrence import Watch
from interp.sweeps import Place

FAST = (torch.float32, torch.float64)


class LooseWatch(Watch):
    """Keeps the values of every step, for calls whose rows are known only when the forward is done."""

    def __init__(self, blocks: list[Block]) -> None:
        self.kept: dict[str, list[Tensor]] = {block.quantity: [] for block in blocks}
        self.steps: list[int] = []

    def begin(self, step: int, samples: int) -> None:  # noqa: ARG002, D102
        self.steps.append(step)

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:  # noqa: D102
        value: Tensor = function(*args) if callable(function) else function
        if quantity in self.kept:
            self.kept[quantity].append(value.clone())
        return value

    def joined(self, quantity: str) -> Tensor:
        """Return the values in the order of the steps: ``(row, width)``."""
        values = self.kept[quantity]
        order = sorted(range(len(values)), key=self.steps.__getitem__)
        return torch.cat([values[i] for i in order])


class Sheets:
    """Gives two sheets of a width in turns, since a step may read what the last one wrote; kept from call to call."""

    def __init__(self) -> None:
        self.kept: dict[tuple[Any, ...], list[Tensor]] = {}

    def next(self, rows: int, width: int, like: Tensor) -> Tensor:
        """Return a sheet ``(rows, width)`` that is not the last one."""
        turns = self.kept.setdefault((get_ident(), width, like.dtype, like.device), [])
        spare = turns.pop() if len(turns) > 1 else None
        if spare is None or spare.shape[0] < rows:
            spare = like.new_empty(rows, width)
        turns.insert(0, spare)
        return spare[:rows]


class RowWatch(Watch):
    """Writes the steps of a block into the rows of their tokens.

    A compiled loop writes straight into the matrix where all quantities are kept. Else the engine works in a sheet that
    has all quantities of a block and stays near the processor; what is kept of the sheet then goes into the matrix at
    once. So the matrix is written once and never read, and neither where a row lies in memory nor what else is kept
    changes a bit.

    Parameters
    ----------
    blocks : list of Block
        Of one module, layer and direction; none where nothing of it is kept.
    sizes : mapping
        The width of every quantity of the module.
    rows : Tensor (row, unit)
        To be filled.
    axis : Axis
        Of the call.
    tokens : Tokens
        Which rows the steps have.
    sheets : Sheets
        Where the sheets come from.
    """

    def __init__(
        self, blocks: list[Block], sizes: Mapping[str, int], rows: Tensor, axis: Axis, tokens: Tokens, sheets: Sheets
    ) -> None:
        names = {block.quantity for block in blocks}
        self.all = tuple(sizes)
        self.sizes = {name: size for name, size in sizes.items() if name in names or name != "c_prev"}
        self.axis, self.sheets, self.rows, self.values = axis, sheets, rows, rows
        self.picks = picks_of(blocks, self.sizes)
        self.left, self.right = (blocks[0].start, blocks[-1].stop) if blocks else (0, 0)
        self.whole = names == set(self.sizes) and all(block.picks is None for block in blocks)
        self.targets = targets(axis, tokens) if blocks else None
        self.low = self.high = self.at = 0
        self.quick = False  # numpy's tanh is as exact as torch's and several times faster on a processor
        self.filled = False
        self.places: dict[str, tuple[Tensor, ...]] = {}

    def block(self, low: int, high: int) -> None:  # noqa: D102
        self.flush()
        self.low, self.high = low, high

    def begin(self, step: int, samples: int) -> None:  # noqa: ARG002, D102
        self.at = step - self.low

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:  # noqa: D102
        places = self.places.get(quantity)
        if places is None or not args:
            return self._other(quantity, function, *args)
        place = places[self.at]
        if function is torch.tanh and self.quick:
            np.tanh(args[0].numpy(), out=place.numpy())
            return place
        return function(*args, out=place)  # type: ignore[no-any-return]

    def _other(self, quantity: str, function: Any, *args: Tensor) -> Tensor:
        """Take what is not kept, what is there already, and the first value of a block."""
        if quantity in self.sizes:
            if not self.filled:
                self.spread(args[0] if args else function)
                self.divide()
                return self(quantity, function, *args)
            return self.places[quantity][self.at].copy_(function)
        if function is torch.tanh and self.quick:
            return torch.from_numpy(np.tanh(args[0].numpy()))
        return function(*args) if args else function  # type: ignore[no-any-return]

    def place(self, like: Tensor) -> Place:
        """Return where a compiled loop writes: the matrix itself where all is kept, else a sheet."""
        start, stop = self.axis.starts[self.low], self.axis.starts[self.high]
        if self.whole and self.targets is not None and self.rows.dtype == like.dtype:
            return Place(self.rows.numpy(), self.targets[start:stop].numpy(), self.begins(self.left))
        self.spread(like)
        return Place(self.values.numpy(), np.arange(stop - start), self.begins(0))

    def begins(self, first: int) -> np.ndarray:
        """Return the columns at which all quantities begin, given that of the first; -1 for those without one."""
        at = dict(zip(self.sizes, accumulate(self.sizes.values(), initial=first), strict=False))
        return np.array([at.get(name, -1) for name in self.all])

    def spread(self, like: Tensor) -> None:
        """Lay out a sheet for the block."""
        rows, widths = self.axis.starts[self.high] - self.axis.starts[self.low], list(self.sizes.values())
        self.values = self.sheets.next(rows, sum(widths), like)
        self.filled = True

    def divide(self) -> None:
        """Divide the sheet into steps."""
        self.quick = self.values.dtype in FAST and self.values.device.type == "cpu"
        sizes = list(self.axis.sizes[self.low : self.high])
        columns = torch.split(self.values, list(self.sizes.values()), 1)
        self.places = {name: torch.split(part, sizes) for name, part in zip(self.sizes, columns, strict=True)}

    def flush(self) -> None:
        """Write the sheet into its rows."""
        if not self.filled:
            return
        self.filled, self.places = False, {}
        start, stop = self.axis.starts[self.low], self.axis.starts[self.high]
        values = self.values[:, self.picks]
        if self.targets is not None:
            rows = self.targets[start:stop]
            chosen = torch.nonzero(rows >= 0)[:, 0]
            if chosen.numel() < rows.numel():
                rows, values = rows[chosen], values[chosen.to(values.device)]
            self.rows[:, self.left : self.right].index_copy_(0, rows, values.to(self.rows))

    def end(self) -> None:  # noqa: D102
        self.flush()


def targets(axis: Axis, tokens: Tokens) -> Tensor:
    """Return the row of the matrix for each packed row of a call, -1 where it is not kept."""
    table = tokens.table if axis.order is None else tokens.table[axis.order.cpu()]
    found = torch.full((axis.steps, axis.samples), -1)
    steps = min(axis.steps, table.shape[1])
    found[:steps] = table[:, :steps].t()
    alive = torch.tensor(axis.sizes)[:, None] > torch.arange(axis.samples)[None]
    return found[alive]


def picks_of(blocks: list[Block], sizes: Mapping[str, int]) -> Tensor | slice:
    """Return which columns of a sheet with quantities of these sizes are kept."""
    starts, column = {}, 0
    for name, size in sizes.items():
        starts[name], column = column, column + size
    found = [starts[block.quantity] + index for block in blocks for index in kept(block)]
    if found == list(range(found[0] if found else 0, found[-1] + 1 if found else 0)):
        return slice(found[0], found[-1] + 1) if found else slice(0, 0)
    return torch.tensor(found)
