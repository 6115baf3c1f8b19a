"""The engine's second way, for small batches: the fused module runs, and its gates are worked out afterwards.

Stepping calls some ten small operations a step, which for a few samples cost more than the arithmetic. Here torch's
fused kernel gives ``h`` of every step; then the adapter's own `step` runs once over many rows, from ``x_t`` and
``h_{t-1}``, and only ``c`` is added up step by step. Nothing is inverted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from interp.capturing.layout import Axis, State, read_input, read_state, write_output, write_state
from interp.recurrence import Lane

if TYPE_CHECKING:
    from interp.capturing.watches import RowWatch
    from interp.contracts import Adapter

SMALL = 24  # samples up to which this way is taken; a first guess: bench_capture.py measures what it costs
ROWS = 1 << 12  # rows that are worked out at once: their values stay near the processor
CHECKED = 16
DTYPES = (torch.float32, torch.float64)  # half precision would round h before it is read again
Close = Callable[[Tensor, Tensor], None]


@runtime_checkable
class Replayable(Protocol):
    """What an adapter needs besides `Adapter` to be run this way."""

    def fused(self, module: torch.nn.Module, layer: int, rows: Tensor, sizes: Tensor | None, state: State) -> Any:
        """Run one layer: rows (packed, with sizes) or (step, sample, feature) to output and final state."""

    def carried(self, gates: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return ``(keep, add)``: the part of the state that is not the output becomes ``keep * before + add``."""


def suits(adapter: Adapter, module: torch.nn.Module, data: Any, wanted: set[str]) -> bool:
    """Return whether a call is better run this way, given the quantities that are wanted."""
    tensor = data.data if isinstance(data, PackedSequence) else data
    if not (isinstance(adapter, Replayable) and isinstance(module, torch.nn.RNNBase)):
        return False
    if tensor.dtype not in DTYPES or tensor.device.type != "cpu":
        return False
    if wanted <= {adapter.state[0]}:  # nothing to work out
        return True
    if isinstance(data, PackedSequence):
        return int(data.batch_sizes[0]) <= SMALL
    samples = 1 if data.dim() == 2 else int(data.shape[0 if module.batch_first else 1])
    return samples <= SMALL


def replay(
    adapter: Any, module: torch.nn.Module, data: Any, state: Any, watcher: Callable[..., Any], close: Close | None
) -> tuple[Any, Any]:
    """Do what `run` does, by the fused kernel; only for recording, since edits come too late.

    Parameters
    ----------
    adapter, module, data, state, watcher
        As of `run`; the adapter is `Replayable`.
    close : callable, optional
        ``close(got, wanted)`` compares what the gates give with what the kernel gave, on at most 16 samples.
    """
    rows, axis = read_input(module, data)
    initial = read_state(adapter, module, state, axis, rows)
    directions = adapter.directions(module)
    finals: list[State] = []
    for layer in range(adapter.layers(module)):
        first = initial[layer * len(directions) : (layer + 1) * len(directions)]
        output, final = run_fused(adapter, module, layer, rows, axis, first)
        finals += final
        for side, direction in enumerate(directions):
            lane = Lane(adapter, adapter.weights(module, layer, direction), rows, axis, direction == "backward")
            watch = watcher(layer, direction, axis)
            Worked(lane, watch, first[side], close).out(output.chunk(len(directions), 1)[side])
        rows = output
    return write_output(module, data, rows, axis), write_state(finals, axis)


def run_fused(
    adapter: Replayable, module: torch.nn.Module, layer: int, rows: Tensor, axis: Axis, first: Sequence[State]
) -> tuple[Tensor, list[State]]:
    """Run one layer in the fused kernel; return its output rows and the final state of each direction."""
    state = tuple(torch.stack(list(part)) for part in zip(*first, strict=True))
    if axis.sizes[-1] == axis.samples:
        output, *final = adapter.fused(module, layer, rows.view(axis.steps, axis.samples, -1), None, state)
    else:
        output, *final = adapter.fused(module, layer, rows, torch.tensor(axis.sizes), state)
    return output.reshape(rows.shape[0], -1), list(zip(*(part.unbind(0) for part in final), strict=True))


