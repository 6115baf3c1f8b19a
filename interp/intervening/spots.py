"""Edits that record the values of their units, and the mapping from calls to tokens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.capturing.layout import Axis
from interp.capturing.timeline import loose_rows, read_rows
from interp.capturing.tokens import Tokens
from interp.errors import CaptureError
from interp.intervening.edits import Edit, Labels
from interp.intervening.passes import Pass
from interp.intervening.targets import Target
from interp.intervening.watches import Change

Key = tuple[str, int, str, str]


@dataclass
class Spot:
    """Recorded values of one quantity of one module, layer and direction: one tensor per call.

    Attributes
    ----------
    layout : str
        Layout of a module's output; empty for the quantities of recurrent modules.
    leaves, values : list of Tensor
        Zeros and values of each call: packed ``(row, size)`` for recurrent modules, otherwise in the shape of the
        output.
    """

    target: Target
    layout: str = ""
    leaves: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


class Spots(Edit):
    """An edit that records the values of its units at every token of the last forward.

    Parameters
    ----------
    units, seen_by
        As in `Edit`.
    """

    def __init__(self, units: Any = None, *, seen_by: str = "state") -> None:
        super().__init__(units, seen_by=seen_by)
        self.every: list[str] = []
        self.spots: dict[Key, Spot] = {}
        self.passed = Pass()

    @abstractmethod
    def change(self, target: Target, axis: Axis) -> Change:
        """Return the change for one call of a recurrent module."""

    @abstractmethod
    def at_output(self, target: Target, layout: str, output: Tensor) -> Tensor:
        """Return the edited output of a module."""

    def rows(self, labels: Labels, n: int, draw: int) -> np.ndarray:  # noqa: ARG002
        """Return 0 for every token."""
        return np.zeros(n, np.int64)

    def values(self, names: Sequence[str]) -> Tensor:
        """Return zeros: there are no replacement values."""
        return torch.zeros(1, len(names))

    def begin(self, names: list[str], passed: Pass) -> None:
        """Start recording a new forward."""
        self.every, self.spots, self.passed = names, {}, passed

    def spot(self, target: Target, layout: str = "") -> Spot:
        """Return the recorded values of a target; create them on first use."""
        key = (target.module, target.layer, target.direction, target.quantity)
        return self.spots.setdefault(key, Spot(target, layout))

    @property
    def names(self) -> list[str]:
        """Names of the units that the last forward computed, in the order of the columns."""
        positions = sorted(int(position) for spot in self.spots.values() for position in spot.target.places)
        return [self.every[position] for position in positions]

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """Labels of the tokens of the last forward, in the order of the rows: ``sample``, ``step``, … ``(token,)``."""
        return self.tokens().labels

    def gathered(self, parts: dict[Key, list[Tensor]], some: Tensor | None) -> Tensor:
        """Return the values of all calls as ``(token, unit)``, for all tokens or a subset."""
        tokens, columns, positions = self.tokens(), [], []
        subset: Any = slice(None) if some is None else some
        for key, spot in self.spots.items():
            calls, axes = parts[key], self.axes(key[0])
            if spot.layout:
                rows = read_rows(calls, spot.layout, tokens, self.packing(sum(map(len, calls))))[subset]
            else:
                values = torch.cat(calls) if len(calls) > 1 else calls[0]
                rows = values[loose_rows(axes, tokens)[subset].to(values.device)]
            columns.append(rows[:, spot.target.columns.to(rows.device)])
            positions.append(spot.target.places)
        return torch.cat(columns, 1)[:, torch.cat(positions).argsort()]

    def axes(self, module: str) -> list[Axis]:
        """Return the layouts of the calls of a recurrent module; for a cell, one layout for all calls."""
        axes = self.passed.axes.get(module, [])
        if axes and axes[0].kind == "cell":
            return [Axis(tuple(axis.samples for axis in axes), None, "cell")]
        return axes

    def packing(self, rows: int) -> list[Axis]:
        """Return the layouts of the recurrent calls with this total number of packed rows."""
        for name in self.passed.axes:
            axes = self.axes(name)
            if all(axis.kind == "packed" for axis in axes) and sum(axis.starts[-1] for axis in axes) == rows:
                return axes
        return []

    def tokens(self) -> Tokens:
        """Return the tokens of the last forward."""
        if not self.spots:
            raise CaptureError("No forward has run under this edit yet: call the model inside interp.intervene.")
        axes = next((calls for name in self.passed.axes if (calls := self.axes(name))), [])
        if self.passed.tokens is not None and len(axes) < 2:
            return self.passed.tokens
        if not axes:
            raise CaptureError("Units without a recurrent module need the batch: interp.intervene(model, …, batch=…).")
        lengths = np.stack([axis.lengths.numpy() for axis in axes])
        return Tokens(lengths.sum(0), {}, None, self.passed.first, calls=lengths if len(lengths) > 1 else None)
