"""How recurrent modules take inputs and states, as rows step after step, and back."""

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
    from interp.contracts import Adapter

State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Axis:
    """The time axis of one call of a recurrent module.

    Attributes
    ----------
    sizes : tuple of int
        Samples that still run at each step; never growing.
    order : Tensor, optional
        Position in the engine to the caller's sample, where the two differ (sorted by length).
    kind : str
        How the caller lays it out: ``packed``, ``time`` (step, sample, feature), ``batch`` (sample, step,
        feature), ``single`` (step, feature), ``cell`` (one step a call).
    steps_first : bool
        Of a packed call: whether the module would take padded sequences as (step, sample, feature), so that what
        unpacks its output probably gives them so.
    """

    sizes: tuple[int, ...]
    order: Tensor | None = None
    kind: str = "time"
    steps_first: bool = False

    @property
    def steps(self) -> int:
        """The number of steps of the longest sample."""
        return len(self.sizes)

    @property
    def samples(self) -> int:
        """The number of samples."""
        return self.sizes[0]

    @property
    def even(self) -> bool:
        """Whether all samples have all steps, in the caller's order."""
        return self.order is None and self.sizes[-1] == self.sizes[0]

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The first packed row of each step, and the number of rows."""
        total, starts = 0, [0]
        for size in self.sizes:
            total += size
            starts.append(total)
        return tuple(starts)

    @cached_property
    def lengths(self) -> Tensor:
        """The number of steps of each sample, in the caller's order."""
        sizes = torch.tensor(self.sizes)
        lengths = (sizes[:, None] > torch.arange(self.samples)[None]).sum(0)
        return lengths if self.order is None else torch.empty_like(lengths).index_copy_(0, self.order.cpu(), lengths)


def read_input(module: torch.nn.Module, data: Any) -> tuple[Tensor, Axis]:
    """Return the rows of an input, step after step, and its axis."""
    if isinstance(data, PackedSequence):
        check_width(module, data.data)
        return data.data, Axis(
            tuple(data.batch_sizes.tolist()), data.sorted_indices, "packed", not getattr(module, "batch_first", True)
        )
    check_width(module, data)
    if data.dim() == 2:
        return data, Axis((1,) * data.shape[0], None, "single")
    if data.dim() != 3:
        raise CaptureError(f"{type(module).__name__} takes 2 or 3 dimensions; got shape {tuple(data.shape)}.")
    kind = "batch" if getattr(module, "batch_first", False) else "time"
    steps = data.transpose(0, 1) if kind == "batch" else data
    if not steps.shape[0] or not steps.shape[1]:
        raise CaptureError(f"Nothing to run on: the input of {type(module).__name__} has shape {tuple(data.shape)}.")
    return steps.reshape(-1, steps.shape[2]), Axis((steps.shape[1],) * steps.shape[0], None, kind)


def check_width(module: torch.nn.Module, data: Tensor) -> None:
    """Raise `CaptureError` where an input is not as wide as the module expects."""
    expected = getattr(module, "input_size", None)
    if isinstance(expected, int) and data.shape[-1] != expected:
        raise CaptureError(
            f"{type(module).__name__} expects inputs of {expected} features (input_size); got {data.shape[-1]}, "
            f"in a tensor of shape {tuple(data.shape)}."
        )


def read_state(adapter: Adapter, module: torch.nn.Module, state: Any, axis: Axis, rows: Tensor) -> list[State]:
    """Return the initial state of each layer and direction, in the order of the axis."""
    count = adapter.layers(module) * len(adapter.directions(module))
    shapes = [(count, axis.samples, adapter.sizes(module)[name]) for name in adapter.state]
    if state is None:
        return [tuple(rows.new_zeros(shape[1:]) for shape in shapes)] * count
    parts = [state] if isinstance(state, Tensor) else list(state)
    if axis.kind == "single":
        parts = [part[:, None] if part.dim() == 2 else part for part in parts]
    if [tuple(part.shape) for part in parts] != shapes:
        raise CaptureError(
            f"{type(module).__name__} expects an initial state of shape {shapes}; "
            f"got {[tuple(part.shape) for part in parts]}."
        )
    if axis.order is not None:
        parts = [part.index_select(1, axis.order) for part in parts]
    return list(zip(*(part.unbind(0) for part in parts), strict=True))


def write_output(module: torch.nn.Module, data: Any, rows: Tensor, axis: Axis) -> Any:
    """Return the output in the layout of the input; the inverse of `read_input`."""
    if isinstance(data, PackedSequence):
        return PackedSequence(rows, data.batch_sizes, data.sorted_indices, data.unsorted_indices)
    if axis.kind == "single":
        return rows
    steps = rows.view(axis.steps, axis.samples, -1)
    return steps.transpose(0, 1) if getattr(module, "batch_first", False) else steps


def write_state(finals: Sequence[State], axis: Axis) -> Any:
    """Return final states as the module does; the inverse of `read_state`."""
    parts = [torch.stack(list(part)) for part in zip(*finals, strict=True)]
    if axis.order is not None:
        back = torch.empty_like(axis.order)
        back[axis.order] = torch.arange(axis.samples, device=back.device)
        parts = [part.index_select(1, back) for part in parts]
    if axis.kind == "single":
        parts = [part[:, 0] for part in parts]
    return tuple(parts) if len(parts) > 1 else parts[0]