class Worked:
    """Works out the quantities of one layer and direction, block by block; a `Tap` for the adapter's `step`."""

    def __init__(self, lane: Lane, watch: RowWatch, first: State, close: Close | None) -> None:
        self.lane, self.watch, self.first, self.close = lane, watch, first, close
        self.adapter: Any = lane.adapter
        self.outer, self.inner = (*lane.adapter.state, "")[:2]
        self.carried = first[-1]
        self.gates: dict[str, Tensor] = {}
        self.low, self.sizes = 0, list[int]()
        self.h = first[0]
        self.checked: Tensor | None = None

    def out(self, h: Tensor) -> None:
        """Hand the quantities of all rows to the watch, given the outputs ``(row, size)``."""
        axis, idle = self.lane.axis, self.watch.names <= {self.outer}
        earlier = h if idle else before(h, self.first[0], axis, self.lane.backward)
        for low, high in self.lane.blocks(ROWS):
            start, stop = axis.starts[low], axis.starts[high]
            self.sizes, self.h = [stop - start], h[start:stop]
            self.watch.whole(low, high)
            if idle:
                self.watch(self.outer, self.h)
                continue
            self.low, self.sizes = low, list(axis.sizes[low:high])
            self.checked = some(self.sizes) if self.close is not None else None
            state = (earlier[start:stop], *(part[:1] for part in self.first[1:]))  # the rest is made on the way
            self.adapter.step(self.lane.weights, self.lane.inputs(low, high), state, self)
        self.watch.end()

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:
        """Take a quantity of all rows of the block."""
        if quantity == self.inner + "_prev":  # comes with the scan
            return function  # type: ignore[no-any-return]
        if quantity == self.inner:
            return self.scanned()
        if quantity == self.outer:
            if self.close is not None:
                value = function(*args) if args else function
                self.close(value[self.checked], self.h[self.checked])
            return self.watch(quantity, self.h)
        self.gates[quantity] = self.watch(quantity, function, *args)
        return self.gates[quantity]

    def scanned(self) -> Tensor:
        """Return ``c`` of all rows of the block, and hand it on with ``c_prev``."""
        from interp.kernels import scan

        keep, add = self.adapter.carried(self.gates)
        low, backward = self.low, self.lane.backward
        starts = np.array(self.lane.axis.starts[low : low + len(self.sizes) + 1]) - self.lane.axis.starts[low]
        whole = self.watch.place(self.inner, keep)
        earlier = torch.empty_like(add)
        begin, now = self.first[1].numpy(), self.carried.numpy()
        after = scan(keep.numpy(), add.numpy(), begin, now, starts, backward, earlier.numpy(), whole.numpy())
        self.carried = torch.from_numpy(after)
        if self.inner + "_prev" in self.watch.names:
            self.watch(self.inner + "_prev", earlier)
        return whole


def some(sizes: list[int]) -> Tensor:
    """Return the rows of the first samples in a block of steps; the longest is the first."""
    return torch.nonzero(torch.cat([torch.arange(size) for size in sizes]) < CHECKED)[:, 0]


def before(h: Tensor, first: Tensor, axis: Axis, backward: bool) -> Tensor:
    """Return the output of the step before, for each row; that of the first step is the initial state."""
    if axis.sizes[-1] == axis.samples:
        return torch.cat([h[axis.samples :], first] if backward else [first, h[: -axis.samples]])
    sizes = torch.tensor(axis.sizes)
    if not backward:  # row r of step t follows the row of its sample in step t - 1
        index = torch.arange(axis.samples, h.shape[0]) - sizes[:-1].repeat_interleave(sizes[1:])
        return torch.cat([first, h[index]])
    place = torch.cat([torch.arange(size) for size in axis.sizes])
    after = torch.cat([sizes[1:], sizes.new_zeros(1)]).repeat_interleave(sizes)
    index = torch.arange(h.shape[0]) + sizes.repeat_interleave(sizes)
    goes_on = place < after
    return torch.where(goes_on[:, None], h[index.clamp(max=h.shape[0] - 1)], first[place])
