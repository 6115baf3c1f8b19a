"""The one recurrence engine: runs a recurrent module step by step on its own weights, through an `Adapter`.

Capture, interventions and gate attributions all go through `run` and `run_cell`. They differ in the `Watch` that
they hand in, which sees every quantity of every step and may record it, write it elsewhere, or change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from interp.capturing.layout import Axis, State, check_width, read_input, read_state, write_output, write_state
from interp.capturing.outputs import Output, Side

if TYPE_CHECKING:
    from interp.contracts import Adapter
    from interp.sweeps import Place, Sweep

ROWS = 1 << 10  # rows of one block: enough for a good product of matrices, few enough to stay near the processor
COMPILED = (torch.float32, torch.float64)


class Watch:
    """Sees the quantities of one layer and direction during one call; this one lets all pass.

    Attributes
    ----------
    readers : Watch, optional
        A second watch whose edits only the readers of the output see: the step runs again under it, and its
        state is dropped.
    last : bool
        Of such a second watch: it edits nothing but the output itself, so the step need not run again.
    """

    readers: Watch | None = None
    last: bool = False

    def block(self, low: int, high: int) -> None:
        """Be told that the steps ``low`` to ``high`` come next, in the direction's order."""

    def place(self, like: Tensor) -> Place | None:  # noqa: ARG002
        """Return where a compiled loop writes the block; None, as here, has every step handed over one by one."""
        return None

    def begin(self, step: int, samples: int) -> None:
        """Be told which step comes, and how many samples (the first in the axis' order) it has."""

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:  # noqa: ARG002
        """Return the value of a quantity; see `Tap`."""
        return function(*args) if callable(function) else function  # type: ignore[no-any-return]

    def end(self) -> None:
        """Be told that the last step is done."""


Watcher = Callable[[int, str, Axis], Watch]


def run(adapter: Adapter, module: torch.nn.Module, data: Any, state: Any, watcher: Watcher) -> tuple[Any, Any]:
    """Do what ``module(data, state)`` does, under watch.

    Parameters
    ----------
    adapter : Adapter
        Knows the formula.
    module : Module
        A sequence module; its weights are read, nothing is changed.
    data : Tensor or PackedSequence
        As the module takes it: batched or not, ``batch_first`` or not.
    state : Tensor, tuple of Tensor, or None
        The initial state (layer x direction, sample, size); None is zeros.
    watcher : callable
        ``watcher(layer, direction, axis)`` gives the `Watch` of a layer and direction.

    Returns
    -------
    tuple
        ``(output, state)`` in the layout of the module.

    Raises
    ------
    CaptureError
        For inputs or states of another width or shape.
    """
    with few_threads(len(adapter.directions(module))) as apart:
        return _run(adapter, module, data, state, watcher, apart)


def _run(
    adapter: Adapter, module: torch.nn.Module, data: Any, state: Any, watcher: Watcher, apart: bool
) -> tuple[Any, Any]:
    rows, axis = read_input(module, data)
    initial = read_state(adapter, module, state, axis, rows)
    directions = adapter.directions(module)
    finals: list[State] = []
    for layer in range(adapter.layers(module)):
        if layer and module.training and getattr(module, "dropout", 0):
            rows = torch.nn.functional.dropout(rows, float(module.dropout))  # type: ignore[arg-type]
        output = Output(rows, adapter.sizes(module)[adapter.state[0]], len(directions))
        lanes = []
        for side, direction in enumerate(directions):
            lane = Lane(adapter, adapter.weights(module, layer, direction), rows, axis, direction == "backward")
            first = initial[layer * len(directions) + side]
            lanes.append(partial(lane.run, first, watcher(layer, direction, axis), Side(output, side)))
        finals += side_by_side(lanes) if apart and rows.device.type == "cpu" else [lane() for lane in lanes]
        rows = output.joined()
    return write_output(module, data, rows, axis), write_state(finals, axis)


