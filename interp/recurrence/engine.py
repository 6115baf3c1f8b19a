"""The recurrence engine: runs a recurrent module step by step on its own weights and reports every quantity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from interp.recurrence.sequences import (
    SequenceLayout,
    State,
    check_width,
    read_input,
    read_state,
    write_output,
    write_state,
)

if TYPE_CHECKING:
    from interp.recurrence.adapter import Adapter, CompiledLoop, OutputBuffer


BLOCK_ROWS = (
    1 << 10
)  # rows per block: enough for an efficient matrix product, few enough to stay in the processor's cache
COMPILED_DTYPES = (torch.float32, torch.float64)


class StepObserver:
    """Observer of the quantities of one layer and direction during one call. The base class changes nothing.

    Attributes
    ----------
    readout_observer : StepObserver, optional
        Second observer whose edits affect the module's output but not the recurrence: the step is computed again with
        it, and the resulting state is discarded.
    output_only : bool
        True for such a second observer if it edits only the output itself, so that the step need not be computed again.
    """

    readout_observer: StepObserver | None = None
    output_only: bool = False

    def on_block(self, low: int, high: int) -> None:
        """Prepare for the steps ``low`` to ``high`` (exclusive); called before each block, in processing order."""

    def output_buffer(self, like: Tensor) -> OutputBuffer | None:  # noqa: ARG002
        """Return the output buffer of a compiled loop for the block; None (the default) to observe step by step."""
        return None

    def on_step(self, step: int, samples: int) -> None:
        """Prepare for a step with its number of samples, which are the first ones in the order of the axis."""

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:  # noqa: ARG002
        """Return the value of a quantity; see `QuantityHook`."""
        return function(*args) if callable(function) else function  # type: ignore[no-any-return]

    def on_end(self) -> None:
        """Finish the recording; called after the last step."""


ObserverFactory = Callable[[int, str, SequenceLayout], StepObserver]


def run_sequence(
    adapter: Adapter, module: torch.nn.Module, data: Any, state: Any, make_observer: ObserverFactory
) -> tuple[Any, Any]:
    """Compute ``module(data, state)`` with the engine, calling observers for every quantity of every step.

    Parameters
    ----------
    adapter : Adapter
        Adapter of the module's class.
    module : Module
        Sequence module; its weights are read, nothing is changed.
    data : Tensor or PackedSequence
        Input as the module takes it: batched or not, ``batch_first`` or not.
    state : Tensor, tuple of Tensor, or None
        Initial state (layer x direction, sample, size); None means zeros.
    make_observer : callable
        ``make_observer(layer, direction, axis)`` returns the `StepObserver` of a layer and direction.

    Returns
    -------
    tuple
        ``(output, state)`` in the layout of the module.

    Raises
    ------
    CaptureError
        For inputs or states of the wrong width or shape.
    """
    with split_torch_threads(len(adapter.directions(module))) as in_parallel:
        return _run_layers(adapter, module, data, state, make_observer, in_parallel)


def _run_layers(
    adapter: Adapter, module: torch.nn.Module, data: Any, state: Any, make_observer: ObserverFactory, in_parallel: bool
) -> tuple[Any, Any]:
    rows, axis = read_input(module, data)
    initial = read_state(adapter, module, state, axis, rows)
    directions = adapter.directions(module)
    finals: list[State] = []
    for layer in range(adapter.layers(module)):
        if layer and module.training and getattr(module, "dropout", 0):
            rows = torch.nn.functional.dropout(rows, float(module.dropout))  # type: ignore[arg-type]
        output = LayerOutput(rows, adapter.quantity_sizes(module)[adapter.state[0]], len(directions))
        passes = []
        for number, direction in enumerate(directions):
            steps = DirectionPass(
                adapter, adapter.weights(module, layer, direction), rows, axis, direction == "backward"
            )
            first = initial[layer * len(directions) + number]
            passes.append(
                partial(steps.run, first, make_observer(layer, direction, axis), DirectionOutput(output, number))
            )
        finals += (
            run_directions_in_threads(passes)
            if in_parallel and rows.device.type == "cpu"
            else [item() for item in passes]
        )
        rows = output.concatenated()
    return write_output(module, data, rows, axis), write_state(finals, axis)


@contextmanager
def split_torch_threads(directions: int) -> Iterator[bool]:
    """Divide torch's threads among the directions; yield whether they can run in parallel.

    After an operation, torch's worker threads spin for some milliseconds while they wait for the next one. Without the
    division, the directions would compete with these threads for the processors.
    """
    threads = torch.get_num_threads()
    if directions < 2 or threads < 2 or torch.is_grad_enabled():
        yield False
        return
    torch.set_num_threads(max(1, threads // directions))
    try:
        yield True
    finally:
        torch.set_num_threads(threads)


def run_directions_in_threads(passes: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run the directions of a layer, each in a thread of its own, and return their results.

    A single step is too little work to share among processors, a whole direction is not.
    """
    threads = torch.get_num_threads()

    def run_in_thread(run_direction: Callable[[], Any]) -> Any:
        torch.set_num_threads(threads)  # a per-thread setting
        with torch.no_grad():
            return run_direction()

    with ThreadPoolExecutor(len(passes)) as pool:
        return list(pool.map(run_in_thread, passes))


