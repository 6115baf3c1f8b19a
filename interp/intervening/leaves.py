"""Zeros that are added to quantities while a model runs, so that one backward pass gives all their gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from interp.capturing.layout import Axis
from interp.errors import CaptureError
from interp.intervening.spots import Spot, Spots
from interp.intervening.targets import Target


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


class Leaves(Spots):
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

    def change(self, target: Target, axis: Axis) -> Leaf:
        """Return the change in one call of a recurrent module."""
        return Leaf(self.spot(target), axis)

    def at_output(self, target: Target, layout: str, output: Tensor) -> Tensor:
        """Return an output plus its leaf."""
        spot, leaf = self.spot(target, layout), zeros(output, output.shape)
        spot.leaves.append(leaf)
        spot.values.append(output.detach())
        return output + leaf

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
        self.tokens()
        leaves = [leaf for spot in self.spots.values() for leaf in spot.leaves]
        found = torch.autograd.grad(target, leaves, retain_graph=retain_graph, allow_unused=True)
        given = iter(torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, found, strict=True))
        return self.gathered({key: [next(given) for _ in spot.leaves] for key, spot in self.spots.items()}, tokens)

    def value(self, tokens: Tensor | None = None) -> Tensor:
        """Return what every unit was in the last forward, after the edits before this one, ``(token, unit)``."""
        return self.gathered({key: spot.values for key, spot in self.spots.items()}, tokens)
