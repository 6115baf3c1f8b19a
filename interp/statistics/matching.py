"""Donor tokens of other sources, matched by labels, and their random selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interp.errors import OptionError, unknown_name_error

Labels = Mapping[str, np.ndarray]


class DonorPool:
    """Donor tokens, grouped by some labels.

    Parameters
    ----------
    labels : mapping of str to array (token,)
        Labels of the donors: ``source`` and every label of ``match_on``.
    match_on : sequence of str
        Labels that a token and its donor share. If empty, any token can be a donor.

    Attributes
    ----------
    n_groups : int
        Number of combinations of labels that occur.
    codes : array (token,) of int64
        Group of each donor.
    """

    def __init__(self, labels: Labels, match_on: Sequence[str]) -> None:
        for name in ("source", *match_on):
            if name not in labels:
                raise unknown_name_error("label of the donors", name, labels)
        self.match_on = tuple(match_on)
        self.label_values = [np.unique(labels[name]) for name in self.match_on]
        combined = self._combination(labels, len(labels["source"]))
        self.combinations, self.codes = np.unique(combined, return_inverse=True)
        self.n_groups = self.combinations.size
        self.sources, source = np.unique(np.asarray(labels["source"]).astype(np.int64), return_inverse=True)
        keys = self.codes * self.sources.size + source
        self.order = np.argsort(keys, kind="stable")
        self.keys = keys[self.order]
        self.starts = np.searchsorted(self.codes[self.order], np.arange(self.n_groups + 1))

    def _combination(self, labels: Labels, n: int) -> np.ndarray:
        """Return the number of each token's combination of labels, -1 if it has a value that no donor has."""
        combined, matched = np.zeros(n, np.int64), np.ones(n, bool)
        for name, donor_values in zip(self.match_on, self.label_values, strict=True):
            if name not in labels:
                raise unknown_name_error("label of the tokens", name, labels)
            values = np.asarray(labels[name])
            index = np.minimum(np.searchsorted(donor_values, values), donor_values.size - 1)
            matched &= donor_values[index] == values
            combined = combined * donor_values.size + index
        return np.where(matched, combined, -1)

    def assign_groups(self, labels: Labels, n: int) -> np.ndarray:
        """Return the group of each of n tokens, -1 if no donor has its labels."""
        combined = self._combination(labels, n)
        index = np.minimum(np.searchsorted(self.combinations, combined), self.n_groups - 1)
        return np.where(self.combinations[index] == combined, index, -1)

    def require_donors(self, labels: Labels, missing: np.ndarray, why: str) -> None:
        """Raise `OptionError` if some tokens have no donor; the message has the labels of the first."""
        if not missing.any():
            return
        first = int(missing.argmax())
        shared = ", ".join(f"{name}={labels[name][first].item()!r}" for name in self.match_on) or "any labels"
        raise OptionError(
            f"No donor for {int(missing.sum())} of {missing.size} tokens: {why} with {shared}, as sample "
            f"{int(labels['sample'][first])} (source {int(labels['source'][first])}) has at step "
            f"{int(labels['step'][first])}. Give more donors=, fewer labels in match_on=, or restrict the "
            "edit with at=."
        )

    def draw(self, labels: Labels, number: int, seed: int) -> np.ndarray:
        """Return a random donor for each token: a token of another source with the same labels.

        The choice depends only on the sample and step of the token, the seed and the number of the draw, and not on the
        split into batches.

        Parameters
        ----------
        labels : mapping of str to array (token,)
            Labels of the tokens: ``sample``, ``step``, ``source`` and those of ``match_on``.
        number : int
            Number of the draw.
        seed : int
            Random seed of all draws.

        Returns
        -------
        array (token,) of int64
            Indices of the donors.

        Raises
        ------
        OptionError
            If a token has no donor; the message has its labels.
        """
        sources = np.asarray(labels["source"]).astype(np.int64)
        group = self.assign_groups(labels, sources.size)
        self.require_donors(labels, group < 0, "no donor token")
        start, stop = self.starts[group], self.starts[group + 1]
        source = np.minimum(np.searchsorted(self.sources, sources), self.sources.size - 1)
        own = np.where(self.sources[source] == sources, group * self.sources.size + source, -1)
        low, high = np.searchsorted(self.keys, own, "left"), np.searchsorted(self.keys, own, "right")
        others = (stop - start) - (high - low)
        self.require_donors(labels, others < 1, "no other source has a donor token")
        fraction = uniform_hash(seed, number, labels["sample"], labels["step"])
        index = start + np.minimum((fraction * others).astype(np.int64), others - 1)
        return np.asarray(self.order[np.where(index >= low, index + (high - low), index)])


def uniform_hash(seed: int, number: int, sample: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return a uniform number in [0, 1) for each token, as a hash of the arguments.

    The hash applies the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", 2014) once for each argument.
    """
    state = np.zeros(np.shape(sample), np.uint64)
    with np.errstate(over="ignore"):
        for part in (seed, number, sample, step):
            state = state + np.asarray(part).astype(np.int64).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def match_donors(
    donors: Labels, tokens: Labels, match_on: Sequence[str] = ("input",), *, n_draws: int = 8, seed: int = 0
) -> np.ndarray:
    """Return the donor of each token: a random token of another source with the same labels.

    These are the donors of ``Ablate(replace_with="resample")`` with the same options.

    Parameters
    ----------
    donors, tokens : mapping of str to array
        Labels with one value per token: ``source`` and those of ``match_on``; ``tokens`` also needs ``sample`` and
        ``step``. The coords of a dataset, ``acts.coords``, can be passed.
    match_on : sequence of str
        Labels that a token and its donor share.
    n_draws : int
        Number of draws per token.
    seed : int
        Random seed of the draws.

    Returns
    -------
    array (draw, token) of int64
        Indices of the donors.

    Raises
    ------
    OptionError
        If a token has no donor; the message has its labels.
    """
    donor_labels = {str(name): np.asarray(values) for name, values in donors.items() if name in ("source", *match_on)}
    required = ("sample", "step", "source", *match_on)
    labels: dict[str, Any] = {str(name): np.asarray(values) for name, values in tokens.items() if name in required}
    pool = DonorPool(donor_labels, match_on)
    return np.stack([pool.draw(labels, number, seed) for number in range(n_draws)])
