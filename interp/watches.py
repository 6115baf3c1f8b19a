"""Watches of the engine that record: into the matrix, or kept until its rows are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.layout import Axis
from interp.plan import Block
from interp.recurrence import Watch
from interp.tokens import Tokens

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
        turns = self.kept.setdefault((width, like.dtype, like.device), [])
        spare = turns.pop() if len(turns) > 1 else None
        if spare is None or spare.shape[0] < rows:
            spare = like.new_empty(rows, width)
        turns.insert(0, spare)
        return spare[:rows]


class RowWatch(Watch):
    """Writes the steps of a block into the rows of their tokens.

    The engine works in a sheet that has all quantities of a block and stays near the processor; the sheet then goes
    into the matrix at once. So the matrix is written once and never read, and where a row lies in memory changes no
    bit.

    Parameters
    ----------
    blocks : list of Block
        Of one module, layer and direction; none where nothing of it is kept.
    rows : Tensor (row, unit)
        To be filled.
    axis : Axis
        Of the call.
    tokens : Tokens
        Which rows the steps have.
    sheets : Sheets
        Where the sheets come from.
    """

    def __init__(self, blocks: list[Block], rows: Tensor, axis: Axis, tokens: Tokens, sheets: Sheets) -> None:
        self.blocks, self.axis, self.picks = blocks, axis, picks_of(blocks)
        self.names = {block.quantity for block in blocks}
        self.matrix = rows[:, blocks[0].start : blocks[-1].stop] if blocks else rows[:, :0]
        self.even = axis.even and tokens.whole and axis.steps == tokens.table.shape[1]
        self.targets = None if self.even or not blocks else targets(axis, tokens)
        self.sheets, self.sheet = sheets, rows
        self.low = self.high = self.at = 0
        self.columns: dict[str, Tensor] = {}
        self.places: dict[str, tuple[Tensor, ...]] = {}

    def block(self, low: int, high: int) -> None:  # noqa: D102
        self.flush()
        self.low, self.high = low, high

    def begin(self, step: int, samples: int) -> None:  # noqa: ARG002, D102
        self.at = step - self.low

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:  # noqa: D102
        if quantity not in self.names:
            return computed(function, *args)
        if not self.columns:
            self.spread(args[0] if args else function)
        place = self.columns[quantity] if self.at < 0 else self.places[quantity][self.at]
        return computed(function, *args, out=place) if args else place.copy_(function)

    def whole(self, low: int, high: int) -> None:
        """Be told that all rows of the steps ``low`` to ``high`` come at once."""
        self.block(low, high)
        self.at = -1

    def place(self, quantity: str, like: Tensor) -> Tensor:
        """Return where the values of a quantity go in all rows of the block; a new tensor where it is not kept."""
        if quantity not in self.names:
            return torch.empty_like(like)
        if not self.columns:
            self.spread(like)
        return self.columns[quantity]

    def spread(self, like: Tensor) -> None:
        """Lay out a sheet for the block."""
        rows = self.axis.starts[self.high] - self.axis.starts[self.low]
        widths = [block.width for block in self.blocks]
        self.sheet = self.sheets.next(rows, sum(widths), like)
        columns = torch.split(self.sheet, widths, 1)
        self.columns = {block.quantity: column for block, column in zip(self.blocks, columns, strict=True)}
        sizes = list(self.axis.sizes[self.low : self.high])
        self.places = {name: torch.split(column, sizes) for name, column in self.columns.items()}

    def flush(self) -> None:
        """Write the sheet into its rows."""
        if not self.columns:
            return
        self.columns = {}
        start, stop = self.axis.starts[self.low], self.axis.starts[self.high]
        values = self.sheet if self.picks is None else self.sheet[:, self.picks]
        if self.even:
            cube = self.matrix.view(self.axis.samples, self.axis.steps, -1)
            cube[:, self.low : self.high] = values.view(self.high - self.low, self.axis.samples, -1).transpose(0, 1)
        elif self.targets is not None:
            rows = self.targets[start:stop]
            chosen = torch.nonzero(rows >= 0)[:, 0]
            if chosen.numel() < rows.numel():
                rows, values = rows[chosen], values[chosen.to(values.device)]
            self.matrix.index_copy_(0, rows, values.to(self.matrix))

    def end(self) -> None:  # noqa: D102
        self.flush()


def computed(function: Any, *args: Tensor, out: Tensor | None = None) -> Tensor:
    """Return ``function(*args)``, or a value that is there already.

    numpy's tanh is as exact as torch's and several times faster on a processor; only used where no gradient is needed.
    """
    if not args:
        return function  # type: ignore[no-any-return]
    if function is torch.tanh and args[0].dtype in FAST and args[0].device.type == "cpu":
        values = np.tanh(args[0].numpy(), out=None if out is None else out.numpy())
        return torch.from_numpy(values) if out is None else out
    return function(*args) if out is None else function(*args, out=out)  # type: ignore[no-any-return]


def targets(axis: Axis, tokens: Tokens) -> Tensor:
    """Return the row of the matrix for each packed row of a call, -1 where it is not kept."""
    table = tokens.table if axis.order is None else tokens.table[axis.order.cpu()]
    found = torch.full((axis.steps, axis.samples), -1)
    steps = min(axis.steps, table.shape[1])
    found[:steps] = table[:, :steps].t()
    alive = torch.tensor(axis.sizes)[:, None] > torch.arange(axis.samples)[None]
    return found[alive]


def picks_of(blocks: list[Block]) -> Tensor | None:
    """Return which columns of some blocks side by side are kept, or None for all."""
    if all(block.picks is None for block in blocks):
        return None
    found, column = [], 0
    for block in blocks:
        found.append(column + (torch.arange(block.width) if block.picks is None else block.picks))
        column += block.width
    return torch.cat(found)
