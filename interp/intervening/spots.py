"""Edits that keep what they meet: which values of which calls belong to which tokens."""

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
    """What is kept of one quantity of one module, layer and direction: one tensor a call.

    Attributes
    ----------
    layout : str
        Of an output that is read as it stands; empty for the quantities of recurrent modules.
    leaves, values : list of Tensor
        Of each call; of a recurrent module ``(row, size)``, as packed, else in the shape of the output.
    """

    target: Target
    layout: str = ""
    leaves: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


class Spots(Edit):
    """An edit that keeps the values of its units at every token, of the last forward.

    Parameters
    ----------
    units, seen_by
        As of `Edit`.
    """

    def __init__(self, units: Any = None, *, seen_by: str = "state") -> None:
        super().__init__(units, seen_by=seen_by)
        self.every: list[str] = []
        self.spots: dict[Key, Spot] = {}
        self.passed = Pass()

    @abstractmethod
    def change(self, target: Target, axis: Axis) -> Change:
        """Return the change in one call of a recurrent module."""

    @abstractmethod
    def at_output(self, target: Target, layout: str, output: Tensor) -> Tensor:
        """Return an output of a module, changed."""

    def rows(self, labels: Labels, n: int, draw: int) -> np.ndarray:  # noqa: ARG002
        """Return 0 for every token."""
        return np.zeros(n, np.int64)

    def values(self, names: Sequence[str]) -> Tensor:
        """Return nothing to put in place."""
        return torch.zeros(1, len(names))

    def begin(self, names: list[str], passed: Pass) -> None:
        """Be told that another forward begins."""
        self.every, self.spots, self.passed = names, {}, passed

    def spot(self, target: Target, layout: str = "") -> Spot:
        """Return the spot of some units, made when they are first met."""
        key = (target.module, target.layer, target.direction, target.quantity)
        return self.spots.setdefault(key, Spot(target, layout))

    @property
    def names(self) -> list[str]:
        """The units, in the order of the columns: those that the last forward computed."""
        found = sorted(int(place) for spot in self.spots.values() for place in spot.target.places)
        return [self.every[place] for place in found]

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """The labels of the last forward's tokens, in the order of the rows: ``sample``, ``step``, … ``(token,)``."""
        return self.tokens().labels

    def gathered(self, parts: dict[Key, list[Tensor]], some: Tensor | None) -> Tensor:
        """Return values of each call as ``(token, unit)``, of all tokens or some."""
        tokens, columns, places = self.tokens(), [], []
        chosen: Any = slice(None) if some is None else some
        for key, spot in self.spots.items():
            calls, axes = parts[key], self.axes(key[0])
            if spot.layout:
                rows = read_rows(calls, spot.layout, tokens, self.packing(sum(map(len, calls))))[chosen]
            else:
                whole = torch.cat(calls) if len(calls) > 1 else calls[0]
                rows = whole[loose_rows(axes, tokens)[chosen].to(whole.device)]
            columns.append(rows[:, spot.target.columns.to(rows.device)])
            places.append(spot.target.places)
        return torch.cat(columns, 1)[:, torch.cat(places).argsort()]

    def axes(self, module: str) -> list[Axis]:
        """Return the axes of the calls of a recurrent module; of a cell one for all."""
        axes = self.passed.axes.get(module, [])
        if axes and axes[0].kind == "cell":
            return [Axis(tuple(axis.samples for axis in axes), None, "cell")]
        return axes

    def packing(self, rows: int) -> list[Axis]:
        """Return the axes of the recurrent calls that have so many packed rows in all."""
        for name in self.passed.axes:
            axes = self.axes(name)
            if all(axis.kind == "packed" for axis in axes) and sum(axis.starts[-1] for axis in axes) == rows:
                return axes
        return []

    def tokens(self) -> Tokens:
        """Return the tokens of the last forward."""
        if not self.spots:
            raise CaptureError("No forward has run under this edit yet: call the model inside interp.intervene.")
        axes = next((found for name in self.passed.axes if (found := self.axes(name))), [])
        if self.passed.tokens is not None and len(axes) < 2:
            return self.passed.tokens
        if not axes:
            raise CaptureError("Units without a recurrent module need the batch: interp.intervene(model, …, batch=…).")
        calls = np.stack([axis.lengths.numpy() for axis in axes])
        return Tokens(calls.sum(0), {}, None, self.passed.first, calls=calls if len(calls) > 1 else None)
