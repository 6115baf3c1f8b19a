"""Tokens at which an effect is evaluated, and the donor values that replace their activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SchemaError, UnknownNameError
from interp.statistics import match_donors
from interp_causal.linear_readout import symbol_columns

if TYPE_CHECKING:
    import xarray as xr

Labels = dict[str, np.ndarray]


@dataclass
class EvaluationTokens:
    """Tokens with one input.

    Attributes
    ----------
    rows : array (token,) of int
        Positions in the activations.
    outputs : list of str
        Possible outputs of the input.
    logits : array (output,) of int
        Columns of their logits.
    correct : array (token,) of int
        Position of the correct output in ``outputs``.
    source : array (token,)
        Source of each token.
    """

    rows: np.ndarray
    outputs: list[str]
    logits: np.ndarray
    correct: np.ndarray
    source: np.ndarray

    def has_output(self, output: str) -> np.ndarray:
        """Return the mask of tokens with an output, ``(token,)`` of bool; `UnknownNameError` if no token has it."""
        if output not in self.outputs:
            raise UnknownNameError(f"This input never becomes {output!r}; it becomes {', '.join(self.outputs)}.")
        return np.asarray(self.correct == self.outputs.index(output))

    def subset(self, mask: np.ndarray) -> EvaluationTokens:
        """Return the tokens in a mask ``(token,)``, with all possible outputs of their input."""
        return EvaluationTokens(self.rows[mask], self.outputs, self.logits, self.correct[mask], self.source[mask])


def token_labels(acts: xr.Dataset) -> Labels:
    """Return all labels of tokens, ``(token,)`` each."""
    return {str(name): coord.values for name, coord in acts.coords.items() if coord.dims == ("token",)}


def has_donor(labels: Labels, match_on: Sequence[str]) -> np.ndarray:
    """Return the mask of tokens with a donor, ``(token,)`` of bool.

    A donor is a token of another source with equal labels ``match_on``.
    """
    stratum = np.zeros(len(labels["source"]), np.int64)
    for name in match_on:
        if name not in labels:
            raise SchemaError(
                f"match_on= names the label {name!r}, which these activations lack. Labels: {', '.join(labels)}."
            )
        _, codes = np.unique(labels[name], return_inverse=True)
        _, stratum = np.unique(stratum * (codes.max(initial=0) + 1) + codes, return_inverse=True)
    _, source = np.unique(labels["source"], return_inverse=True)
    pairs = np.unique(np.stack([stratum, source]), axis=1)
    return np.asarray(np.bincount(pairs[0], minlength=stratum.max(initial=0) + 1)[stratum] > 1)


def select_tokens(acts: xr.Dataset, symbol: str, labels: tuple[str, str], mask: np.ndarray) -> EvaluationTokens:
    """Return the tokens with one input, among those in a mask.

    Parameters
    ----------
    acts : Dataset (token, unit)
        Activations with the logits.
    symbol : str
        Value of the input label.
    labels : (str, str)
        Names of the labels of input and output.
    mask : array (token,) of bool
        Tokens with a donor, see `has_donor`.

    Raises
    ------
    OptionError
        If the input has only one output, or no token.
    """
    has_symbol = acts[labels[0]].values == symbol
    outputs = [str(output) for output in np.unique(acts[labels[1]].values[has_symbol])]
    if len(outputs) < 2:
        raise OptionError(
            f"{symbol!r} becomes {outputs or 'nothing'} in these activations: log-odds require at least two outputs. "
            "Choose another input."
        )
    rows = np.flatnonzero(has_symbol & mask)
    if not rows.size:
        raise OptionError(f"No token with {labels[0]} {symbol!r} has a donor of another source; pass more activations.")
    correct = np.searchsorted(np.array(outputs), acts[labels[1]].values[rows].astype(str))
    return EvaluationTokens(rows, outputs, symbol_columns(acts, outputs), correct, acts["source"].values[rows])


class DonorValues:
    """Replacement values of tokens, for any units.

    Parameters
    ----------
    values : array (token, unit)
        Activations.
    labels : mapping of str to array (token,)
        Labels of the activations.
    rows : array (token,) of int
        Tokens whose values are replaced.
    replace_with : {"resample", "mean", "zero"}
        Replacement, see `interp.Ablate`.
    match_on : sequence of str
        Labels that donors share with the token.
    n_draws : int
        Number of donors per token, for ``"resample"``.
    seed : int
        Random seed for the donors.
    cache : bool
        Keep the values of each unit, for many groups of the same units.
    """

    def __init__(
        self,
        values: Any,
        labels: Labels,
        rows: np.ndarray,
        replace_with: str,
        match_on: Sequence[str],
        n_draws: int,
        seed: int,
        cache: bool = False,
    ) -> None:
        self.values, self.rows, self.replace_with, self.cache = values, rows, replace_with, cache
        self._cached: dict[int, np.ndarray] = {}
        self.draws = n_draws if replace_with == "resample" else 1
        own = {name: column[rows] for name, column in labels.items()}
        if replace_with == "resample":
            self.donors = match_donors(labels, own, match_on, n_draws=n_draws, seed=seed).reshape(-1)
        elif replace_with == "mean":
            table = [np.unique(labels[name], return_inverse=True)[1] for name in match_on]
            table = table or [np.zeros(len(values), np.int64)]
            _, self.stratum = np.unique(np.stack(table), axis=1, return_inverse=True)
        elif replace_with != "zero":
            raise OptionError(f"replace_with= must be 'resample', 'mean' or 'zero'; got {replace_with!r}.")

    def change(self, units: np.ndarray) -> np.ndarray:
        """Return replacement minus captured value, ``(draw x token, unit)``, draw after draw."""
        if not self.cache:
            return self._change(units)
        missing = np.array([unit for unit in units.tolist() if unit not in self._cached], np.int64)
        if missing.size:
            self._cached |= dict(zip(missing.tolist(), np.ascontiguousarray(self._change(missing).T), strict=True))
        return np.stack([self._cached[unit] for unit in units.tolist()]).T

    def _change(self, units: np.ndarray) -> np.ndarray:
        own = self.values[np.ix_(self.rows, units)]
        if self.replace_with == "zero":
            return np.asarray(-own)
        if self.replace_with == "resample":
            return np.asarray(self.values[np.ix_(self.donors, units)] - np.tile(own, (self.draws, 1)))
        sums = np.zeros((self.stratum.max() + 1, units.size))
        np.add.at(sums, self.stratum, self.values[:, units])
        means = sums / np.bincount(self.stratum)[:, None]
        return np.asarray((means[self.stratum[self.rows]] - own).astype(own.dtype))


def sort_tokens(acts: xr.Dataset) -> xr.Dataset:
    """Return the tokens sorted by sample and step: donors are drawn by position, which must not depend on the order."""
    order = np.lexsort((acts["step"].values, acts["sample"].values))
    return acts if np.array_equal(order, np.arange(order.size)) else acts.isel(token=order)
