"""Recorders: observers of the engine that write into the matrix, or into buffers until its rows are known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import accumulate
from threading import get_ident
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.activations.plan import ColumnBlock, kept_indices
from interp.activations.tokens import TokenIndex
from interp.errors import OptionError
from interp.recurrence.adapter import OutputBuffer
from interp.recurrence.engine import StepObserver
from interp.recurrence.sequences import SequenceLayout

NUMPY_DTYPES = (torch.float32, torch.float64)


class BufferRecorder(StepObserver):
    """Recorder that buffers the values of every step, for calls whose rows are known only after the forward."""

    def __init__(self, blocks: list[ColumnBlock]) -> None:
        self.values: dict[str, list[Tensor]] = {block.quantity: [] for block in blocks}
        self.steps: list[int] = []

    def on_step(self, step: int, samples: int) -> None:  # noqa: ARG002, D102
        self.steps.append(step)

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:  # noqa: D102
        value: Tensor = function(*args) if callable(function) else function
        if quantity in self.values:
            self.values[quantity].append(value.clone())
        return value

    def concatenated(self, quantity: str) -> Tensor:
        """Return the values ``(row, width)`` in the order of the steps."""
        values = self.values[quantity]
        order = sorted(range(len(values)), key=self.steps.__getitem__)
        return torch.cat([values[i] for i in order])


class ScratchBuffers:
    """Double-buffered scratch space, reused between calls: a step may still read the buffer of the previous step."""

    def __init__(self) -> None:
        self.buffers: dict[tuple[Any, ...], list[Tensor]] = {}

    def next_buffer(self, rows: int, width: int, like: Tensor) -> Tensor:
        """Return a buffer ``(rows, width)`` other than that of the previous call."""
        buffers = self.buffers.setdefault((get_ident(), width, like.dtype, like.device), [])
        buffer = buffers.pop() if len(buffers) > 1 else None
        if buffer is None or buffer.shape[0] < rows:
            buffer = like.new_empty(rows, width)
        buffers.insert(0, buffer)
        return buffer[:rows]


class MatrixRecorder(StepObserver):
    """Recorder that writes the steps of a block into the rows of their tokens.

    If all quantities are recorded, a compiled loop writes directly into the matrix. Otherwise the engine works in a
    scratch buffer that holds all quantities of a block and stays in the processor's cache; the recorded columns are
    then copied into the matrix together. So the matrix is written once and never read, and the values do not depend on
    the memory address of a row or on the other quantities recorded.

    Parameters
    ----------
    blocks : list of ColumnBlock
        Blocks of one module, layer and direction; empty if none is recorded.
    sizes : mapping
        Width of every quantity of the module.
    rows : Tensor (row, unit)
        Rows to fill.
    axis : SequenceLayout
        Time axis of the call.
    tokens : TokenIndex
        Tokens of the samples, with their rows.
    scratch : ScratchBuffers
        Source of scratch buffers.
    """

    def __init__(
        self,
        blocks: list[ColumnBlock],
        sizes: Mapping[str, int],
        rows: Tensor,
        axis: SequenceLayout,
        tokens: TokenIndex,
        scratch: ScratchBuffers,
    ) -> None:
        names = {block.quantity for block in blocks}
        self.quantities = tuple(sizes)
        self.sizes = {name: size for name, size in sizes.items() if name in names or name != "c_prev"}
        self.axis, self.scratch, self.rows, self.buffer = axis, scratch, rows, rows
        self.columns = recorded_columns(blocks, self.sizes)
        self.first_column, self.stop_column = (blocks[0].start, blocks[-1].stop) if blocks else (0, 0)
        self.records_all = names == set(self.sizes) and all(block.selected is None for block in blocks)
        self.row_index = row_targets(axis, tokens) if blocks else None
        self.low = self.high = self.step = 0
        self.use_numpy_tanh = False  # as accurate as torch's and several times faster on a CPU
        self.has_buffer = False
        self.step_views: dict[str, tuple[Tensor, ...]] = {}

    def on_block(self, low: int, high: int) -> None:  # noqa: D102
        self.flush()
        self.low, self.high = low, high

    def on_step(self, step: int, samples: int) -> None:  # noqa: ARG002, D102
        self.step = step - self.low

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:  # noqa: D102
        steps = self.step_views.get(quantity)
        if steps is None or not args:
            return self._compute_or_copy(quantity, function, *args)
        target = steps[self.step]
        if function is torch.tanh and self.use_numpy_tanh:
            np.tanh(args[0].numpy(), out=target.numpy())
            return target
        return function(*args, out=target)  # type: ignore[no-any-return]

    def _compute_or_copy(self, quantity: str, function: Any, *args: Tensor) -> Tensor:
        """Process a value that is not recorded, is computed already, or is the first one of a block."""
        if quantity in self.sizes:
            if not self.has_buffer:
                self.allocate_block(args[0] if args else function)
                self.split_block()
                return self(quantity, function, *args)
            return self.step_views[quantity][self.step].copy_(function)
        if function is torch.tanh and self.use_numpy_tanh:
            return torch.from_numpy(np.tanh(args[0].numpy()))
        return function(*args) if args else function  # type: ignore[no-any-return]

    def output_buffer(self, like: Tensor) -> OutputBuffer:
        """Return the buffer of a compiled loop: the matrix if all quantities are recorded, else a scratch buffer."""
        start, stop = self.axis.starts[self.low], self.axis.starts[self.high]
        if self.records_all and self.row_index is not None and self.rows.dtype == like.dtype:
            return OutputBuffer(
                self.rows.numpy(), self.row_index[start:stop].numpy(), self.first_columns(self.first_column)
            )
        self.allocate_block(like)
        return OutputBuffer(self.buffer.numpy(), np.arange(stop - start), self.first_columns(0))

    def first_columns(self, first: int) -> np.ndarray:
        """Return the first column of each quantity, given that of the first one; -1 for quantities without columns."""
        columns = dict(zip(self.sizes, accumulate(self.sizes.values(), initial=first), strict=False))
        return np.array([columns.get(name, -1) for name in self.quantities])

    def allocate_block(self, like: Tensor) -> None:
        """Allocate the scratch buffer of the block."""
        rows, widths = self.axis.starts[self.high] - self.axis.starts[self.low], list(self.sizes.values())
        self.buffer = self.scratch.next_buffer(rows, sum(widths), like)
        self.has_buffer = True

    def split_block(self) -> None:
        """Split the scratch buffer into views, one per quantity and step."""
        self.use_numpy_tanh = self.buffer.dtype in NUMPY_DTYPES and self.buffer.device.type == "cpu"
        sizes = list(self.axis.batch_sizes[self.low : self.high])
        columns = torch.split(self.buffer, list(self.sizes.values()), 1)
        self.step_views = {name: torch.split(part, sizes) for name, part in zip(self.sizes, columns, strict=True)}

    def flush(self) -> None:
        """Copy the scratch buffer into the matrix."""
        if not self.has_buffer:
            return
        self.has_buffer, self.step_views = False, {}
        start, stop = self.axis.starts[self.low], self.axis.starts[self.high]
        values = self.buffer[:, self.columns]
        if self.row_index is not None:
            rows = self.row_index[start:stop]
            selected = torch.nonzero(rows >= 0)[:, 0]
            if selected.numel() < rows.numel():
                rows, values = rows[selected], values[selected.to(values.device)]
            self.rows[:, self.first_column : self.stop_column].index_copy_(0, rows, values.to(self.rows))

    def on_end(self) -> None:  # noqa: D102
        self.flush()


def row_targets(axis: SequenceLayout, tokens: TokenIndex) -> Tensor:
    """Return the row of the matrix for each packed row of a call, -1 if its token is not selected."""
    table = tokens.row_table if axis.order is None else tokens.row_table[axis.order.cpu()]
    rows = torch.full((axis.steps, axis.samples), -1)
    steps = min(axis.steps, table.shape[1])
    rows[:steps] = table[:, :steps].t()
    running = torch.tensor(axis.batch_sizes)[:, None] > torch.arange(axis.samples)[None]
    return rows[running]


def recorded_columns(blocks: list[ColumnBlock], sizes: Mapping[str, int]) -> Tensor | slice:
    """Return the recorded columns of a scratch buffer that holds quantities of these sizes."""
    starts, column = {}, 0
    for name, size in sizes.items():
        starts[name], column = column, column + size
    columns = [starts[block.quantity] + index for block in blocks for index in kept_indices(block)]
    if columns == list(range(columns[0] if columns else 0, columns[-1] + 1 if columns else 0)):
        return slice(columns[0], columns[-1] + 1) if columns else slice(0, 0)
    return torch.tensor(columns)


DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16}


class RowBuffer:
    """Buffer whose rows are reserved block by block.

    The memory is allocated by numpy, which requests huge pages: first-touch page faults are a large part of the cost of
    a capture. Untouched memory costs nothing, so if the number of rows is unknown, address space for many rows is
    allocated and the unused part is released at the end. Growing beyond it works, but writes zeros first.

    Parameters
    ----------
    width : int
        Number of columns.
    dtype : str
        ``float32``, ``float64`` or ``float16``.
    rows : int, optional
        Initial number of rows, if known.
    """

    def __init__(self, width: int, dtype: str = "float32", rows: int | None = None) -> None:
        self.width, self.n_rows, self.dtype = width, 0, check_dtype(dtype)
        self.values = self._empty(rows_in_quarter_memory(width * self.dtype.itemsize) if rows is None else rows)

    def _empty(self, rows: int) -> np.ndarray:
        try:
            return np.empty((rows, self.width), dtype=self.dtype)
        except MemoryError:  # a system that counts untouched memory as used
            return np.empty((0, self.width), dtype=self.dtype)

    def reserve(self, rows: int) -> Tensor:
        """Return the next rows ``(rows, width)`` to fill; references to earlier rows become invalid."""
        start, self.n_rows = self.n_rows, self.n_rows + rows
        if self.n_rows > len(self.values):
            self.values.resize((max(self.n_rows, len(self.values) * 33 // 32), self.width), refcheck=False)
        return torch.from_numpy(self.values[start : self.n_rows])

    def finish(self) -> np.ndarray:
        """Release the unused memory and return the reserved rows."""
        if self.n_rows < len(self.values):
            self.values.resize((self.n_rows, self.width), refcheck=False)
        return self.values


def check_dtype(name: str) -> np.dtype[Any]:
    """Return the numpy dtype of a name, or raise `OptionError` if a capture can't have it."""
    if name not in DTYPES:
        raise OptionError(f"dtype= must be one of {', '.join(DTYPES)}; got {name!r}.")
    return np.dtype(DTYPES[name])


def rows_in_quarter_memory(row_bytes: int) -> int:
    """Return the number of rows of ``row_bytes`` bytes that fill a quarter of the machine's memory; 0 if unknown."""
    if not hasattr(os, "sysconf"):
        return 0
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 // max(1, row_bytes))
