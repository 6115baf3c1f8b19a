"""A smoothed n-gram over codes: counted with arrays, looked up in dictionaries."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile, ZipFile

import numpy as np

from interp import OptionError, WeightsError

MIN_MASS = 1e-9
STEPS_PER_NAT, ZERO_BYTE = 12, 24  # of a log value stored as a byte: 12 steps per nat, from +2 nats down
MAX_UNPACKED_BYTES = 256_000_000
BOUNDARY = 0  # code before the first and after the last code of each sequence


class NGram:
    """Interpolated n-gram probabilities with modified Kneser-Ney discounts.

    Parameters
    ----------
    size : int
        Codes are 0..size-1; 0 marks both ends of a sequence and must not occur in it.
    order : int
        Length of the longest n-gram, at least 2.

    Raises
    ------
    OptionError
        If the order is below 2, or keys of ``order`` codes don't fit into 63 bits.

    Notes
    -----
    Chen and Goodman (1999), "An empirical study of smoothing techniques for language modeling", section 3:
    ``p(w | h) = (c(hw) - D(c(hw))) / c(h) + g(h) p(w | h')``, where ``h'`` is ``h`` without its first code, ``g``
    normalises, and below the highest order ``c`` is the number of distinct preceding codes. N-grams that begin with
    the boundary keep their plain counts, because nothing else precedes it. The last ``h'`` is the uniform
    distribution.
    """

    def __init__(self, size: int, order: int = 6) -> None:
        self.size, self.order, self.bits = size, order, max(1, (size - 1).bit_length())
        if order < 2 or order * self.bits > 63:
            raise OptionError(f"order must be 2..{63 // self.bits} with {size} symbols, got {order}.")
        self._masks = [(1 << self.bits * length) - 1 for length in range(order + 1)]
        self._logs: list[dict[int, float]] = []
        self._weights: list[dict[int, float]] = []

    @property
    def is_fitted(self) -> bool:
        """True if there are counts, after `fit` or `load`."""
        return bool(self._logs)

    def fit(self, sequences: Iterable[np.ndarray], cutoffs: Sequence[int] = ()) -> None:
        """Count sequences of codes, discarding earlier counts.

        Parameters
        ----------
        sequences : iterable of array (code,)
        cutoffs : sequence of int
            For each length from 1, the count below which n-grams are dropped; the last one holds for longer n-grams
            too. The weights of the shorter contexts grow, so that probabilities still sum to 1.
        """
        keys, counts = np.unique(self._windows(list(sequences)), return_counts=True)
        plain = [(keys, counts)]
        for length in range(self.order - 1, 0, -1):
            plain.insert(0, _sum_by_key(keys & self._masks[length], counts))
        lower: tuple[np.ndarray, np.ndarray] | None = None
        self._logs, self._weights, is_complete = [], [], True
        for length in range(1, self.order + 1):
            keys, counts = self._smoothing_counts(plain, length)
            probability, contexts, weight = self._smooth(keys, counts, length, lower)
            lower = keys, probability
            mask = counts >= (cutoffs[min(length, len(cutoffs)) - 1] if cutoffs and length > 1 else 1)
            is_complete = is_complete and bool(mask.all())
            if not is_complete:
                keys, probability = keys[mask], probability[mask]
                contexts, weight = self._renormalise(keys, probability, length)
            self._logs.append(dict(zip(keys.tolist(), np.log(probability).tolist(), strict=True)))
            self._weights.append(dict(zip(contexts.tolist(), np.log(weight).tolist(), strict=True)))
            if length == 1:
                self._add_unseen()

    def _add_unseen(self) -> None:
        """Give every unseen code its share of the uniform distribution."""
        (empty_context_weight,) = self._weights[0].values()
        for code in range(self.size):
            self._logs[0].setdefault(code, empty_context_weight - float(np.log(self.size)))

    def _renormalise(self, keys: np.ndarray, probability: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the contexts of the remaining n-grams, and the backoff weights with which they sum to 1."""
        contexts, group = np.unique(keys >> self.bits, return_inverse=True)
        mask = self._masks[length - 1]
        shorter = np.exp([self._log_prob(key & mask, length - 1) for key in keys.tolist()])
        mass, shorter_mass = np.bincount(group, probability), np.bincount(group, shorter)
        return contexts, np.maximum(1 - mass, MIN_MASS) / np.maximum(1 - shorter_mass, MIN_MASS)

    def extend_context(self, context: int, code: int) -> int:
        """Return the context after one more code; the context before the first code is 0."""
        return (context << self.bits | code) & self._masks[self.order - 1]

    def last_code(self, context: int) -> int:
        """Return the last code of a context."""
        return context & self._masks[1]

    def log_prob(self, context: int, code: int) -> float:
        """Return the natural logarithm of the probability of a code after a context."""
        return self._log_prob(context << self.bits | code, self.order)

    def _log_prob(self, key: int, max_length: int) -> float:
        total = 0.0
        for length in range(max_length - 1, -1, -1):
            log_prob = self._logs[length].get(key)
            if log_prob is not None:
                return total + log_prob
            total += self._weights[length].get(key >> self.bits, 0.0)
            key &= self._masks[length]
        raise ValueError(f"a code is outside 0..{self.size - 1}")

    def save(self, path: str | Path) -> None:
        """Write the n-gram to a compressed ``.npz``; logarithms are rounded to 1/12 nat."""
        tables: dict[str, Any] = {"shape": np.array([self.size, self.order])}
        for length in range(self.order):
            for name, table in (("logs", self._logs[length]), ("weights", self._weights[length])):
                keys = np.array(sorted(table), dtype=np.int64)
                values = np.array([table[key] for key in keys.tolist()])
                tables[f"{name}.{length}.keys"] = np.diff(keys, prepend=0)
                rounded = np.clip(np.round(-STEPS_PER_NAT * values) + ZERO_BYTE, 0, 255)
                tables[f"{name}.{length}"] = rounded.astype(np.uint8)
        np.savez_compressed(path, **tables)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the n-gram of a file written by `save`.

        Raises
        ------
        WeightsError
            If the file is not an n-gram, or too large when unpacked.
        """
        try:
            with ZipFile(path) as archive:
                if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED_BYTES:
                    raise WeightsError(f"{path} is not an n-gram: unpacked it has over {MAX_UNPACKED_BYTES:,} bytes.")
            with np.load(path, allow_pickle=False) as tables:
                size, order = (int(value) for value in tables["shape"])
                ngram = cls(size, order)
                for length in range(order):
                    ngram._logs.append(_read_table(tables, f"logs.{length}", (length + 1) * ngram.bits))
                    ngram._weights.append(_read_table(tables, f"weights.{length}", length * ngram.bits))
        except (BadZipFile, OSError, ValueError, KeyError, zlib.error) as error:
            raise WeightsError(f"{path} is not an n-gram: {error}.") from error
        if set(ngram._logs[0]) != set(range(size)):
            raise WeightsError(f"{path} is not an n-gram: it lacks some of its {size} codes.")
        return ngram

    def _windows(self, sequences: list[np.ndarray]) -> np.ndarray:
        """Return the key of the last ``order`` codes at each code and at the boundary after each sequence."""
        pad = np.zeros(self.order - 1, dtype=np.int64)
        end = np.zeros(1, dtype=np.int64)
        stream = np.concatenate([part for codes in sequences for part in (pad, codes, end)] or [pad, end])
        lengths = np.array([codes.size for codes in sequences] or [0])
        is_end = np.ones(stream.size, dtype=bool)
        starts = np.concatenate([[0], np.cumsum(lengths + self.order)[:-1]])
        is_end[(starts[:, None] + np.arange(self.order - 1)).ravel()] = False
        ends = np.flatnonzero(is_end)
        keys = np.zeros(ends.size, dtype=np.int64)
        for back in range(self.order - 1, -1, -1):
            keys = keys << self.bits | stream[ends - back]
        return keys

    def _smoothing_counts(
        self, plain: list[tuple[np.ndarray, np.ndarray]], length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the keys of a length and their counts: of preceding codes, or plain ones."""
        keys, counts = plain[length - 1]
        if length == self.order:
            return keys, counts
        n_preceding = np.unique(plain[length][0] & self._masks[length], return_counts=True)[1]
        return keys, np.where(keys >> self.bits * (length - 1) == BOUNDARY, counts, n_preceding)

    def _smooth(
        self, keys: np.ndarray, counts: np.ndarray, length: int, lower: tuple[np.ndarray, np.ndarray] | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return p(w | h) of each n-gram, the contexts, and the weight g(h) of the shorter context."""
        contexts, group = np.unique(keys >> self.bits, return_inverse=True)
        discount = kneser_ney_discounts(counts)[np.minimum(counts, 3)]
        totals = np.bincount(group, counts)
        weight = np.bincount(group, discount) / totals
        shorter: np.ndarray | float = 1 / self.size
        if lower is not None:
            shorter = lower[1][np.searchsorted(lower[0], keys & self._masks[length - 1])]
        return (counts - discount) / totals[group] + weight[group] * shorter, contexts, weight


def _read_table(tables: Mapping[str, np.ndarray], name: str, bits: int) -> dict[int, float]:
    keys, values = np.cumsum(tables[f"{name}.keys"]), tables[name]
    if keys.size and (keys[0] < 0 or (np.diff(keys) <= 0).any() or int(keys[-1]) >> bits):
        raise ValueError(f"the keys of {name} are unsorted or out of range")
    return dict(zip(keys.tolist(), ((ZERO_BYTE - values.astype(float)) / STEPS_PER_NAT).tolist(), strict=True))


def kneser_ney_discounts(counts: np.ndarray) -> np.ndarray:
    """Return the discounts of n-grams with count 0, 1, 2, and 3 or more.

    Parameters
    ----------
    counts : array (n-gram,)
        Counts of at least 1.

    Returns
    -------
    array (4,)
        Discounts by Chen and Goodman (1999), equation 17, from the numbers ``n1..n4`` of n-grams with these counts;
        0 for count 0, and one half if a divisor is 0 or the result is not between 0 and the count.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    discounts = np.array([0.0, 0.5, 0.5, 0.5])
    if n[0] == 0:
        return discounts
    share = n[0] / (n[0] + 2 * n[1])
    for count in (1, 2, 3):
        if n[count - 1] > 0:
            value = count - (count + 1) * share * n[count] / n[count - 1]
            discounts[count] = value if 0 < value < count else 0.5
    return discounts


def _sum_by_key(keys: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distinct, group = np.unique(keys, return_inverse=True)
    return distinct, np.bincount(group, counts).astype(np.int64)
