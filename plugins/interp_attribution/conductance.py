"""Conductance of units along a straight line from a baseline to the input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError
from interp_attribution.dataset import AttributionData, TokenBatch
from interp_attribution.quadrature import gauss_legendre, integrate_conductance
from interp_attribution.target import TargetReadout

if TYPE_CHECKING:
    from torch import Tensor

Labels = Mapping[str, np.ndarray]

SCOPES = ("recurrence", "readout")  # values of the option scope= of edits


def check_scope(scope: str) -> None:
    """Raise `OptionError` for an unknown scope."""
    if scope not in SCOPES:
        raise OptionError(f"scope= must be 'recurrence' or 'readout'; got {scope!r}.")


@dataclass
class StraightLinePath:
    """Settings of a path integral.

    Attributes
    ----------
    data : AttributionData
        Tokens to explain.
    units : Any
        Units, as `interp.adapters.ActivationGradients` takes them.
    offsets : array (offset,) of int
        Steps of the units, relative to the token's own.
    scope : str
        Scope of the units, see `interp.Edit`: ``recurrence`` or ``readout``.
    n_steps : int
        Number of quadrature nodes.
    names : list of str
        Names of the units in the order of the columns; set by the first forward pass.
    """

    data: AttributionData
    units: Any
    offsets: np.ndarray
    scope: str
    n_steps: int
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PathBatch:
    """Rows of a `TokenBatch` at all nodes: the nodes of a row follow each other, the longest samples come first.

    Attributes
    ----------
    tokens : TokenBatch
        Tokens with their baselines.
    x : Tensor (row x node, step, feature)
        Inputs of the model.
    sample, step, column : Tensor (row x node,)
        See `TokenBatch`.
    weights : Tensor (row x node,)
        Quadrature weights.
    """

    tokens: TokenBatch
    x: Tensor
    sample: Tensor
    step: Tensor
    column: Tensor
    weights: Tensor

    @property
    def lengths(self) -> Tensor:
        """Number of steps of each sample, ``(row x node,)``."""
        return self.tokens.inputs.lengths[self.sample.cpu()]

    def target_value(self, readout: TargetReadout, x: Tensor) -> Tensor:
        """Return the target value at each node, ``(row x node,)``."""
        return readout(self.tokens.inputs(x, self.sample), self.step, self.column, self.lengths)


def make_path_batch(tokens: TokenBatch, n_steps: int) -> PathBatch:
    """Return the inputs at all nodes between baseline and input."""
    import torch

    nodes, weights = (torch.from_numpy(part).to(tokens.x) for part in gauss_legendre(n_steps))
    x = tokens.baseline[:, None] + nodes[None, :, None, None] * (tokens.x - tokens.baseline)[:, None]
    parts = (tokens.sample, tokens.step, tokens.column)
    sample, step, column = (part.repeat_interleave(n_steps) for part in parts)
    return PathBatch(tokens, x.flatten(0, 1), sample, step, column, weights.repeat(len(tokens.token)))


def unit_conductance(
    path: StraightLinePath, tokens: TokenBatch
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return the conductance of units, their values at the nodes, and the target values at both ends.

    Returns
    -------
    conductance : array (row, offset, unit)
        Conductance, NaN where a sample has no such step.
    values : array (row, offset, node, unit)
        Activations at the nodes.
    ends : dict of str to array (row,)
        ``target_value`` and ``baseline_value``.
    """
    import torch

    from interp import intervene
    from interp.adapters import ActivationGradients

    points, leaves = make_path_batch(tokens, path.n_steps), ActivationGradients(path.units, scope=path.scope)
    batch = tokens.inputs.make_batch(points.x, points.sample)
    with intervene(path.data.model, leaves, batch=batch, verify="none"):
        target = points.target_value(path.data.readout, points.x)
        positions = token_positions(leaves.labels, points, path.offsets)
        index = positions.clamp(min=0).reshape(-1)
        parts = leaves.value(index), leaves.gradient(target.sum(), tokens=index)
        path.names = leaves.names
    both_ends = {"target_value": tokens.x, "baseline_value": tokens.baseline}
    with intervene(path.data.model, [], verify="none"), torch.no_grad():
        ends = {name: path.data.target_value(tokens, x) for name, x in both_ends.items()}
    shape = (len(tokens.token), path.n_steps, len(path.offsets), len(path.names))
    values, gradients = (part.double().cpu().numpy().reshape(shape).transpose(0, 2, 1, 3) for part in parts)
    conductance = integrate_conductance(values, gradients)
    conductance[(positions < 0).numpy().reshape(shape[:3])[:, 0]] = np.nan
    return conductance, values, {name: value.double().cpu().numpy() for name, value in ends.items()}


def token_positions(labels: Labels, points: PathBatch, offsets: np.ndarray) -> Tensor:
    """Return the token of a forward pass at each row and offset, ``(row x node, offset)``; -1 where there is none."""
    import torch

    samples = np.arange(len(points.sample))
    first = np.searchsorted(labels["sample"], samples)
    count = np.searchsorted(labels["sample"], samples, side="right") - first
    step = points.step.cpu().numpy()[:, None] + offsets
    exists = (step >= 0) & (step < count[:, None])
    return torch.from_numpy(np.where(exists, first[:, None] + step, -1))


def residual_attribution(path: StraightLinePath, tokens: TokenBatch, values: np.ndarray) -> np.ndarray:
    """Return the attribution of the input that bypasses the units, ``(row,)``.

    The units are clamped to their values along the path, ``values (row, offset, node, unit)``.
    """
    import torch

    from interp import Clamp, intervene

    points, edits = make_path_batch(tokens, path.n_steps), []
    own_step, lengths = points.step.cpu().numpy(), points.lengths.numpy()
    for position, offset in enumerate(path.offsets.tolist()):
        step = own_step + offset
        if ((step >= 0) & (step < lengths)).any():
            clamped = torch.from_numpy(values[:, position].reshape(len(own_step), 1, -1))
            edits.append(Clamp(path.names, clamped, StepMask(step), scope=path.scope))
    x = points.x.requires_grad_()
    batch = tokens.inputs.make_batch(points.x.detach(), points.sample)
    with intervene(path.data.model, edits, batch=batch, verify="none"):
        target = points.target_value(path.data.readout, x)
        if not target.requires_grad:  # nothing bypasses the units
            return np.zeros(len(tokens.token))
        (gradient,) = torch.autograd.grad(target.sum(), x)
    change = (tokens.x - tokens.baseline).repeat_interleave(path.n_steps, 0)
    weighted = (gradient * change).sum((1, 2)) * points.weights
    return np.asarray(weighted.reshape(len(tokens.token), path.n_steps).sum(1).double().cpu().numpy())


@dataclass(frozen=True)
class StepMask:
    """Selects one token per sample, by its step ``(sample,)``, as the option ``at=`` of an edit."""

    step: np.ndarray

    def __call__(self, labels: Labels) -> np.ndarray:
        """Return the mask of the selected tokens, ``(token,)`` of bool."""
        return np.asarray(labels["step"] == self.step[labels["sample"]])