@contextmanager
def few_threads(lanes: int) -> Iterator[bool]:
    """Leave each of some lanes its share of the threads; give whether they can run side by side.

    A thread of torch that has just helped with an operation waits for the next one in a loop of some milliseconds, and
    a lane would have to share its processor with it.
    """
    threads = torch.get_num_threads()
    if lanes < 2 or threads < 2 or torch.is_grad_enabled():
        yield False
        return
    torch.set_num_threads(max(1, threads // lanes))
    try:
        yield True
    finally:
        torch.set_num_threads(threads)


def side_by_side(lanes: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return the results of the directions of a layer, each run in a thread of its own.

    A step is too small a piece of work to be shared by processors, and a direction is not.
    """
    threads = torch.get_num_threads()

    def alone(lane: Callable[[], Any]) -> Any:
        torch.set_num_threads(threads)  # of this thread
        with torch.no_grad():
            return lane()

    with ThreadPoolExecutor(len(lanes)) as pool:
        return list(pool.map(alone, lanes))


@dataclass(frozen=True)
class Lane:
    """One layer in one direction of one call.

    Attributes
    ----------
    adapter, weights
        The formula and what it reads.
    rows : Tensor (row, feature)
        Inputs, step after step.
    axis : Axis
        How many rows each step has.
    backward : bool
        From each sample's last step to its first.
    """

    adapter: Adapter
    weights: Any
    rows: Tensor
    axis: Axis
    backward: bool = False

    def blocks(self, rows: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of steps of about so many rows, in the direction's order."""
        room = max(1, rows // self.axis.samples)
        starts = range(0, self.axis.steps, room)
        for low in reversed(starts) if self.backward else starts:
            yield low, min(self.axis.steps, low + room)

    def inputs(self, low: int, high: int) -> Tensor:
        """Return the projected inputs of the steps ``low`` to ``high``."""
        starts = self.axis.starts
        return self.adapter.project(self.weights, self.rows[starts[low] : starts[high]])

    def run(self, first: State, watch: Watch, side: Side) -> State:
        """Run all steps.

        Parameters
        ----------
        first : tuple of Tensor (sample, size)
            The state before the first step, in the order of the axis.
        watch : Watch
            Sees every quantity.
        side : Side
            Gets the outputs.

        Returns
        -------
        tuple of Tensor (sample, size)
            The state after the last step of each sample.
        """
        state, ended, starts = tuple(part.clone() for part in first), list[State](), self.axis.starts
        sweep = self.compiled()
        for low, high in self.blocks(ROWS):
            watch.block(low, high)
            inputs = self.inputs(low, high)
            place = None if sweep is None else watch.place(inputs)
            for start, stop in self.runs(low, high):
                state, left = fit(state, first, self.axis.sizes[start], self.backward)
                ended += left
                first_row, last_row = starts[start], starts[stop]
                here = slice(first_row - starts[low], last_row - starts[low])
                if sweep is None or place is None:
                    state = self.walk(range(start, stop), inputs[here], state, watch, side)
                else:
                    target = place.part(here, *side.array(slice(first_row, last_row)))
                    sweep(inputs[here], state, target, self.backward)
        final = [tuple(part.clone() for part in state), *reversed(ended)]
        watch.end()
        return tuple(torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*final, strict=True))

    def compiled(self) -> Sweep | None:
        """Return the adapter's compiled loop, where tensors are such that it can run."""
        if self.rows.device.type != "cpu" or self.rows.dtype not in COMPILED or torch.is_grad_enabled():
            return None
        return self.adapter.compiled(self.weights)

    def runs(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of steps that have the same number of samples, in the direction's order."""
        runs = [list(steps) for _, steps in groupby(range(low, high), self.axis.sizes.__getitem__)]
        yield from ((run[0], run[-1] + 1) for run in (reversed(runs) if self.backward else runs))

    def walk(self, steps: range, x: Tensor, state: State, watch: Watch, side: Side) -> State:
        """Run steps that have the same samples one by one; return the state."""
        rows, outputs = torch.split(x, state[0].shape[0]), list[Tensor]()
        for step in reversed(steps) if self.backward else steps:
            state, output = self.step(rows[step - steps.start], state, watch, step)
            outputs.append(output)
        side.take(self.axis.starts[steps.start], outputs[::-1] if self.backward else outputs)
        return state

    def step(self, x: Tensor, state: State, watch: Watch, step: int) -> tuple[State, Tensor]:
        """Run one step; return the state and what the readers of the output see."""
        watch.begin(step, x.shape[0])
        after = self.adapter.step(self.weights, x, state, watch)
        if watch.readers is None:
            return after, after[0]
        watch.readers.begin(step, x.shape[0])
        if watch.readers.last:
            return after, watch.readers(self.adapter.state[0], after[0])
        return after, self.adapter.step(self.weights, x, state, watch.readers)[0]


def fit(state: State, first: State, size: int, backward: bool) -> tuple[State, list[State]]:
    """Return the state for a number of samples, and the states of samples that have ended."""
    had = state[0].shape[0]
    if size == had:
        return state, []
    if size > had:  # samples that start later in reverse
        return tuple(torch.cat([part, begin[had:size]]) for part, begin in zip(state, first, strict=True)), []
    kept = tuple(part[:size] for part in state)
    return kept, [] if backward else [tuple(part[size:].clone() for part in state)]


def run_cell(adapter: Adapter, module: torch.nn.Module, data: Tensor, state: Any, watcher: Watcher) -> Any:
    """Do what the cell ``module(data, state)`` does, one step, under watch; shapes as the module has them."""
    single = data.dim() == 1
    x = data[None] if single else data
    check_width(module, x)
    parts = (state,) if isinstance(state, Tensor) else state
    if parts is None:
        sizes = adapter.sizes(module)
        parts = tuple(x.new_zeros(x.shape[0], sizes[name]) for name in adapter.state)
    elif single:
        parts = tuple(part[None] for part in parts)
    axis = Axis((x.shape[0],), None, "cell")
    lane, watch = Lane(adapter, adapter.weights(module, 0, "forward"), x, axis), watcher(0, "forward", axis)
    watch.block(0, 1)
    after, output = lane.step(lane.inputs(0, 1), tuple(parts), watch, 0)
    watch.end()
    handed = (output, *after[1:])
    handed = tuple(part[0] for part in handed) if single else handed
    return handed if len(adapter.state) > 1 else handed[0]
