"""The one recurrence engine: runs a recurrent module step by step on its own weights, through an `Adapter`.

Capture, interventions and gate attributions all go through `run` and `run_cell`. They differ in the `Watch` that
they hand in, which sees every quantity of every step and may record it, write it elsewhere, or change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from interp.layout import Axis, State, check_width, read_input, read_state, write_output, write_state

if TYPE_CHECKING:
    from interp.contracts import Adapter

BLOCK = 1 << 21  # numbers in one block of projected inputs: 8 MB of float32, which stay near the processor


class Watch:
    """Sees the quantities of one layer and direction during one call; this one lets all pass.

    Attributes
    ----------
    readers : Watch, optional
        A second watch whose edits only the readers of the output see: the step runs again under it, and its
        state is dropped.
    """

    readers: Watch | None = None

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
        output = _Output(axis, rows, adapter.sizes(module)[adapter.state[0]], len(directions))
        for side, direction in enumerate(directions):
            weights = adapter.weights(module, layer, direction)
            watch = watcher(layer, direction, axis)
            begin = initial[layer * len(directions) + side]
            finals.append(scan(adapter, weights, rows, axis, begin, watch, output.side(side), direction == "backward"))
        rows = output.joined()
    return write_output(module, data, rows, axis), write_state(finals, axis)


def scan(
    adapter: Adapter,
    weights: Any,
    rows: Tensor,
    axis: Axis,
    initial: State,
    watch: Watch,
    emit: Callable[[int, Tensor], None],
    backward: bool = False,
) -> State:
    """Run one layer in one direction.

    Parameters
    ----------
    adapter, weights
        The formula and what it reads.
    rows : Tensor (row, feature)
        Inputs, step after step.
    axis : Axis
        How many rows each step has.
    initial : tuple of Tensor (sample, size)
        The state before the first step, in the order of the axis.
    watch : Watch
        Sees every quantity.
    emit : callable
        ``emit(step, h)`` takes the output of a step.
    backward : bool
        From each sample's last step to its first.

    Returns
    -------
    tuple of Tensor (sample, size)
        The state after the last step of each sample.
    """
    state, left = tuple(part[: axis.sizes[-1 if backward else 0]] for part in initial), []
    for step, x in projected(adapter, weights, rows, axis, backward):
        size, had = axis.sizes[step], state[0].shape[0]
        if size > had:  # samples that start later in reverse
            state = tuple(torch.cat([part, first[had:size]]) for part, first in zip(state, initial, strict=True))
        elif size < had:  # samples that end earlier
            left.append(tuple(part[size:].clone() for part in state))
            state = tuple(part[:size] for part in state)
        watch.begin(step, size)
        before, state = state, adapter.step(weights, x, state, watch)
        if watch.readers is not None:
            watch.readers.begin(step, size)
            emit(step, adapter.step(weights, x, before, watch.readers)[0])
        else:
            emit(step, state[0])
    final = [tuple(part.clone() for part in state), *reversed(left)]
    watch.end()
    return tuple(torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*final, strict=True))


def projected(adapter: Adapter, weights: Any, rows: Tensor, axis: Axis, backward: bool) -> Iterator[tuple[int, Tensor]]:
    """Yield each step with its projected inputs, which are made for many steps at once."""
    steps = range(axis.steps - 1, -1, -1) if backward else range(axis.steps)
    block: Tensor | None = None
    low = high = 0
    for step in steps:
        if not low <= step < high or block is None:
            room = max(1, BLOCK // max(1, axis.samples * rows.shape[1] * 4))
            low, high = (max(0, step + 1 - room), step + 1) if backward else (step, min(axis.steps, step + room))
            block = adapter.project(weights, rows[axis.starts[low] : axis.starts[high]])
        first = axis.starts[step] - axis.starts[low]
        yield step, block[first : first + axis.sizes[step]]


class _Output:
    """Takes the outputs of both directions: written into one array, or, with autograd on, kept and joined."""

    def __init__(self, axis: Axis, like: Tensor, width: int, sides: int) -> None:
        self.axis, self.width = axis, width
        self.kept: list[list[Tensor | None]] = [[None] * axis.steps for _ in range(sides)]
        self.whole = None if torch.is_grad_enabled() else like.new_empty(axis.starts[-1], sides * width)

    def side(self, side: int) -> Callable[[int, Tensor], None]:
        if self.whole is None:
            return self.kept[side].__setitem__
        column = self.whole[:, side * self.width : (side + 1) * self.width]
        starts = self.axis.starts

        def emit(step: int, h: Tensor) -> None:
            column[starts[step] : starts[step + 1]] = h

        return emit

    def joined(self) -> Tensor:
        if self.whole is not None:
            return self.whole
        sides = [torch.cat([h for h in side if h is not None]) for side in self.kept]
        return torch.cat(sides, 1)


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
    weights = adapter.weights(module, 0, "forward")
    watch = watcher(0, "forward", Axis((x.shape[0],), None, "cell"))
    watch.begin(0, x.shape[0])
    after = adapter.step(weights, adapter.project(weights, x), tuple(parts), watch)
    if watch.readers is not None:
        watch.readers.begin(0, x.shape[0])
        after = (adapter.step(weights, adapter.project(weights, x), tuple(parts), watch.readers)[0], *after[1:])
    watch.end()
    after = tuple(part[0] for part in after) if single else tuple(after)
    return after if len(adapter.state) > 1 else after[0]
