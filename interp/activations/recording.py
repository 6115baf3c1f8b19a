"""Recording of one forward of a micro-batch: its tokens, and the observers that write its values into the matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.activations.batching import MicroBatch
from interp.activations.plan import CapturePlan, ColumnBlock, ModulePlan
from interp.activations.recorders import BufferRecorder, MatrixRecorder, ScratchBuffers
from interp.activations.tokens import TokenIndex, gather_rows, packed_row_index
from interp.errors import CaptureError
from interp.recurrence.engine import StepObserver
from interp.recurrence.sequences import SequenceLayout, read_input
from interp.torch_utils import first_tensor, tensor_of


class ForwardRecording:
    """Recording of one forward of a micro-batch.

    Parameters
    ----------
    plan : CapturePlan
        Modules to read, and their columns.
    micro_batch : MicroBatch
        Samples of the forward.
    where : mapping, callable or None
        Selection of tokens; see `interp.capture`.
    first : int, int
        Number of the first sample, and of the first step.
    reserve : callable
        ``reserve(rows)`` returns the rows to fill ``(rows, unit)``.
    scratch : ScratchBuffers
        Scratch memory.

    Attributes
    ----------
    tokens : TokenIndex or None
        Tokens of the samples; None until their lengths are known.
    rows : Tensor (row, unit) or None
        Rows of the selected tokens; None until the lengths are known.
    call_layouts : dict
        Time axis of each call of each recurrent module.
    buffers : dict
        Observers with buffered values, by module, layer and direction.
    outputs : dict
        Outputs of each other module.
    """

    def __init__(
        self,
        plan: CapturePlan,
        micro_batch: MicroBatch,
        where: Any,
        first: tuple[int, int],
        reserve: Callable[[int], Tensor],
        scratch: ScratchBuffers,
    ) -> None:
        self.plan, self.micro_batch, self.where, self.first = plan, micro_batch, where, first
        self.reserve, self.scratch = reserve, scratch
        self.tokens: TokenIndex | None = None
        self.rows: Tensor | None = None
        self.call_layouts: dict[str, list[SequenceLayout]] = {}
        self.buffers: dict[tuple[str, int, str], list[BufferRecorder]] = {}
        self.outputs: dict[str, list[Tensor]] = {}
        if micro_batch.lengths is not None and not plan.has_repeated_calls:
            self.set_lengths(micro_batch.lengths)

    @property
    def is_empty(self) -> bool:
        """True if it is known before the run that no token is selected."""
        return self.tokens is not None and not self.tokens.n_rows

    def set_lengths(self, lengths: np.ndarray, calls: np.ndarray | None = None) -> None:
        """Set the number of tokens of each sample; from then on values are written directly into the matrix."""
        stop = self.micro_batch.start + lengths.size
        labels = self.micro_batch.labels.for_samples(lengths, self.micro_batch.start, stop)
        self.tokens = TokenIndex(lengths, labels, self.where, *self.first, calls=calls)
        self.rows = self.reserve(self.tokens.n_rows)

    def observer_factory(self, module_plan: ModulePlan) -> Callable[[int, str, SequenceLayout], StepObserver]:
        """Return the function that makes the engine's observers for one call of a module."""
        return partial(self._observer, module_plan, [])

    def _observer(
        self, module_plan: ModulePlan, call_axes: list[SequenceLayout], layer: int, direction: str, axis: SequenceLayout
    ) -> StepObserver:
        if not call_axes:
            call_axes.append(axis)
            self.call_layouts.setdefault(module_plan.name, []).append(axis)
            if self.tokens is None and self.writes_directly(module_plan):
                self.set_lengths(axis.lengths.numpy())
        blocks = module_plan.blocks_for(layer, direction)
        if not self.writes_directly(module_plan) or self.tokens is None or self.rows is None:
            if not blocks:
                return StepObserver()
            observer = BufferRecorder(blocks)
            self.buffers.setdefault((module_plan.name, layer, direction), []).append(observer)
            return observer
        if len(self.call_layouts[module_plan.name]) > 1:
            raise CaptureError(
                f"{module_plan.name!r} was called once on the first batch and several times on a later one; "
                "put a batch with several calls first."
            )
        check_layout(module_plan.name, axis, self.tokens)
        assert module_plan.adapter is not None  # noqa: S101
        sizes = {
            name: module_plan.adapter.quantity_sizes(module_plan.module)[name]
            for name in module_plan.adapter.quantities
        }
        return MatrixRecorder(blocks, sizes, self.rows, axis, self.tokens, self.scratch)

    def writes_directly(self, module_plan: ModulePlan) -> bool:
        """Return whether the values of a module can be written directly into the matrix."""
        return module_plan.n_calls == 1 and not module_plan.is_stepwise

    def record_output(self, module_plan: ModulePlan, value: Any) -> None:
        """Record the output of a module without an adapter."""
        tensor = tensor_of(value)
        if tensor is None:
            raise CaptureError(
                f"Expected a tensor as output of {module_plan.name!r}; got {type(value).__name__}. "
                "Leave it out of modules=."
            )
        self.outputs.setdefault(module_plan.name, []).append(tensor.detach())

    def record_layout(self, module_plan: ModulePlan, data: Any) -> None:
        """Record the time axis of a call of a recurrent module whose values are not read."""
        self.call_layouts.setdefault(module_plan.name, []).append(read_input(module_plan.module, data)[1])

    def layouts_of(self, module_plan: ModulePlan) -> list[SequenceLayout]:
        """Return the time axes of a module's calls; the calls of a cell are the steps of a single axis."""
        axes = self.call_layouts.get(module_plan.name, [])
        if axes and module_plan.is_stepwise:
            return [SequenceLayout(tuple(axis.samples for axis in axes), None, "cell")]
        return axes

    def packed_layouts(self, rows: int) -> list[SequenceLayout]:
        """Return the axes of the recurrent module whose calls have ``rows`` packed rows in total; [] if none has."""
        for axes in self.call_layouts.values():
            if all(axis.layout == "packed" for axis in axes) and sum(axis.starts[-1] for axis in axes) == rows:
                return axes
        return []

    @property
    def padded_steps(self) -> int:
        """Number of steps of the first input including padding; 0 if unknown."""
        first = first_tensor(self.micro_batch.inputs)
        if not isinstance(first, Tensor) or first.dim() < 2 or self.plan.sample_dim is None:
            return 0
        return int(first.shape[1 - self.plan.sample_dim])


