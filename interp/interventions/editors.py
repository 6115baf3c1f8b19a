"""Observers of the engine that apply edits, and edits bound to one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from interp.recurrence.engine import StepObserver
from interp.recurrence.sequences import SequenceLayout


class StepEdit(Protocol):
    """An edit bound to one call of a module."""

    def __call__(self, value: Tensor, step: int) -> Tensor:
        """Return the edited value ``(sample, size)``, with samples in the order of the layout."""


class RowSubstitution:
    """A `StepEdit` that replaces some columns with rows of values at the edited tokens.

    Parameters
    ----------
    rows : Tensor (sample, step)
        Row of ``values`` for each token, -1 if it is not edited; samples in the caller's order.
    values : Tensor (row, unit)
        Replacement values of the columns.
    columns : Tensor (unit,)
        Columns to replace.
    axis : SequenceLayout
        Layout of the call.
    """

    def __init__(self, rows: Tensor, values: Tensor, columns: Tensor, axis: SequenceLayout) -> None:
        ordered = rows if axis.order is None else rows[axis.order.cpu()]
        self.rows = ordered.t().contiguous()
        self.active = (self.rows >= 0).any(1).tolist()
        self.values, self.columns = values, columns

    def __call__(self, value: Tensor, step: int) -> Tensor:
        """Return the value with its columns replaced."""
        if not self.active[step]:
            return value
        return substitute_rows(value, self.rows[step, : value.shape[0]], self.values, self.columns)


def substitute_rows(value: Tensor, rows: Tensor, values: Tensor, columns: Tensor) -> Tensor:
    """Return ``value`` (token, size) with columns replaced by ``values[rows]``, except where the row is -1."""
    new = values[rows.clamp(min=0).to(values.device)].to(value)
    unedited, columns = (rows < 0)[:, None].to(value.device), columns.to(value.device)
    return value.index_copy(1, columns, torch.where(unedited, value.index_select(1, columns), new))


class EditObserver(StepObserver):
    """An observer that edits the quantities of one layer and direction during one call, and passes them on.

    Parameters
    ----------
    changes : mapping of str to sequence of Change
        Edits of each quantity, in the order in which they apply.
    record : StepObserver, optional
        Observer that receives the edited values.
    only, skip : str, optional
        The only quantity to record, or a quantity to exclude.
    """

    def __init__(
        self,
        changes: Mapping[str, Sequence[StepEdit]],
        record: StepObserver | None = None,
        *,
        only: str = "",
        skip: str = "",
    ) -> None:
        self.changes, self.record, self.only, self.skip = changes, record, only, skip
        self.step = 0

    def on_step(self, step: int, samples: int) -> None:  # noqa: D102
        self.step = step
        if self.record is not None and not self.only:
            self.record.on_step(step, samples)

    def __call__(self, quantity: str, function: Any, *args: Tensor) -> Tensor:  # noqa: D102
        value: Tensor = function(*args) if callable(function) else function
        for change in self.changes.get(quantity, ()):
            value = change(value, self.step)
        if self.record is not None and quantity != self.skip and self.only in ("", quantity):
            self.record(quantity, value)
        return value


def make_observer(
    state: Mapping[str, Sequence[StepEdit]],
    output: Mapping[str, Sequence[StepEdit]],
    outward: str,
    record: StepObserver | None,
) -> StepObserver:
    """Return the observer of one layer and direction.

    Parameters
    ----------
    state, output : mapping of str to sequence of Change
        Edits that propagate through the recurrence, and edits that only downstream modules receive, applied after them.
    outward : str
        Quantity that downstream modules read.
    record : StepObserver, optional
        Observer of the values that downstream modules receive.
    """
    if not output:
        return EditObserver(state, record) if state or record is not None else StepObserver()
    if set(output) == {outward}:
        watch = EditObserver(state, record, skip=outward)
        watch.readout_observer = EditObserver(output, record, only=outward)
        watch.readout_observer.output_only = True
        return watch
    both = {name: [*state.get(name, ()), *output.get(name, ())] for name in {**state, **output}}
    watch = EditObserver(state)
    watch.readout_observer = EditObserver(both, record)
    return watch
