"""One forward of some samples: their tokens, and the watches that write what the engine computes into the matrix."""

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
    """What one forward of a piece leaves in the matrix.

    Parameters
    ----------
    plan : Plan
        What is read, and where it goes.
    piece : Piece
        The samples.
    where : mapping, callable or None
        Which tokens are kept.
    first : int, int
        The number of the first sample, and of the first step.
    reserve : callable
        ``reserve(rows)`` gives the rows to fill: ``(rows, unit)``.
    sheets : Sheets
        Working memory.
    """

    def __init__(
        self,
        plan: Plan,
        piece: Piece,
        where: Any,
        first: tuple[int, int],
        reserve: Callable[[int], Tensor],
        sheets: Sheets,
    ) -> None:
        self.plan, self.piece, self.where, self.first = plan, piece, where, first
        self.reserve, self.sheets = reserve, sheets
        self.tokens: Tokens | None = None
        self.rows: Tensor | None = None
        self.calls: dict[str, list[Axis]] = {}
        self.loose: dict[tuple[str, int, str], list[LooseWatch]] = {}
        self.outputs: dict[str, list[Tensor]] = {}
        if piece.lengths is not None and not plan.several:
            self.know(piece.lengths)

    @property
    def idle(self) -> bool:
        """Whether it is known before the run that no token is kept."""
        return self.tokens is not None and not self.tokens.rows

    def know(self, lengths: np.ndarray, calls: np.ndarray | None = None) -> None:
        """Be told the tokens of each sample; from now on values go straight into the matrix."""
        stop = self.piece.start + lengths.size
        labels = self.piece.labels.of(lengths, self.piece.start, stop)
        self.tokens = Tokens(lengths, labels, self.where, *self.first, calls=calls)
        self.rows = self.reserve(self.tokens.rows)

    def watcher(self, reading: Reading) -> Callable[[int, str, Axis], Watch]:
        """Return what gives the engine its watches for one more call of a module."""
        return partial(self._watch, reading, [])

    def _watch(self, reading: Reading, started: list[bool], layer: int, direction: str, axis: Axis) -> Watch:
        if not started:
            started.append(True)
            self.calls.setdefault(reading.name, []).append(axis)
            if self.tokens is None and self.direct(reading):
                self.know(axis.lengths.numpy())
        blocks = reading.of(layer, direction)
        if not self.direct(reading) or self.tokens is None or self.rows is None:
            if not blocks:
                return Watch()
            watch = LooseWatch(blocks)
            self.loose.setdefault((reading.name, layer, direction), []).append(watch)
            return watch
        if len(self.calls[reading.name]) > 1:
            raise CaptureError(
                f"{reading.name!r} was called once on the first batch and again on a later one; "
                "put a batch with several calls first."
            )
        check_axis(reading.name, axis, self.tokens)
        assert reading.adapter is not None  # noqa: S101
        sizes = {name: reading.adapter.sizes(reading.module)[name] for name in reading.adapter.quantities}
        return RowWatch(blocks, sizes, self.rows, axis, self.tokens, self.sheets)

    def direct(self, reading: Reading) -> bool:
        """Return whether the values of a module can go straight into the matrix."""
        return reading.calls == 1 and not reading.stepwise

    def output(self, reading: Reading, value: Any) -> None:
        """Take the output of a module that is read as it stands."""
        found = tensor_of(value)
        if found is None:
            raise CaptureError(f"The output of {reading.name!r} is no tensor this time; leave it out of modules=.")
        self.outputs.setdefault(reading.name, []).append(found.detach())

    def note(self, reading: Reading, data: Any) -> None:
        """Take the time axis of a recurrent call that is not read itself."""
        self.calls.setdefault(reading.name, []).append(read_input(reading.module, data)[1])

    def axes(self, reading: Reading) -> list[Axis]:
        """Return the time axes of a module's calls; calls of a cell are the steps of one."""
        axes = self.calls.get(reading.name, [])
        if axes and reading.stepwise:
            return [Axis(tuple(axis.samples for axis in axes), None, "cell")]
        return axes

    def packing(self, rows: int) -> list[Axis]:
        """Return the axes of the recurrent module whose calls had so many packed rows."""
        for axes in self.calls.values():
            if all(axis.kind == "packed" for axis in axes) and sum(axis.starts[-1] for axis in axes) == rows:
                return axes
        return []

    @property
    def padded(self) -> int:
        """The steps of the leading input with its padding."""
        first = leading(self.piece.inputs)
        if not isinstance(first, Tensor) or first.dim() < 2 or self.plan.axis is None:
            return 0
        return int(first.shape[1 - self.plan.axis])


def check_axis(name: str, axis: Axis, tokens: Tokens) -> None:
    """Raise `CaptureError` where a recurrent call has other steps than the tokens."""
    if axis.samples != tokens.lengths.size or axis.steps < tokens.lengths.max():
        raise CaptureError(
            f"{name!r} ran {axis.samples} samples of {axis.steps} steps, but the batch has "
            f"{tokens.lengths.size} samples of up to {tokens.lengths.max()} tokens."
        )
    if axis.kind == "packed" and not np.array_equal(axis.lengths.numpy(), tokens.lengths):
        raise CaptureError(
            f"{name!r} ran a PackedSequence whose lengths are not those of the batch; give lengths= as packed."
        )