def check_layout(name: str, axis: SequenceLayout, tokens: TokenIndex) -> None:
    """Raise `CaptureError` if the samples or steps of a recurrent call do not fit the tokens."""
    if axis.samples != tokens.lengths.size or axis.steps < tokens.lengths.max():
        raise CaptureError(
            f"{name!r} ran {axis.samples} samples of {axis.steps} steps, but the batch has "
            f"{tokens.lengths.size} samples of up to {tokens.lengths.max()} tokens; correct its lengths=."
        )
    if axis.layout == "packed" and not np.array_equal(axis.lengths.numpy(), tokens.lengths):
        raise CaptureError(
            f"{name!r} ran a PackedSequence whose lengths differ from those of the batch; pass the packed lengths as "
            "lengths=."
        )


def finalize(recording: ForwardRecording) -> None:
    """Complete a recording, so that every selected token has all its values.

    Raises
    ------
    CaptureError
        If modules have different time axes; the message lists the groups and what to type.
    """
    if recording.tokens is None:
        calls = call_lengths(recording)
        recording.set_lengths(calls.sum(0), calls if recording.plan.has_repeated_calls else None)
    tokens, rows = recording.tokens, recording.rows
    assert tokens is not None and rows is not None  # noqa: S101, PT018
    check_time_axes(recording, tokens)
    for module_plan in recording.plan.modules:
        for block in module_plan.blocks:
            values = block_values(recording, module_plan, block, tokens)
            if values is not None:
                rows[:, block.start : block.stop] = values if block.selected is None else values[:, block.selected]


