"""Watches of the engine that record: into the matrix, or kept until its rows are known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from interp.layout import Axis
from interp.plan import Block
from interp.recurrence import Watch
from interp.tokens import Tokens


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


class RowWatch(Watch):
    """Writes the rows of one step, or of several, into the rows of their tokens.

    The engine works in a small sheet of all quantities, which stays near the processor, and the sheet goes into the
    matrix at once. So the matrix is written once and never read, and where a row lies in memory changes no bit.
    There are two sheets in turns: a step may read what the last one wrote.

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
    """

    def __init__(self, blocks: list[Block], rows: Tensor, axis: Axis, tokens: Tokens) -> None:
        self.blocks, self.axis, self.picks = blocks, axis, picks_of(blocks)
        self.matrix = rows[:, blocks[0].start : blocks[-1].stop] if blocks else rows[:, :0]
        self.even = axis.even and tokens.whole and axis.steps == tokens.table.shape[1]
        self.cube = self.matrix.view(axis.samples, axis.steps, -1) if self.even else None
        self.targets = None if self.even or not blocks else targets(axis, tokens)
        self.names = {block.quantity for block in blocks}
        self.sheets: list[tuple[Tensor, dict[str, Tensor]]] = []
        self.start = self.stop = self.low = self.high = 0
        self.full = False

    def begin(self, step: int, samples: int) -> None:  # noqa: D102
        start = self.axis.starts[step]
        self.span(start, start + samples, step, step + 1)

    def span(self, start: int, stop: int, low: int, high: int) -> None:
        """Be told which packed rows come: ``start`` to ``stop``, of steps ``low`` to ``high``."""
        self.flush()
        self.start, self.stop, self.low, self.high = start, stop, low, high
        self.sheets.reverse()

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:  # noqa: D102
        if not self.wants(quantity):
            return function(*args) if callable(function) else function  # type: ignore[no-any-return]
        place = self.place(quantity, args[0] if args else function)
        return function(*args, out=place) if args else place.copy_(function)

    def wants(self, quantity: str) -> bool:
        """Return whether a quantity is kept."""
        return quantity in self.names

    def place(self, quantity: str, like: Tensor) -> Tensor:
        """Return where the values of a quantity go, ``(row, width)``; a new tensor where it is not kept."""
        if not self.wants(quantity):
            return like.new_empty(like.shape)
        count = self.stop - self.start
        if not self.sheets or self.sheets[0][0].shape[0] < count:
            self.sheets = [self.sheet(count, like) for _ in range(2)]
        self.full = True
        found = self.sheets[0][1][quantity]
        return found if found.shape[0] == count else found[:count]

    def sheet(self, count: int, like: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return a sheet and its columns by quantity."""
        sheet = like.new_empty(count, sum(block.width for block in self.blocks))
        columns = torch.split(sheet, [block.width for block in self.blocks], 1)
        return sheet, {block.quantity: column for block, column in zip(self.blocks, columns, strict=True)}

    def flush(self) -> None:
        """Write the sheet into its rows."""
        if not self.full:
            return
        self.full = False
        values = self.sheets[0][0][: self.stop - self.start]
        values = values if self.picks is None else values[:, self.picks]
        if self.cube is not None:
            steps = values.view(self.high - self.low, self.axis.samples, -1)
            self.cube[:, self.low : self.high] = steps.transpose(0, 1)
        elif self.targets is not None:
            rows = self.targets[self.start : self.stop]
            chosen = torch.nonzero(rows >= 0)[:, 0]
            if chosen.numel() < rows.numel():
                rows, values = rows[chosen], values[chosen.to(values.device)]
            self.matrix.index_copy_(0, rows, values.to(self.matrix))

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


def picks_of(blocks: list[Block]) -> Tensor | None:
    """Return which columns of some blocks side by side are kept, or None for all."""
    if all(block.picks is None for block in blocks):
        return None
    found, column = [], 0
    for block in blocks:
        found.append(column + (torch.arange(block.width) if block.picks is None else block.picks))
        column += block.width
    return torch.cat(found)
