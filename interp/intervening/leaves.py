"""Zeros that are added to quantities while a model runs, so that one backward pass gives all their gradients."""

from __future__ import annotations

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


@dataclass
class Spot:
    """The leaves of one quantity of one module, layer and direction: one tensor a call.

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


class Leaf:
    """Adds zeros to the steps of one quantity in one call; a `Change`."""

    def __init__(self, spot: Spot, axis: Axis) -> None:
        self.spot, self.axis = spot, axis
        self.steps: tuple[Tensor, ...] = ()
        self.rows = torch.empty(0)

    def __call__(self, value: Tensor, step: int) -> Tensor:
        """Return the value plus the leaf of the step."""
        if not self.steps:
            leaf = zeros(value, (self.axis.starts[-1], value.shape[1]))
            self.rows = value.new_empty(leaf.shape)
            self.spot.leaves.append(leaf)
            self.spot.values.append(self.rows)
            self.steps = torch.split(leaf, list(self.axis.sizes))
        self.rows[self.axis.starts[step] : self.axis.starts[step + 1]] = value.detach()
        return value + self.steps[step]


def zeros(like: Tensor, shape: Any) -> Tensor:
    """Return zeros that ask for a gradient."""
    if not torch.is_grad_enabled():
        raise CaptureError("Leaves need gradients, and they are switched off here: run outside of torch.no_grad().")
    return like.new_zeros(shape).requires_grad_()


class Leaves(Edit):
    """Adds a zero to units at every token, to have the gradient with respect to all of them in one backward pass.

    Values stay what they are. Each forward replaces the leaves of the one before.

    Parameters
    ----------
    units : str, sequence of str, mapping or Dataset, optional
        As of `Edit`; by default every unit that the model computes, ``c_prev`` among them.
    seen_by : {"state", "output"}
        ``state``: the gradient along all ways. ``output``: only through what reads ``h``, not through the recurrence.

    Examples
    --------
    >>> leaves = interp.Leaves({"module": "lstm"})                     # doctest: +SKIP
    >>> with interp.intervene(model, [leaves]):                        # doctest: +SKIP
    ...     logits = model(x)
    >>> leaves.gradient(logits[:, 3, 7].sum())                         # doctest: +SKIP
    """

    def __init__(self, units: Any = None, *, seen_by: str = "state") -> None:
        super().__init__(units, seen_by=seen_by)
        self.every: list[str] = []
        self.spots: dict[tuple[str, int, str, str], Spot] = {}
        self.passed = Pass()

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

    def change(self, target: Target, axis: Axis) -> Leaf:
        """Return the change in one call of a recurrent module."""
        return Leaf(self.spot(target), axis)

    def at_output(self, target: Target, layout: str, output: Tensor) -> Tensor:
        """Return an output plus its leaf."""
        spot, leaf = self.spot(target, layout), zeros(output, output.shape)
        spot.leaves.append(leaf)
        spot.values.append(output.detach())
        return output + leaf

    @property
    def names(self) -> list[str]:
        """The units, in the order of the columns: those that the last forward computed."""
        found = sorted(int(place) for spot in self.spots.values() for place in spot.target.places)
        return [self.every[place] for place in found]

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """The labels of the last forward's tokens, in the order of the rows: ``sample``, ``step``, … ``(token,)``."""
        return self._tokens().labels

    def gradient(self, target: Tensor, *, retain_graph: bool = False, tokens: Tensor | None = None) -> Tensor:
        """Return the gradient of a number with respect to every unit at every token.

        Parameters
        ----------
        target : Tensor ()
            Computed by the last forward.
        retain_graph : bool
            Whether another gradient follows.
        tokens : Tensor (token,) of int, optional
            Which tokens are returned, by their place in `labels`; a few of many are much faster.

        Returns
        -------
        Tensor (token, unit)
            Tokens sample by sample, step by step; units as in `names`.
        """
        self._tokens()
        leaves = [leaf for spot in self.spots.values() for leaf in spot.leaves]
        found = torch.autograd.grad(target, leaves, retain_graph=retain_graph, allow_unused=True)
        given = iter(torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, found, strict=True))
        return self._gathered({key: [next(given) for _ in spot.leaves] for key, spot in self.spots.items()}, tokens)

    def value(self, tokens: Tensor | None = None) -> Tensor:
        """Return what every unit was in the last forward, after the edits before this one, ``(token, unit)``."""
        return self._gathered({key: spot.values for key, spot in self.spots.items()}, tokens)

    def _gathered(self, parts: dict[tuple[str, int, str, str], list[Tensor]], some: Tensor | None) -> Tensor:
        tokens, columns, places = self._tokens(), [], []
        chosen: Any = slice(None) if some is None else some
        for key, spot in self.spots.items():
            calls, axes = parts[key], self._axes(key[0])
            if spot.layout:
                rows = read_rows(calls, spot.layout, tokens, self._packing(sum(map(len, calls))))[chosen]
            else:
                whole = torch.cat(calls) if len(calls) > 1 else calls[0]
                rows = whole[loose_rows(axes, tokens)[chosen].to(whole.device)]
            columns.append(rows[:, spot.target.columns.to(rows.device)])
            places.append(spot.target.places)
        return torch.cat(columns, 1)[:, torch.cat(places).argsort()]

    def _axes(self, module: str) -> list[Axis]:
        axes = self.passed.axes.get(module, [])
        if axes and axes[0].kind == "cell":
            return [Axis(tuple(axis.samples for axis in axes), None, "cell")]
        return axes

    def _packing(self, rows: int) -> list[Axis]:
        for name in self.passed.axes:
            axes = self._axes(name)
            if all(axis.kind == "packed" for axis in axes) and sum(axis.starts[-1] for axis in axes) == rows:
                return axes
        return []

    def _tokens(self) -> Tokens:
        """Return the tokens of the last forward."""
        if not self.spots:
            raise CaptureError("No forward has run under these leaves yet: call the model inside interp.intervene.")
        axes = next((found for name in self.passed.axes if (found := self._axes(name))), [])
        if self.passed.tokens is not None and len(axes) < 2:
            return self.passed.tokens
        if not axes:
            raise CaptureError("Leaves without a recurrent module need the batch: interp.intervene(model, …, batch=…).")
        calls = np.stack([axis.lengths.numpy() for axis in axes])
        return Tokens(calls.sum(0), {}, None, self.passed.first, calls=calls if len(calls) > 1 else None)
