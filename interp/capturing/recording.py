"""Recording of one forward of a micro-batch: its tokens, and the observers that write its values into the matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from interp.capturing.batching import Piece, leading
from interp.capturing.layout import Axis, read_input
from interp.capturing.plan import Plan, Reading
from interp.capturing.scout import tensor_of
from interp.capturing.tokens import Tokens
from interp.capturing.watches import LooseWatch, RowWatch, Sheets
from interp.errors import CaptureError
from interp.recurrence import Watch


class Recording:
    """Recording of one forward of a micro-batch.

    Parameters
    ----------
    plan : Plan
        Modules to read, and their columns.
    micro_batch : Piece
        Samples of the forward.
    where : mapping, callable or None
        Selection of tokens; see `interp.capture`.
    first : int, int
        Number of the first sample, and of the first step.
    reserve : callable
        ``reserve(rows)`` returns the rows to fill ``(rows, unit)``.
    scratch : Sheets
        Scratch memory.

    Attributes
    ----------
    tokens : Tokens or None
        Tokens of the samples; None until their lengths are known.
    rows : Tensor (row, unit) or None
        Rows of the selected tokens; None until the lengths are known.
    calls : dict
        Time axis of each call of each recurrent module.
    loose : dict
        Observers with buffered values, by module, layer and direction.
    outputs : dict
        Outputs of each other module.
    """

    def __init__(
        self,
        plan: Plan,
        micro_batch: Piece,
        where: Any,
        first: tuple[int, int],
        reserve: Callable[[int], Tensor],
        scratch: Sheets,
    ) -> None:
        self.plan, self.piece, self.where, self.first = plan, micro_batch, where, first
        self.reserve, self.sheets = reserve, scratch
        self.tokens: Tokens | None = None
        self.rows: Tensor | None = None
        self.calls: dict[str, list[Axis]] = {}
        self.loose: dict[tuple[str, int, str], list[LooseWatch]] = {}
        self.outputs: dict[str, list[Tensor]] = {}
        if micro_batch.lengths is not None and not plan.several:
            self.know(micro_batch.lengths)

    @property
    def idle(self) -> bool:
        """True if it is known before the run that no token is selected."""
        return self.tokens is not None and not self.tokens.rows

    def know(self, lengths: np.ndarray, calls: np.ndarray | None = None) -> None:
        """Set the number of tokens of each sample; from then on values are written directly into the matrix."""
        stop = self.piece.start + lengths.size
        labels = self.piece.labels.of(lengths, self.piece.start, stop)
        self.tokens = Tokens(lengths, labels, self.where, *self.first, calls=calls)
        self.rows = self.reserve(self.tokens.rows)

    def watcher(self, module_plan: Reading) -> Callable[[int, str, Axis], Watch]:
        """Return the function that makes the engine's observers for one call of a module."""
        return partial(self._observer, module_plan, [])

    def _observer(self, module_plan: Reading, call_axes: list[Axis], layer: int, direction: str, axis: Axis) -> Watch:
        if not call_axes:
            call_axes.append(axis)
            self.calls.setdefault(module_plan.name, []).append(axis)
            if self.tokens is None and self.direct(module_plan):
                self.know(axis.lengths.numpy())
        blocks = module_plan.of(layer, direction)
        if not self.direct(module_plan) or self.tokens is None or self.rows is None:
            if not blocks:
                return Watch()
            observer = LooseWatch(blocks)
            self.loose.setdefault((module_plan.name, layer, direction), []).append(observer)
            return observer
        if len(self.calls[module_plan.name]) > 1:
            raise CaptureError(
                f"{module_plan.name!r} was called once on the first batch and several times on a later one; "
                "put a batch with several calls first."
            )
        check_axis(module_plan.name, axis, self.tokens)
        assert module_plan.adapter is not None  # noqa: S101
        sizes = {name: module_plan.adapter.sizes(module_plan.module)[name] for name in module_plan.adapter.quantities}
        return RowWatch(blocks, sizes, self.rows, axis, self.tokens, self.sheets)

    def direct(self, module_plan: Reading) -> bool:
        """Return whether the values of a module can be written directly into the matrix."""
        return module_plan.calls == 1 and not module_plan.stepwise

    def output(self, module_plan: Reading, value: Any) -> None:
        """Record the output of a module without an adapter."""
        tensor = tensor_of(value)
        if tensor is None:
            raise CaptureError(
                f"Expected a tensor as output of {module_plan.name!r}; got {type(value).__name__}. "
                "Leave it out of modules=."
            )
        self.outputs.setdefault(module_plan.name, []).append(tensor.detach())

    def note(self, module_plan: Reading, data: Any) -> None:
        """Record the time axis of a call of a recurrent module whose values are not read."""
        self.calls.setdefault(module_plan.name, []).append(read_input(module_plan.module, data)[1])

    def axes(self, module_plan: Reading) -> list[Axis]:
        """Return the time axes of a module's calls; the calls of a cell are the steps of a single axis."""
        axes = self.calls.get(module_plan.name, [])
        if axes and module_plan.stepwise:
            return [Axis(tuple(axis.samples for axis in axes), None, "cell")]
        return axes

    def packing(self, rows: int) -> list[Axis]:
        """Return the axes of the recurrent module whose calls have ``rows`` packed rows in total; [] if none has."""
        for axes in self.calls.values():
            if all(axis.kind == "packed" for axis in axes) and sum(axis.starts[-1] for axis in axes) == rows:
                return axes
        return []

    @property
    def padded(self) -> int:
        """Number of steps of the first input including padding; 0 if unknown."""
        first = leading(self.piece.inputs)
        if not isinstance(first, Tensor) or first.dim() < 2 or self.plan.axis is None:
            return 0
        return int(first.shape[1 - self.plan.axis])


def check_axis(name: str, axis: Axis, tokens: Tokens) -> None:
    """Raise `CaptureError` if the samples or steps of a recurrent call do not fit the tokens."""
    if axis.samples != tokens.lengths.size or axis.steps < tokens.lengths.max():
        raise CaptureError(
            f"{name!r} ran {axis.samples} samples of {axis.steps} steps, but the batch has "
            f"{tokens.lengths.size} samples of up to {tokens.lengths.max()} tokens; correct its lengths=."
        )
    if axis.kind == "packed" and not np.array_equal(axis.lengths.numpy(), tokens.lengths):
        raise CaptureError(
            f"{name!r} ran a PackedSequence whose lengths differ from those of the batch; pass the packed lengths as "
            "lengths=."
        )