def block_values(
    recording: ForwardRecording, module_plan: ModulePlan, block: ColumnBlock, tokens: TokenIndex
) -> Tensor | None:
    """Return the values ``(row, width)`` of a block, or None if the engine has written them already."""
    if module_plan.adapter is None:
        outputs = recording.outputs[module_plan.name]
        axes = (
            recording.packed_layouts(sum(len(output) for output in outputs)) if module_plan.layout == "packed" else []
        )
        return gather_rows(outputs, module_plan.layout, tokens, axes)
    observers = recording.buffers.get((module_plan.name, block.layer, block.direction))
    if not observers:
        return None
    values = torch.cat([observer.concatenated(block.quantity) for observer in observers])
    return values[packed_row_index(recording.layouts_of(module_plan), tokens)]


def call_lengths(recording: ForwardRecording) -> np.ndarray:
    """Return the number of steps of each sample in each call ``(call, sample)``, taken from the first module read."""
    batch_lengths = recording.micro_batch.lengths
    for module_plan in recording.plan.modules:
        axes = recording.layouts_of(module_plan)
        if module_plan.blocks and axes:
            lengths = np.stack([axis.lengths.numpy() for axis in axes])
            padded = batch_lengths is not None and all(
                batch_lengths.max() <= axis.steps and axis.is_rectangular for axis in axes
            )
            total = batch_lengths is not None and np.array_equal(lengths.sum(0), batch_lengths)
            return np.stack([batch_lengths] * len(axes)) if padded and not total else lengths  # type: ignore[list-item]
    if batch_lengths is not None:
        return batch_lengths[None]
    for module_plan in recording.plan.modules:
        if module_plan.blocks and module_plan.name in recording.outputs:
            samples, steps = output_shape(recording.outputs[module_plan.name], module_plan.layout, recording)
            return np.full((1, samples), steps)
    raise CaptureError(
        "The model called none of the modules to read on these inputs; name modules that it calls in modules=."
    )


def output_shape(outputs: list[Tensor], layout: str, recording: ForwardRecording) -> tuple[int, int]:
    """Return the number of samples and steps of an output."""
    first = outputs[0]
    if layout in ("batch", "time"):
        shape = first.shape[:2] if layout == "batch" else first.shape[1::-1]
        return int(shape[0]), int(shape[1])
    if layout == "call":
        return first.shape[0], len(outputs)
    if layout == "single":
        return 1, first.shape[0]
    axes = recording.packed_layouts(len(first)) if layout == "packed" else []
    samples = axes[0].samples if axes else recording.micro_batch.n_samples or 1
    return samples, axes[0].steps if axes else len(first) // samples


def check_time_axes(recording: ForwardRecording, tokens: TokenIndex) -> None:
    """Raise `CaptureError` if the modules read have different numbers of steps."""
    groups: dict[int, list[str]] = {}
    longest = int(tokens.lengths.max())
    allowed = {longest, recording.padded_steps}
    for module_plan in recording.plan.modules:
        if not module_plan.blocks:
            continue
        for axis in recording.layouts_of(module_plan):
            if axis.samples != tokens.lengths.size:
                raise CaptureError(
                    f"{module_plan.name!r} ran {axis.samples} samples, but the batch has {tokens.lengths.size}; "
                    "leave it out of modules=."
                )
        steps = module_steps(recording, module_plan)
        groups.setdefault(longest if steps in allowed and steps >= longest else steps, []).append(module_plan.name)
    if len(groups) > 1 or min(groups) < longest:
        lines = "".join(f"\n  {steps} steps: modules={names!r}" for steps, names in sorted(groups.items()))
        raise CaptureError(
            f"The modules do not share the time axis of up to {longest} tokens; capture one group at a time:{lines}"
        )


def module_steps(recording: ForwardRecording, module_plan: ModulePlan) -> int:
    """Return the number of steps that a module ran, summed over its calls."""
    axes = recording.layouts_of(module_plan)
    if axes:
        return sum(axis.steps for axis in axes)
    outputs = recording.outputs.get(module_plan.name, [])
    if not outputs:
        raise CaptureError(f"The model did not call {module_plan.name!r} on this batch; leave it out of modules=.")
    if module_plan.layout == "call":
        return len(outputs)
    if module_plan.layout == "packed":
        return sum(axis.steps for axis in recording.packed_layouts(sum(len(output) for output in outputs)))
    return sum(output_shape([output], module_plan.layout, recording)[1] for output in outputs)
