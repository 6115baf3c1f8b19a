"""Zero leaf tensors added to activations, so that one backward pass returns the gradients of all units."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.activations.tokens import TokenIndex, gather_rows, packed_row_index
from interp.errors import CaptureError
from interp.interventions.editors import StepEdit
from interp.interventions.edits import Edit, Labels
from interp.interventions.forward_pass import ForwardPass
from interp.interventions.targets import UnitGroup
from interp.recurrence.sequences import SequenceLayout

Key = tuple[str, int, str, str]


@dataclass
class RecordedValues:
    """Recorded values of one quantity of one module, layer and direction: one tensor per call.

    Attributes
    ----------
    layout : str
        Layout of a module's output; empty for the quantities of recurrent modules.
    leaves, values : list of Tensor
        Zeros and values of each call: packed ``(row, size)`` for recurrent modules, otherwise in the shape of the
        output.
    """

    target: UnitGroup
    layout: str = ""
    leaves: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


class RecordingEdit(Edit):
    """An edit that records the values of its units at every token of the last forward.

    Parameters
    ----------
    units, scope
        As in `Edit`.
    """

    def __init__(self, units: Any = None, *, scope: str = "recurrence") -> None:
        super().__init__(units, scope=scope)
        self.all_names: list[str] = []
        self.records: dict[Key, RecordedValues] = {}
        self.forward_pass = ForwardPass()

    @abstractmethod
    def make_step_edit(self, target: UnitGroup, axis: SequenceLayout) -> StepEdit:
        """Return the change for one call of a recurrent module."""

    @abstractmethod
    def edit_output(self, target: UnitGroup, layout: str, output: Tensor) -> Tensor:
        """Return the edited output of a module."""

    def value_rows(self, labels: Labels, n: int, draw: int) -> np.ndarray:  # noqa: ARG002
        """Return 0 for every token."""
        return np.zeros(n, np.int64)

    def values(self, names: Sequence[str]) -> Tensor:
        """Return zeros: there are no replacement values."""
        return torch.zeros(1, len(names))

    def start_recording(self, names: list[str], passed: ForwardPass) -> None:
        """Start recording a new forward."""
        self.all_names, self.records, self.forward_pass = names, {}, passed

    def record_for(self, target: UnitGroup, layout: str = "") -> RecordedValues:
        """Return the recorded values of a target; create them on first use."""
        key = (target.module, target.layer, target.direction, target.quantity)
        return self.records.setdefault(key, RecordedValues(target, layout))

    @property
    def names(self) -> list[str]:
        """Names of the units that the last forward computed, in the order of the columns."""
        positions = sorted(int(position) for spot in self.records.values() for position in spot.target.positions)
        return [self.all_names[position] for position in positions]

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """Labels of the tokens of the last forward, in the order of the rows: ``sample``, ``step``, … ``(token,)``."""
        return self.tokens().labels

    def gather(self, parts: dict[Key, list[Tensor]], some: Tensor | None) -> Tensor:
        """Return the values of all calls as ``(token, unit)``, for all tokens or a subset."""
        tokens, columns, positions = self.tokens(), [], []
        subset: Any = slice(None) if some is None else some
        for key, spot in self.records.items():
            calls, axes = parts[key], self.call_layouts(key[0])
            if spot.layout:
                rows = gather_rows(calls, spot.layout, tokens, self.packed_layouts(sum(map(len, calls))))[subset]
            else:
                values = torch.cat(calls) if len(calls) > 1 else calls[0]
                rows = values[packed_row_index(axes, tokens)[subset].to(values.device)]
            columns.append(rows[:, spot.target.columns.to(rows.device)])
            positions.append(spot.target.positions)
        return torch.cat(columns, 1)[:, torch.cat(positions).argsort()]

    def call_layouts(self, module: str) -> list[SequenceLayout]:
        """Return the layouts of the calls of a recurrent module; for a cell, one layout for all calls."""
        axes = self.forward_pass.layouts.get(module, [])
        if axes and axes[0].layout == "cell":
            return [SequenceLayout(tuple(axis.samples for axis in axes), None, "cell")]
        return axes

    def packed_layouts(self, rows: int) -> list[SequenceLayout]:
        """Return the layouts of the recurrent calls with this total number of packed rows."""
        for name in self.forward_pass.layouts:
            axes = self.call_layouts(name)
            if all(axis.layout == "packed" for axis in axes) and sum(axis.starts[-1] for axis in axes) == rows:
                return axes
        return []

    def tokens(self) -> TokenIndex:
        """Return the tokens of the last forward."""
        if not self.records:
            raise CaptureError("No forward has run under this edit yet: call the model inside interp.intervene.")
        axes = next((calls for name in self.forward_pass.layouts if (calls := self.call_layouts(name))), [])
        if self.forward_pass.tokens is not None and len(axes) < 2:
            return self.forward_pass.tokens
        if not axes:
            raise CaptureError("Units without a recurrent module need the batch: interp.intervene(model, …, batch=…).")
        lengths = np.stack([axis.lengths.numpy() for axis in axes])
        return TokenIndex(
            lengths.sum(0), {}, None, self.forward_pass.first, calls=lengths if len(lengths) > 1 else None
        )


class ZeroLeaf:
    """A `StepEdit` that adds zeros to the steps of one quantity in one call."""

    def __init__(self, spot: RecordedValues, axis: SequenceLayout) -> None:
        self.record, self.axis = spot, axis
        self.steps: tuple[Tensor, ...] = ()
        self.rows = torch.empty(0)

    def __call__(self, value: Tensor, step: int) -> Tensor:
        """Return the value plus the zeros of this step."""
        if not self.steps:
            leaf = zeros_requiring_grad(value, (self.axis.starts[-1], value.shape[1]))
            self.rows = value.new_empty(leaf.shape)
            self.record.leaves.append(leaf)
            self.record.values.append(self.rows)
            self.steps = torch.split(leaf, list(self.axis.batch_sizes))
        self.rows[self.axis.starts[step] : self.axis.starts[step + 1]] = value.detach()
        return value + self.steps[step]


def zeros_requiring_grad(like: Tensor, shape: Any) -> Tensor:
    """Return zeros that require a gradient."""
    if not torch.is_grad_enabled():
        raise CaptureError("Leaves need gradients, which are disabled here: run the model outside of torch.no_grad().")
    return like.new_zeros(shape).requires_grad_()


class ActivationGradients(RecordingEdit):
    """Add zeros to units at every token, to compute the gradient with respect to all of them in one backward pass.

    Values do not change. Each forward replaces the zeros of the previous one.

    Parameters
    ----------
    units : str, sequence of str, mapping or Dataset, optional
        As in `Edit`; by default every unit that the model computes, including ``c_prev``.
    scope : {"recurrence", "readout"}
        ``state``: the gradient along all paths. ``output``: only the gradient through modules that read ``h``, not
        through the recurrence.

    Examples
    --------
    >>> leaves = interp.adapters.ActivationGradients({"module": "lstm"})                     # doctest: +SKIP
    >>> with interp.intervene(model, [leaves]):                        # doctest: +SKIP
    ...     logits = model(x)
    >>> leaves.gradient(logits[:, 3, 7].sum())                         # doctest: +SKIP
    """

    def make_step_edit(self, target: UnitGroup, axis: SequenceLayout) -> ZeroLeaf:
        """Return the change for one call of a recurrent module."""
        return ZeroLeaf(self.record_for(target), axis)

    def edit_output(self, target: UnitGroup, layout: str, output: Tensor) -> Tensor:
        """Return an output plus its zeros."""
        spot, leaf = self.record_for(target, layout), zeros_requiring_grad(output, output.shape)
        spot.leaves.append(leaf)
        spot.values.append(output.detach())
        return output + leaf

    def gradient(self, target: Tensor, *, retain_graph: bool = False, tokens: Tensor | None = None) -> Tensor:
        """Return the gradient of a scalar with respect to every unit at every token.

        Parameters
        ----------
        target : Tensor ()
            Scalar computed in the last forward.
        retain_graph : bool
            Keep the graph for another gradient.
        tokens : Tensor (token,) of int, optional
            Indices into `labels` of the tokens to return; by default all. A small subset is much faster.

        Returns
        -------
        Tensor (token, unit)
            Gradients; tokens are ordered by sample and step, units as in `names`.
        """
        self.tokens()
        leaves = [leaf for spot in self.records.values() for leaf in spot.leaves]
        grads = torch.autograd.grad(target, leaves, retain_graph=retain_graph, allow_unused=True)
        filled = iter(
            torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, grads, strict=True)
        )
        return self.gather({key: [next(filled) for _ in spot.leaves] for key, spot in self.records.items()}, tokens)

    def value(self, tokens: Tensor | None = None) -> Tensor:
        """Return the values of the units in the last forward, after all preceding edits, ``(token, unit)``."""
        return self.gather({key: spot.values for key, spot in self.records.items()}, tokens)
