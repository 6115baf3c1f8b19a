"""Units along a straight line from a baseline to the input: their values, their gradients, and what they carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from interp_attribution.numbers import conductance, nodes
from interp_attribution.readout import Readout
from interp_attribution.setting import Rows, Setting

if TYPE_CHECKING:
    from torch import Tensor

Labels = Mapping[str, np.ndarray]


@dataclass
class Path:
    """What is followed.

    Attributes
    ----------
    units : Any
        As of `interp.Leaves`.
    offsets : array (offset,) of int
        Steps of the units, from the token's own.
    seen_by : str
        As of `interp.Leaves`.
    nodes : int
        Of the rule.
    names : list of str
        The units in the order of the columns; known after the first forward.
    """

    setting: Setting
    units: Any
    offsets: np.ndarray
    seen_by: str
    nodes: int
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """Some rows at all nodes: each row's nodes one after the other, the longest rows first.

    Attributes
    ----------
    x : Tensor (row x node, step, feature)
        What the model gets.
    index, at, column, lengths : Tensor (row x node,)
        As of `Rows`.
    weights : Tensor (row x node,)
        Of the rule.
    """

    rows: Rows
    x: Tensor
    index: Tensor
    at: Tensor
    column: Tensor
    weights: Tensor

    @property
    def lengths(self) -> Tensor:
        """Steps of each row's sample."""
        return self.rows.feed.lengths[self.index.cpu()]

    def number(self, readout: Readout, x: Tensor) -> Tensor:
        """Return the number at each node."""
        return readout(self.rows.feed(x, self.index), self.at, self.column, self.lengths)


def line(rows: Rows, number: int) -> Line:
    """Return the nodes of some rows."""
    import torch

    places, weights = (torch.from_numpy(part).to(rows.x) for part in nodes(number))
    x = rows.reference[:, None] + places[None, :, None, None] * (rows.x - rows.reference)[:, None]
    index, at, column = (part.repeat_interleave(number) for part in (rows.index, rows.at, rows.column))
    return Line(rows, x.flatten(0, 1), index, at, column, weights.repeat(len(rows.token)))


def carried(path: Path, rows: Rows) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return what units carry, what they are at the nodes, and the number at both ends.

    Returns
    -------
    conductance : array (row, offset, unit)
        NaN where a sample has no such step.
    values : array (row, offset, node, unit)
        Of the units.
    ends : dict of str to array (row,)
        ``value`` and ``baseline_value``.
    """
    import torch

    from interp import Leaves, intervene

    points, leaves = line(rows, path.nodes), Leaves(path.units, seen_by=path.seen_by)
    batch = rows.feed.inputs(points.x, points.index)
    with intervene(path.setting.model, leaves, batch=batch, check="none"):
        number = points.number(path.setting.readout, points.x)
        place = places_of(leaves.labels, points, path.offsets)
        tokens = place.clamp(min=0).reshape(-1)
        parts = leaves.value(tokens), leaves.gradient(number.sum(), tokens=tokens)
        path.names = leaves.names
    with intervene(path.setting.model, [], check="none"), torch.no_grad():
        ends = {
            name: path.setting.number(rows, x) for name, x in (("value", rows.x), ("baseline_value", rows.reference))
        }
    shape = (len(rows.token), path.nodes, len(path.offsets), len(path.names))
    values, ways = (part.double().cpu().numpy().reshape(shape).transpose(0, 2, 1, 3) for part in parts)
    found = conductance(values, ways)
    found[(place < 0).numpy().reshape(shape[:3])[:, 0]] = np.nan
    return found, values, {name: held.double().cpu().numpy() for name, held in ends.items()}


def places_of(labels: Labels, points: Line, offsets: np.ndarray) -> Tensor:
    """Return which token of a forward each row and offset is, ``(row x node, offset)``; -1 where there is none."""
    import torch

    samples = np.arange(len(points.index))
    first = np.searchsorted(labels["sample"], samples)
    count = np.searchsorted(labels["sample"], samples, side="right") - first
    step = points.at.cpu().numpy()[:, None] + offsets
    there = (step >= 0) & (step < count[:, None])
    return torch.from_numpy(np.where(there, first[:, None] + step, -1))


def around(path: Path, rows: Rows, values: np.ndarray) -> np.ndarray:
    """Return what the input gives to the number while units are held at what they are along the path, ``(row,)``."""
    import torch

    from interp import Clamp, intervene

    points, edits = line(rows, path.nodes), []
    at, lengths = points.at.cpu().numpy(), points.lengths.numpy()
    for place, offset in enumerate(path.offsets.tolist()):
        step = at + offset
        if ((step >= 0) & (step < lengths)).any():
            held = torch.from_numpy(values[:, place].reshape(len(at), 1, -1))
            edits.append(Clamp(path.names, held, At(step), seen_by=path.seen_by))
    x = points.x.requires_grad_()
    batch = rows.feed.inputs(points.x.detach(), points.index)
    with intervene(path.setting.model, edits, batch=batch, check="none"):
        number = points.number(path.setting.readout, x)
        if not number.requires_grad:  # nothing goes around
            return np.zeros(len(rows.token))
        (slope,) = torch.autograd.grad(number.sum(), x)
    moved = (rows.x - rows.reference).repeat_interleave(path.nodes, 0)
    given = ((slope * moved).sum((1, 2)) * points.weights).reshape(len(rows.token), path.nodes).sum(1)
    return np.asarray(given.double().cpu().numpy())


@dataclass(frozen=True)
class At:
    """Says of each token whether it is at the step of its sample, where units are held."""

    step: np.ndarray

    def __call__(self, labels: Labels) -> np.ndarray:
        """Return a boolean a token."""
        return np.asarray(labels["step"] == self.step[labels["sample"]])
