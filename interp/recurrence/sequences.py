"""Conversion of the inputs, outputs and states of recurrent modules to rows, step after step, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from interp.errors import CaptureError

if TYPE_CHECKING:
    from interp.recurrence.adapter import Adapter


State = tuple[Tensor, ...]


@dataclass(frozen=True)
class SequenceLayout:
    """Time axis of one call of a recurrent module: its samples and steps, and the layout of the input.

    Attributes
    ----------
    batch_sizes : tuple of int
        Number of samples that are still running at each step; never increases.
    order : Tensor, optional
        The caller's sample at each position in the engine, if the two differ (samples sorted by length).
    layout : str
        Layout of the input: ``packed``, ``time`` (step, sample, feature), ``batch`` (sample, step, feature), ``single``
        (step, feature), ``cell`` (one step per call).
    steps_first : bool
        For a packed call: whether the module takes padded sequences as (step, sample, feature), so that code that
        unpacks its output probably uses this layout.
    """

    batch_sizes: tuple[int, ...]
    order: Tensor | None = None
    layout: str = "time"
    steps_first: bool = False

    @property
    def steps(self) -> int:
        """Number of steps of the longest sample."""
        return len(self.batch_sizes)

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.batch_sizes[0]

    @property
    def is_rectangular(self) -> bool:
        """True if all samples have all steps and are in the caller's order."""
        return self.order is None and self.batch_sizes[-1] == self.batch_sizes[0]

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First packed row of each step, followed by the total number of rows."""
        total, starts = 0, [0]
        for size in self.batch_sizes:
            total += size
            starts.append(total)
        return tuple(starts)

    @cached_property
    def lengths(self) -> Tensor:
        """Number of steps of each sample, in the caller's order."""
        sizes = torch.tensor(self.batch_sizes)
        lengths = (sizes[:, None] > torch.arange(self.samples)[None]).sum(0)
        return lengths if self.order is None else torch.empty_like(lengths).index_copy_(0, self.order.cpu(), lengths)


def read_input(module: torch.nn.Module, data: Any) -> tuple[Tensor, SequenceLayout]:
    """Return the rows of an input ``(row, feature)``, step after step, and its time axis."""
    if isinstance(data, PackedSequence):
        check_width(module, data.data)
        return data.data, SequenceLayout(
            tuple(data.batch_sizes.tolist()), data.sorted_indices, "packed", not getattr(module, "batch_first", True)
        )
    check_width(module, data)
    if data.dim() == 2:
        return data, SequenceLayout((1,) * data.shape[0], None, "single")
    if data.dim() != 3:
        raise CaptureError(f"{type(module).__name__} takes 2 or 3 dimensions; got shape {tuple(data.shape)}.")
    kind = "batch" if getattr(module, "batch_first", False) else "time"
    steps = data.transpose(0, 1) if kind == "batch" else data
    if not steps.shape[0] or not steps.shape[1]:
        raise CaptureError(
            f"The input of {type(module).__name__} is empty: got shape {tuple(data.shape)}; expected at least one "
            "sample of at least one step."
        )
    return steps.reshape(-1, steps.shape[2]), SequenceLayout((steps.shape[1],) * steps.shape[0], None, kind)


def check_width(module: torch.nn.Module, data: Tensor) -> None:
    """Raise `CaptureError` if the number of features of an input differs from the module's ``input_size``."""
    expected = getattr(module, "input_size", None)
    if isinstance(expected, int) and data.shape[-1] != expected:
        raise CaptureError(
            f"{type(module).__name__} expects inputs of {expected} features (input_size); got {data.shape[-1]}, "
            f"in a tensor of shape {tuple(data.shape)}."
        )


def read_state(
    adapter: Adapter, module: torch.nn.Module, state: Any, axis: SequenceLayout, rows: Tensor
) -> list[State]:
    """Return the initial state of each layer and direction, in the order of the axis."""
    count = adapter.layers(module) * len(adapter.directions(module))
    shapes = [(count, axis.samples, adapter.quantity_sizes(module)[name]) for name in adapter.state]
    if state is None:
        return [tuple(rows.new_zeros(shape[1:]) for shape in shapes)] * count
    parts = [state] if isinstance(state, Tensor) else list(state)
    if axis.layout == "single":
        parts = [part[:, None] if part.dim() == 2 else part for part in parts]
    if [tuple(part.shape) for part in parts] != shapes:
        raise CaptureError(
            f"{type(module).__name__} expects an initial state of shape {shapes}; "
            f"got {[tuple(part.shape) for part in parts]}."
        )
    if axis.order is not None:
        parts = [part.index_select(1, axis.order) for part in parts]
    return list(zip(*(part.unbind(0) for part in parts), strict=True))


def write_output(module: torch.nn.Module, data: Any, rows: Tensor, axis: SequenceLayout) -> Any:
    """Return the output in the layout of the input; the inverse of `read_input`."""
    if isinstance(data, PackedSequence):
        return PackedSequence(rows, data.batch_sizes, data.sorted_indices, data.unsorted_indices)
    if axis.layout == "single":
        return rows
    steps = rows.view(axis.steps, axis.samples, -1)
    return steps.transpose(0, 1) if getattr(module, "batch_first", False) else steps


def write_state(finals: Sequence[State], axis: SequenceLayout) -> Any:
    """Return final states in the layout of the module; the inverse of `read_state`."""
    parts = [torch.stack(list(part)) for part in zip(*finals, strict=True)]
    if axis.order is not None:
        inverse = torch.empty_like(axis.order)
        inverse[axis.order] = torch.arange(axis.samples, device=inverse.device)
        parts = [part.index_select(1, inverse) for part in parts]
    if axis.layout == "single":
        parts = [part[:, 0] for part in parts]
    return tuple(parts) if len(parts) > 1 else parts[0]