@dataclass(frozen=True)
class DirectionPass:
    """One layer in one direction of one call.

    Attributes
    ----------
    adapter : Adapter
        Adapter of the module.
    weights : object
        Weights of the layer and direction, as returned by `Adapter.weights`.
    rows : Tensor (row, feature)
        Inputs, step after step.
    axis : SequenceLayout
        Number of rows of each step.
    backward : bool
        Whether each sample runs from its last step to its first.
    """

    adapter: Adapter
    weights: Any
    rows: Tensor
    axis: SequenceLayout
    backward: bool = False

    def block_spans(self, rows: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of steps that have about ``rows`` rows each, in processing order."""
        steps = max(1, rows // self.axis.samples)
        starts = range(0, self.axis.steps, steps)
        for low in reversed(starts) if self.backward else starts:
            yield low, min(self.axis.steps, low + steps)

    def projected_inputs(self, low: int, high: int) -> Tensor:
        """Return the projected inputs of the steps ``low`` to ``high`` (exclusive)."""
        starts = self.axis.starts
        return self.adapter.input_projection(self.weights, self.rows[starts[low] : starts[high]])

    def run(self, first: State, observer: StepObserver, output_part: DirectionOutput) -> State:
        """Run all steps.

        Parameters
        ----------
        first : tuple of Tensor (sample, size)
            State before the first step, in the order of the axis.
        observer : StepObserver
            Observer of every quantity.
        output_part : DirectionOutput
            Receiver of the outputs.

        Returns
        -------
        tuple of Tensor (sample, size)
            State after the last step of each sample.
        """
        state, ended_states, starts = tuple(part.clone() for part in first), list[State](), self.axis.starts
        loop = self.compiled_loop()
        for low, high in self.block_spans(BLOCK_ROWS):
            observer.on_block(low, high)
            inputs = self.projected_inputs(low, high)
            buffer = None if loop is None else observer.output_buffer(inputs)
            for start, stop in self.equal_batch_spans(low, high):
                state, ended = resize_state(state, first, self.axis.batch_sizes[start], self.backward)
                ended_states += ended
                first_row, last_row = starts[start], starts[stop]
                span = slice(first_row - starts[low], last_row - starts[low])
                if loop is None or buffer is None:
                    state = self.run_steps(range(start, stop), inputs[span], state, observer, output_part)
                else:
                    target = buffer.slice_rows(span, *output_part.target_array(slice(first_row, last_row)))
                    loop(inputs[span], state, target, self.backward)
        final = [tuple(part.clone() for part in state), *reversed(ended_states)]
        observer.on_end()
        return tuple(torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*final, strict=True))

    def compiled_loop(self) -> CompiledLoop | None:
        """Return the adapter's compiled loop, or None if it can't run on these tensors or gradients are enabled."""
        if self.rows.device.type != "cpu" or self.rows.dtype not in COMPILED_DTYPES or torch.is_grad_enabled():
            return None
        return self.adapter.compiled_loop(self.weights)

    def equal_batch_spans(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of steps that have the same number of samples, in processing order."""
        spans = [list(steps) for _, steps in groupby(range(low, high), self.axis.batch_sizes.__getitem__)]
        yield from ((span[0], span[-1] + 1) for span in (reversed(spans) if self.backward else spans))

    def run_steps(
        self, steps: range, x: Tensor, state: State, observer: StepObserver, output_part: DirectionOutput
    ) -> State:
        """Run steps with the same samples one by one; return the state after them."""
        rows, outputs = torch.split(x, state[0].shape[0]), list[Tensor]()
        for step in reversed(steps) if self.backward else steps:
            state, output = self.run_step(rows[step - steps.start], state, observer, step)
            outputs.append(output)
        output_part.write(self.axis.starts[steps.start], outputs[::-1] if self.backward else outputs)
        return state

    def run_step(self, x: Tensor, state: State, observer: StepObserver, step: int) -> tuple[State, Tensor]:
        """Run one step; return the new state and the module's output."""
        observer.on_step(step, x.shape[0])
        after = self.adapter.step(self.weights, x, state, observer)
        if observer.readout_observer is None:
            return after, after[0]
        observer.readout_observer.on_step(step, x.shape[0])
        if observer.readout_observer.output_only:
            return after, observer.readout_observer(self.adapter.state[0], after[0])
        return after, self.adapter.step(self.weights, x, state, observer.readout_observer)[0]


def resize_state(state: State, first: State, size: int, backward: bool) -> tuple[State, list[State]]:
    """Return the state resized to ``size`` samples, and the final states of the samples that have ended."""
    samples = state[0].shape[0]
    if size == samples:
        return state, []
    if size > samples:  # in reverse, shorter samples start later
        return tuple(torch.cat([part, begin[samples:size]]) for part, begin in zip(state, first, strict=True)), []
    remaining = tuple(part[:size] for part in state)
    return remaining, [] if backward else [tuple(part[size:].clone() for part in state)]


def run_cell(
    adapter: Adapter, module: torch.nn.Module, data: Tensor, state: Any, make_observer: ObserverFactory
) -> Any:
    """Compute one step of a cell, ``module(data, state)``, with the engine; shapes are those of the module."""
    single = data.dim() == 1
    x = data[None] if single else data
    check_width(module, x)
    parts = (state,) if isinstance(state, Tensor) else state
    if parts is None:
        sizes = adapter.quantity_sizes(module)
        parts = tuple(x.new_zeros(x.shape[0], sizes[name]) for name in adapter.state)
    elif single:
        parts = tuple(part[None] for part in parts)
    axis = SequenceLayout((x.shape[0],), None, "cell")
    steps, observer = (
        DirectionPass(adapter, adapter.weights(module, 0, "forward"), x, axis),
        make_observer(0, "forward", axis),
    )
    observer.on_block(0, 1)
    after, output = steps.run_step(steps.projected_inputs(0, 1), tuple(parts), observer, 0)
    observer.on_end()
    result = (output, *after[1:])
    result = tuple(part[0] for part in result) if single else result
    return result if len(adapter.state) > 1 else result[0]


def allocate(like: Tensor, rows: int, width: int) -> Tensor:
    """Return uninitialised memory ``(rows, width)``, from numpy if possible: its huge pages have fewer page faults."""
    if like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(np.empty((rows, width), str(like.dtype).removeprefix("torch.")))
    return like.new_empty(rows, width)


@dataclass(frozen=True)
class DirectionOutput:
    """One direction's columns of an `LayerOutput`."""

    output: LayerOutput
    number: int

    def write(self, row: int, outputs: list[Tensor]) -> None:
        """Store the outputs of consecutive steps, starting at a row."""
        self.output.write(self.number, row, outputs)

    def target_array(self, rows: slice) -> tuple[np.ndarray, int]:
        """Return rows of the layer's output, and the first column of this direction."""
        assert self.output.buffer is not None  # noqa: S101 (gradients are disabled)
        return self.output.buffer[rows].numpy(), self.number * self.output.width


class LayerOutput:
    """Outputs of all directions of a layer: written into one array, or, if gradients are enabled, concatenated."""

    def __init__(self, like: Tensor, width: int, sides: int) -> None:
        self.width = width
        self.parts: list[dict[int, Tensor]] = [{} for _ in range(sides)]
        self.buffer = None if torch.is_grad_enabled() else allocate(like, like.shape[0], sides * width)

    def write(self, side: int, row: int, outputs: list[Tensor]) -> None:
        """Store the outputs of consecutive steps, starting at a row."""
        joined = torch.cat(outputs) if len(outputs) > 1 else outputs[0]
        if self.buffer is None:
            self.parts[side][row] = joined
        else:
            self.buffer[row : row + joined.shape[0], side * self.width : (side + 1) * self.width] = joined

    def concatenated(self) -> Tensor:
        """Return the outputs of all steps and directions ``(row, feature)``."""
        if self.buffer is not None:
            return self.buffer
        return torch.cat([torch.cat([side[row] for row in sorted(side)]) for side in self.parts], 1)
