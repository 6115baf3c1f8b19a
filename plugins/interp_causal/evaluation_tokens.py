"""The tokens on which an effect is measured, and what lends its values to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SchemaError, UnknownNameError, donor_tokens
from interp_causal.readout import symbol_columns

if TYPE_CHECKING:
    import xarray as xr

Labels = dict[str, np.ndarray]


@dataclass
class Measured:
    """Tokens with one input.

    Attributes
    ----------
    rows : array (token,) of int
        Where they are in the activations.
    outputs : list of str
        What the input can become.
    logits : array (output,) of int
        The columns that stand for them.
    right : array (token,) of int
        Which of them is right.
    source : array (token,)
        Where each token comes from.
    """

    rows: np.ndarray
    outputs: list[str]
    logits: np.ndarray
    right: np.ndarray
    source: np.ndarray

    def of(self, output: str) -> np.ndarray:
        """Return which tokens have an output, ``(token,)`` of bool."""
        if output not in self.outputs:
            raise UnknownNameError(f"This input never becomes {output!r}; it becomes {', '.join(self.outputs)}.")
        return np.asarray(self.right == self.outputs.index(output))

    def part(self, mask: np.ndarray) -> Measured:
        """Return some of the tokens, with all that their input can become."""
        return Measured(self.rows[mask], self.outputs, self.logits, self.right[mask], self.source[mask])


def labels_of(acts: xr.Dataset) -> Labels:
    """Return all labels of tokens."""
    return {str(name): coord.values for name, coord in acts.coords.items() if coord.dims == ("token",)}


def lendable(labels: Labels, given: Sequence[str]) -> np.ndarray:
    """Return which tokens have a donor: a token of another source with the same labels. ``(token,)`` of bool."""
    mixed = np.zeros(len(labels["source"]), np.int64)
    for name in given:
        if name not in labels:
            raise SchemaError(f"given= names the label {name!r}, which these activations lack.")
        _, codes = np.unique(labels[name], return_inverse=True)
        _, mixed = np.unique(mixed * (codes.max(initial=0) + 1) + codes, return_inverse=True)
    _, source = np.unique(labels["source"], return_inverse=True)
    pairs = np.unique(np.stack([mixed, source]), axis=1)
    return np.asarray(np.bincount(pairs[0], minlength=mixed.max(initial=0) + 1)[mixed] > 1)


def measured(acts: xr.Dataset, given: str, names: tuple[str, str], fit: np.ndarray) -> Measured:
    """Return the tokens with one input that are fit to be edited.

    Parameters
    ----------
    acts : Dataset (token, unit)
        With the logits.
    given : str
        The input.
    names : (str, str)
        The labels of input and output.
    fit : array (token,) of bool
        See `lendable`.

    Raises
    ------
    OptionError
        Where the input becomes only one thing, or has no token.
    """
    every = acts[names[0]].values == given
    outputs = [str(output) for output in np.unique(acts[names[1]].values[every])]
    if len(outputs) < 2:
        raise OptionError(f"{given!r} becomes {outputs or 'nothing'} in these activations: there are no odds of that.")
    rows = np.flatnonzero(every & fit)
    if not rows.size:
        raise OptionError(f"No token with {names[0]} {given!r} has a donor of another source; give more activations.")
    right = np.searchsorted(np.array(outputs), acts[names[1]].values[rows].astype(str))
    return Measured(rows, outputs, symbol_columns(acts, outputs), right, acts["source"].values[rows])


class Lent:
    """The values that tokens get instead of their own, for whatever units.

    Parameters
    ----------
    values : array (token, unit)
        Activations.
    labels : mapping of str to array (token,)
        Their labels.
    rows : array (token,) of int
        The tokens that get others' values.
    to, given, draws, seed
        As of `interp.Ablate`.
    kept : bool
        Keep what was found for each unit, for many groups of the same units.
    """

    def __init__(
        self,
        values: Any,
        labels: Labels,
        rows: np.ndarray,
        to: str,
        given: Sequence[str],
        draws: int,
        seed: int,
        kept: bool = False,
    ) -> None:
        self.values, self.rows, self.to, self.kept = values, rows, to, kept
        self.known: dict[int, np.ndarray] = {}
        self.draws = draws if to == "resample" else 1
        mine = {name: held[rows] for name, held in labels.items()}
        if to == "resample":
            self.chosen = donor_tokens(labels, mine, given, draws=draws, seed=seed).reshape(-1)
        elif to == "mean":
            table = [np.unique(labels[name], return_inverse=True)[1] for name in given]
            _, self.group = np.unique(np.stack(table or [np.zeros(len(values), np.int64)]), axis=1, return_inverse=True)
        elif to != "zero":
            raise OptionError(f"to= must be 'resample', 'mean' or 'zero'; got {to!r}.")

    def moved(self, units: np.ndarray) -> np.ndarray:
        """Return by how much units move: ``(draw x token, unit)``, draw after draw."""
        if not self.kept:
            return self._moved(units)
        fresh = np.array([unit for unit in units.tolist() if unit not in self.known], np.int64)
        if fresh.size:
            self.known |= dict(zip(fresh.tolist(), np.ascontiguousarray(self._moved(fresh).T), strict=True))
        return np.stack([self.known[unit] for unit in units.tolist()]).T

    def _moved(self, units: np.ndarray) -> np.ndarray:
        own = self.values[np.ix_(self.rows, units)]
        if self.to == "zero":
            return np.asarray(-own)
        if self.to == "resample":
            return np.asarray(self.values[np.ix_(self.chosen, units)] - np.tile(own, (self.draws, 1)))
        sums = np.zeros((self.group.max() + 1, units.size))
        np.add.at(sums, self.group, self.values[:, units])
        means = sums / np.bincount(self.group)[:, None]
        return np.asarray((means[self.group[self.rows]] - own).astype(own.dtype))


def in_order(acts: xr.Dataset) -> xr.Dataset:
    """Return the tokens sample by sample, step by step: donors are drawn by their place, which is to be the same."""
    order = np.lexsort((acts["step"].values, acts["sample"].values))
    return acts if np.array_equal(order, np.arange(order.size)) else acts.isel(token=order)
