"""The one recurrence engine: runs a recurrent module step by step on its own weights, through an `Adapter`.

Capture, interventions and gate attributions all go through `run` and `run_cell`. They differ in the `Watch` that
they hand in, which sees every quantity of every step and may record it, write it elsewhere, or change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from interp.capturing.layout import Axis, State, check_width, read_input, read_state, write_output, write_state

if TYPE_CHECKING:
    from interp.contracts import Adapter

ROWS = 1 << 10  # rows of one block: enough for a good product of matrices, few enough to stay near the processor


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
            lanes.append(partial(lane.run, first, watcher(layer, direction, axis), partial(output.take, side)))
        finals += side_by_side(lanes, rows)
        rows = output.joined()
    return write_output(module, data, rows, axis), write_state(finals, axis)


def side_by_side(lanes: Sequence[Callable[[], Any]], rows: Tensor) -> list[Any]:
    """Return the results of the directions of a layer, which run side by side where that is possible.

    A step is too small a piece of work to be shared by processors, and a direction is not.
    """
    threads = torch.get_num_threads()
    if len(lanes) < 2 or threads < 2 or rows.device.type != "cpu" or torch.is_grad_enabled():
        return [lane() for lane in lanes]

    def alone(lane: Callable[[], Any]) -> Any:
        torch.set_num_threads(max(1, threads // len(lanes)))  # of this thread
        with torch.no_grad():
            return lane()

    try:
        with ThreadPoolExecutor(len(lanes)) as pool:
            return list(pool.map(alone, lanes))
    finally:
        torch.set_num_threads(threads)


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

    def run(self, first: State, watch: Watch, take: Callable[[int, list[Tensor]], None]) -> State:
        """Run all steps.

        Parameters
        ----------
        first : tuple of Tensor (sample, size)
            The state before the first step, in the order of the axis.
        watch : Watch
            Sees every quantity.
        take : callable
            ``take(row, outputs)`` gets the outputs of some steps and the row of the first.

        Returns
        -------
        tuple of Tensor (sample, size)
            The state after the last step of each sample.
        """
        state, ended = first, []
        for low, high in self.blocks(ROWS):
            inputs = torch.split(self.inputs(low, high), list(self.axis.sizes[low:high]))
            watch.block(low, high)
            outputs = []
            for step in range(high - 1, low - 1, -1) if self.backward else range(low, high):
                size = self.axis.sizes[step]
                if size != state[0].shape[0]:
                    state, left = fit(state, first, size, self.backward)
                    ended += left
                state, output = self.step(inputs[step - low], state, watch, step)
                outputs.append(output)
            take(self.axis.starts[low], outputs[::-1] if self.backward else outputs)
        final = [tuple(part.clone() for part in state), *reversed(ended)]
        watch.end()
        return tuple(torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*final, strict=True))

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
    """Return the state for another number of samples, and the states of samples that have ended."""
    had = state[0].shape[0]
    if size > had:  # samples that start later in reverse
        return tuple(torch.cat([part, begin[had:size]]) for part, begin in zip(state, first, strict=True)), []
    kept = tuple(part[:size] for part in state)
    return kept, [] if backward else [tuple(part[size:].clone() for part in state)]


def fresh(like: Tensor, rows: int, width: int) -> Tensor:
    """Return memory ``(rows, width)``; numpy's where it can be: it asks for huge pages, which are touched faster."""
    if like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(np.empty((rows, width), str(like.dtype).removeprefix("torch.")))
    return like.new_empty(rows, width)


class Output:
    """Takes the outputs of all directions: written into one array, or, with autograd on, kept and joined."""

    def __init__(self, like: Tensor, width: int, sides: int) -> None:
        self.width = width
        self.kept: list[dict[int, Tensor]] = [{} for _ in range(sides)]
        self.whole = None if torch.is_grad_enabled() else fresh(like, like.shape[0], sides * width)

    def take(self, side: int, row: int, outputs: list[Tensor]) -> None:
        """Take the outputs of some steps, which begin at a row."""
        joined = torch.cat(outputs)
        if self.whole is None:
            self.kept[side][row] = joined
        else:
            self.whole[row : row + joined.shape[0], side * self.width : (side + 1) * self.width] = joined

    def joined(self) -> Tensor:
        """Return the outputs of all steps and directions, ``(row, feature)``."""
        if self.whole is not None:
            return self.whole
        return torch.cat([torch.cat([side[row] for row in sorted(side)]) for side in self.kept], 1)


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
