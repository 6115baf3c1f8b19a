"""The engine's second way, for small batches: the fused module runs, and its gates are worked out afterwards.

Stepping calls some ten small operations a step, which for a few samples cost more than the arithmetic. Here torch's
fused kernel gives ``h`` of every step; then the adapter's own `step` runs once over many rows, from ``x_t`` and
``h_{t-1}``, and only ``c`` is added up step by step. Nothing is inverted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from interp.layout import Axis, State, read_input, read_state, write_output, write_state

if TYPE_CHECKING:
    from interp.contracts import Adapter
    from interp.watches import RowWatch

SMALL = 24  # samples up to which this way is the faster one: tests/benchmarks/bench_capture.py
ROWS = 1 << 12  # rows that are worked out at once: their values stay near the processor
CHECKED = 16
DTYPES = (torch.float32, torch.float64)  # half precision would round h before it is read again
Close = Callable[[Tensor, Tensor], None]


@runtime_checkable
class Replayable(Protocol):
    """What an adapter needs besides `Adapter` to be run this way."""

    def fused(self, module: torch.nn.Module, layer: int, rows: Tensor, sizes: Tensor | None, state: State) -> Any:
        """Run one layer: rows (packed, with sizes) or (step, sample, feature) to output and final state."""

    feeds: tuple[str, ...]

    def carry(self, gates: Sequence[Tensor], before: Tensor, out: Tensor) -> None:
        """Write the part of the state that is not the output after one step, from its gates in `feeds`."""


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
            h = output.chunk(len(directions), 1)[side]
            weights = adapter.weights(module, layer, direction)
            watch = watcher(layer, direction, axis)
            if watch.names <= {adapter.state[0]}:
                watch.span(0, h.shape[0], 0, axis.steps)
                watch(adapter.state[0], h)
                watch.end()
            else:
                Worked(adapter, watch, axis, first[side], direction == "backward", close).out(weights, rows, h)
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
    """Works out the gates of one layer and direction, block by block; a `Tap` for the adapter's `step`."""

    def __init__(
        self, adapter: Any, watch: RowWatch, axis: Axis, first: State, backward: bool, close: Close | None
    ) -> None:
        self.adapter, self.watch, self.axis, self.first = adapter, watch, axis, first
        self.backward, self.close = backward, close
        self.inner = adapter.state[1] if len(first) > 1 else ""
        self.carried: Tensor | None = first[1] if len(first) > 1 else None
        self.gates: dict[str, Tensor] = {}
        self.sizes: Sequence[int] = ()
        self.h = first[0]
        self.checked: Tensor | None = None

    def out(self, weights: Any, rows: Tensor, h: Tensor) -> None:
        """Hand the quantities of all rows to the watch."""
        earlier = before(h, self.first[0], self.axis, self.backward)
        for low, high in self.blocks():
            start, stop = self.axis.starts[low], self.axis.starts[high]
            self.sizes, self.h = self.axis.sizes[low:high], h[start:stop]
            self.checked = self.some(low, high) if self.close is not None else None
            self.watch.span(start, stop, low, high)
            state = (earlier[start:stop], *(part[:1] for part in self.first[1:]))  # c is made on the way
            self.adapter.step(weights, self.adapter.project(weights, rows[start:stop]), state, self)
        self.watch.end()

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of steps, in the direction's order."""
        room = max(1, ROWS // self.axis.samples)
        starts = range(0, self.axis.steps, room)
        for low in reversed(starts) if self.backward else starts:
            yield low, min(self.axis.steps, low + room)

    def some(self, low: int, high: int) -> Tensor:
        """Return the rows of the first samples in a block; the longest is the first."""
        places = torch.cat([torch.arange(size) for size in self.axis.sizes[low:high]])
        return torch.nonzero(places < CHECKED)[:, 0]

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:
        """Take a quantity of all rows of the block."""
        if quantity == self.inner + "_prev":  # comes with the scan
            return function  # type: ignore[no-any-return]
        if quantity == self.inner:
            return self.scanned()
        if quantity == self.adapter.state[0]:
            if self.close is not None:
                value = function(*args) if args else function
                self.close(value[self.checked], self.h[self.checked])
            return self.watch(quantity, self.h)
        self.gates[quantity] = self.watch(quantity, function, *args)
        return self.gates[quantity]

    def scanned(self) -> Tensor:
        """Return ``c`` of all rows of the block, and hand it on with ``c_prev``."""
        c = self.carried
        assert c is not None  # noqa: S101 (there is a cell state)
        if self.close is None and not self.watch.names & {self.inner, self.inner + "_prev"}:
            return c[:1]
        gates = list(
            zip(*(torch.split(self.gates[name], list(self.sizes)) for name in self.adapter.feeds), strict=True)
        )
        whole = self.watch.place(self.inner, self.gates[self.adapter.feeds[0]])
        earlier, parts = [], torch.split(whole, list(self.sizes))
        for step in reversed(range(len(parts))) if self.backward else range(len(parts)):
            size, had = self.sizes[step], c.shape[0]
            c = torch.cat([c, self.first[1][had:size]]) if size > had else c[:size]
            earlier.append(c)
            self.adapter.carry(gates[step], c, parts[step])
            c = parts[step]
        self.carried = c.clone()
        if self.watch.wants(self.inner + "_prev"):
            self.watch(self.inner + "_prev", torch.cat(earlier[::-1] if self.backward else earlier))
        return whole


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
