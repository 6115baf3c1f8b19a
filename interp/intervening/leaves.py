"""Zero leaf tensors added to activations, so that one backward pass returns the gradients of all units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from interp.capturing.layout import Axis
from interp.errors import CaptureError
from interp.intervening.spots import Spot, Spots
from interp.intervening.targets import Target


class Leaf:
    """A `Change` that adds zeros to the steps of one quantity in one call."""

    def __init__(self, spot: Spot, axis: Axis) -> None:
        self.spot, self.axis = spot, axis
        self.steps: tuple[Tensor, ...] = ()
        self.rows = torch.empty(0)

    def __call__(self, value: Tensor, step: int) -> Tensor:
        """Return the value plus the zeros of this step."""
        if not self.steps:
            leaf = zeros(value, (self.axis.starts[-1], value.shape[1]))
            self.rows = value.new_empty(leaf.shape)
            self.spot.leaves.append(leaf)
            self.spot.values.append(self.rows)
            self.steps = torch.split(leaf, list(self.axis.sizes))
        self.rows[self.axis.starts[step] : self.axis.starts[step + 1]] = value.detach()
        return value + self.steps[step]


def zeros(like: Tensor, shape: Any) -> Tensor:
    """Return zeros that require a gradient."""
    if not torch.is_grad_enabled():
        raise CaptureError("Leaves need gradients, which are disabled here: run the model outside of torch.no_grad().")
    return like.new_zeros(shape).requires_grad_()


class Leaves(Spots):
    """Add zeros to units at every token, to compute the gradient with respect to all of them in one backward pass.

    Values do not change. Each forward replaces the zeros of the previous one.

    Parameters
    ----------
    units : str, sequence of str, mapping or Dataset, optional
        As in `Edit`; by default every unit that the model computes, including ``c_prev``.
    seen_by : {"state", "output"}
        ``state``: the gradient along all paths. ``output``: only the gradient through modules that read ``h``, not
        through the recurrence.

    Examples
    --------
    >>> leaves = interp.Leaves({"module": "lstm"})                     # doctest: +SKIP
    >>> with interp.intervene(model, [leaves]):                        # doctest: +SKIP
    ...     logits = model(x)
    >>> leaves.gradient(logits[:, 3, 7].sum())                         # doctest: +SKIP
    """

    def change(self, target: Target, axis: Axis) -> Leaf:
        """Return the change for one call of a recurrent module."""
        return Leaf(self.spot(target), axis)

    def at_output(self, target: Target, layout: str, output: Tensor) -> Tensor:
        """Return an output plus its zeros."""
        spot, leaf = self.spot(target, layout), zeros(output, output.shape)
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
        leaves = [leaf for spot in self.spots.values() for leaf in spot.leaves]
        grads = torch.autograd.grad(target, leaves, retain_graph=retain_graph, allow_unused=True)
        filled = iter(
            torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, grads, strict=True)
        )
        return self.gathered({key: [next(filled) for _ in spot.leaves] for key, spot in self.spots.items()}, tokens)

    def value(self, tokens: Tensor | None = None) -> Tensor:
        """Return the values of the units in the last forward, after all preceding edits, ``(token, unit)``."""
        return self.gathered({key: spot.values for key, spot in self.spots.items()}, tokens)
