"""Tokens of other sources that lend their values: which, and how they are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interp.errors import OptionError, unknown

Labels = Mapping[str, np.ndarray]


class Pool:
    """Tokens that can lend their values, grouped by some labels.

    Parameters
    ----------
    labels : mapping of str to array (token,)
        Of the donors; ``source`` and every label of ``given``.
    given : sequence of str
        Labels that a token and its donor share; none lets any token be a donor.

    Attributes
    ----------
    groups : int
        Combinations of labels that occur.
    codes : array (token,) of int64
        The group of each donor.
    """

    def __init__(self, labels: Labels, given: Sequence[str]) -> None:
        for name in ("source", *given):
            if name not in labels:
                raise unknown("label of the donors", name, labels)
        self.given = tuple(given)
        self.known = [np.unique(labels[name]) for name in self.given]
        mixed = self._mixed(labels, len(labels["source"]))
        self.mixes, self.codes = np.unique(mixed, return_inverse=True)
        self.groups = self.mixes.size
        self.sources, source = np.unique(np.asarray(labels["source"]).astype(np.int64), return_inverse=True)
        keys = self.codes * self.sources.size + source
        self.order = np.argsort(keys, kind="stable")
        self.keys = keys[self.order]
        self.starts = np.searchsorted(self.codes[self.order], np.arange(self.groups + 1))

    def _mixed(self, labels: Labels, n: int) -> np.ndarray:
        """Return one number for each combination of labels, -1 for one with a value that no donor has."""
        mixed, fits = np.zeros(n, np.int64), np.ones(n, bool)
        for name, known in zip(self.given, self.known, strict=True):
            if name not in labels:
                raise unknown("label of the tokens", name, labels)
            values = np.asarray(labels[name])
            found = np.minimum(np.searchsorted(known, values), known.size - 1)
            fits &= known[found] == values
            mixed = mixed * known.size + found
        return np.where(fits, mixed, -1)

    def group(self, labels: Labels, n: int) -> np.ndarray:
        """Return the group of each of n tokens, -1 where no donor has its labels."""
        mixed = self._mixed(labels, n)
        found = np.minimum(np.searchsorted(self.mixes, mixed), self.groups - 1)
        return np.where(self.mixes[found] == mixed, found, -1)

    def check(self, labels: Labels, missing: np.ndarray, why: str) -> None:
        """Raise `OptionError` where some tokens have no donor; the text has the labels of the first."""
        if not missing.any():
            return
        first = int(missing.argmax())
        shared = ", ".join(f"{name}={labels[name][first].item()!r}" for name in self.given) or "any labels"
        raise OptionError(
            f"No donor for {int(missing.sum())} of {missing.size} tokens: {why} with {shared}, as sample "
            f"{int(labels['sample'][first])} (source {int(labels['source'][first])}) has at step "
            f"{int(labels['step'][first])}. Give more donors=, fewer labels in given=, or say with at= which "
            "tokens to edit."
        )

    def draw(self, labels: Labels, number: int, seed: int) -> np.ndarray:
        """Return a donor for each token: another source's, with the same labels.

        Which one depends on the token's sample and step, the seed and the number of the draw alone, so that batches
        may be cut anywhere.

        Parameters
        ----------
        labels : mapping of str to array (token,)
            Of the tokens; ``sample``, ``step``, ``source`` and those given.
        number : int
            Of the draw.
        seed : int
            Of all draws.

        Returns
        -------
        array (token,) of int64
            Positions among the donors.

        Raises
        ------
        OptionError
            Where a token has none; the text says which.
        """
        sources = np.asarray(labels["source"]).astype(np.int64)
        group = self.group(labels, sources.size)
        self.check(labels, group < 0, "no donor token")
        start, stop = self.starts[group], self.starts[group + 1]
        source = np.minimum(np.searchsorted(self.sources, sources), self.sources.size - 1)
        own = np.where(self.sources[source] == sources, group * self.sources.size + source, -1)
        low, high = np.searchsorted(self.keys, own, "left"), np.searchsorted(self.keys, own, "right")
        others = (stop - start) - (high - low)
        self.check(labels, others < 1, "no other source has a donor token")
        chance = uniform(seed, number, labels["sample"], labels["step"])
        place = start + np.minimum((chance * others).astype(np.int64), others - 1)
        return np.asarray(self.order[np.where(place >= low, place + (high - low), place)])


def uniform(seed: int, number: int, sample: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return a number in 0..1 for each token that depends on nothing but the arguments.

    The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), once
    for each part of the key.
    """
    state = np.zeros(np.shape(sample), np.uint64)
    with np.errstate(over="ignore"):
        for part in (seed, number, sample, step):
            state = state + np.asarray(part).astype(np.int64).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def donor_tokens(
    donors: Labels, tokens: Labels, given: Sequence[str] = ("input",), *, draws: int = 8, seed: int = 0
) -> np.ndarray:
    """Return which donor lends its values to each token: one of another source with the same given labels.

    These are the donors of ``Ablate(to="resample")`` with the same options.

    Parameters
    ----------
    donors, tokens : mapping of str to array
        Labels, one value a token; ``source`` and those of ``given``, and of the tokens ``sample`` and ``step``. A
        dataset's coords will do: ``acts.coords``.
    given : sequence of str
        Labels that a token and its donor share.
    draws : int
        How many for each token.
    seed : int
        Of the draws.

    Returns
    -------
    array (draw, token) of int64
        Positions among the donors.

    Raises
    ------
    OptionError
        Where a token has no donor; the text says which.
    """
    held = {str(name): np.asarray(values) for name, values in donors.items() if name in ("source", *given)}
    needed = ("sample", "step", "source", *given)
    asked: dict[str, Any] = {str(name): np.asarray(values) for name, values in tokens.items() if name in needed}
    pool = Pool(held, given)
    return np.stack([pool.draw(asked, number, seed) for number in range(draws)])
