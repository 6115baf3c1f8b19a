"""A smoothed n-gram over codes: counted with arrays, looked up in dictionaries."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile, ZipFile

import numpy as np

from interp import OptionError, WeightsError

TINY = 1e-9
STEPS, ZERO = 12, 24  # of a byte that stands for a logarithm: 12 a nat, from 2 nats down
LARGEST = 256_000_000  # bytes of all tables of a file
EDGE = 0  # stands before the first and after the last code of every sequence


class NGram:
    """Interpolated n-gram probabilities with modified Kneser-Ney discounts.

    Parameters
    ----------
    size : int
        Codes are 0..size-1; 0 is the mark of both ends, so that no sequence holds it.
    order : int
        Length of the longest n-gram, at least 2.

    Raises
    ------
    OptionError
        An order below 2, or keys of ``order`` codes that don't fit into 63 bits.

    Notes
    -----
    Chen and Goodman (1999), "An empirical study of smoothing techniques for language modeling", section 3:
    ``p(w | h) = (c(hw) - D(c(hw))) / c(h) + g(h) p(w | h')``, where ``h'`` is ``h`` without its first code, ``g``
    makes the sum 1, and below the highest order ``c`` counts the different codes seen in front. The n-grams that
    begin with the mark keep their plain counts, since nothing else stands in front of it. The last ``h'`` is the
    uniform law.
    """

    def __init__(self, size: int, order: int = 6) -> None:
        self.size, self.order, self.bits = size, order, max(1, (size - 1).bit_length())
        if order < 2 or order * self.bits > 63:
            raise OptionError(f"order must be 2..{63 // self.bits} with {size} symbols, got {order}.")
        self._masks = [(1 << self.bits * length) - 1 for length in range(order + 1)]
        self._logs: list[dict[int, float]] = []
        self._weights: list[dict[int, float]] = []

    @property
    def fitted(self) -> bool:
        """Whether there are counts."""
        return bool(self._logs)

    def fit(self, sequences: Iterable[np.ndarray], cutoffs: Sequence[int] = ()) -> None:
        """Count sequences of codes; earlier counts are forgotten.

        Parameters
        ----------
        sequences : iterable of array (code,)
        cutoffs : sequence of int
            For each length from 1 the count below which its n-grams are left out; the last stands for longer ones too.
            The weights of the shorter contexts grow, so that probabilities still sum to 1.
        """
        keys, counts = np.unique(self._windows(list(sequences)), return_counts=True)
        plain = [(keys, counts)]
        for length in range(self.order - 1, 0, -1):
            plain.insert(0, _summed(keys & self._masks[length], counts))
        lower: tuple[np.ndarray, np.ndarray] | None = None
        self._logs, self._weights, whole = [], [], True
        for length in range(1, self.order + 1):
            keys, counts = self._evidence(plain, length)
            probability, contexts, weight = self._smooth(keys, counts, length, lower)
            lower = keys, probability
            kept = counts >= (cutoffs[min(length, len(cutoffs)) - 1] if cutoffs and length > 1 else 1)
            whole = whole and bool(kept.all())
            if not whole:
                keys, probability = keys[kept], probability[kept]
                contexts, weight = self._rest(keys, probability, length)
            self._logs.append(dict(zip(keys.tolist(), np.log(probability).tolist(), strict=True)))
            self._weights.append(dict(zip(contexts.tolist(), np.log(weight).tolist(), strict=True)))
            if length == 1:
                self._fill()

    def _fill(self) -> None:
        """Give every code that was never seen its share of the uniform law."""
        (weight_of_nothing,) = self._weights[0].values()
        for code in range(self.size):
            self._logs[0].setdefault(code, weight_of_nothing - float(np.log(self.size)))

    def _rest(self, keys: np.ndarray, probability: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the contexts of the n-grams that are kept, and what makes the shorter contexts fill up to 1."""
        contexts, group = np.unique(keys >> self.bits, return_inverse=True)
        mask = self._masks[length - 1]
        shorter = np.exp([self._log(key & mask, length - 1) for key in keys.tolist()])
        taken, given = np.bincount(group, probability), np.bincount(group, shorter)
        return contexts, np.maximum(1 - taken, TINY) / np.maximum(1 - given, TINY)

    def push(self, context: int, code: int) -> int:
        """Return the context after one more code; the context before the first is 0."""
        return (context << self.bits | code) & self._masks[self.order - 1]

    def last(self, context: int) -> int:
        """Return the last code of a context."""
        return context & self._masks[1]

    def log(self, context: int, code: int) -> float:
        """Return the natural logarithm of the probability of a code after a context."""
        return self._log(context << self.bits | code, self.order)

    def _log(self, key: int, longest: int) -> float:
        total = 0.0
        for length in range(longest - 1, -1, -1):
            found = self._logs[length].get(key)
            if found is not None:
                return total + found
            total += self._weights[length].get(key >> self.bits, 0.0)
            key &= self._masks[length]
        raise ValueError(f"a code is outside 0..{self.size - 1}")

    def save(self, path: str | Path) -> None:
        """Write what was counted to a compressed ``.npz``; logarithms are rounded to a twelfth of a nat."""
        tables: dict[str, Any] = {"shape": np.array([self.size, self.order])}
        for length in range(self.order):
            for name, table in (("logs", self._logs[length]), ("weights", self._weights[length])):
                keys = np.array(sorted(table), dtype=np.int64)
                values = np.array([table[key] for key in keys.tolist()])
                tables[f"{name}.{length}.keys"] = np.diff(keys, prepend=0)
                tables[f"{name}.{length}"] = np.clip(np.round(-STEPS * values) + ZERO, 0, 255).astype(np.uint8)
        np.savez_compressed(path, **tables)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the n-gram of a file that `save` wrote.

        Raises
        ------
        WeightsError
            A file that is none, or is too large when unpacked.
        """
        try:
            with ZipFile(path) as packed:
                if sum(one.file_size for one in packed.infolist()) > LARGEST:
                    raise WeightsError(f"{path} is no n-gram: unpacked it has over {LARGEST:,} bytes.")
            with np.load(path, allow_pickle=False) as tables:
                size, order = (int(one) for one in tables["shape"])
                found = cls(size, order)
                for length in range(order):
                    found._logs.append(_table(tables, f"logs.{length}", (length + 1) * found.bits))
                    found._weights.append(_table(tables, f"weights.{length}", length * found.bits))
        except (BadZipFile, OSError, ValueError, KeyError, zlib.error) as error:
            raise WeightsError(f"{path} is no n-gram: {error}.") from error
        if set(found._logs[0]) != set(range(size)):
            raise WeightsError(f"{path} is no n-gram: it does not know every one of its {size} codes.")
        return found

    def _windows(self, sequences: list[np.ndarray]) -> np.ndarray:
        """Return the key of the last ``order`` codes at every code and at the mark after every sequence."""
        pad = np.zeros(self.order - 1, dtype=np.int64)
        end = np.zeros(1, dtype=np.int64)
        stream = np.concatenate([part for codes in sequences for part in (pad, codes, end)] or [pad, end])
        lengths = np.array([codes.size for codes in sequences] or [0])
        wanted = np.ones(stream.size, dtype=bool)
        starts = np.concatenate([[0], np.cumsum(lengths + self.order)[:-1]])
        wanted[(starts[:, None] + np.arange(self.order - 1)).ravel()] = False
        ends = np.flatnonzero(wanted)
        keys = np.zeros(ends.size, dtype=np.int64)
        for back in range(self.order - 1, -1, -1):
            keys = keys << self.bits | stream[ends - back]
        return keys

    def _evidence(self, plain: list[tuple[np.ndarray, np.ndarray]], length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the keys of a length and their counts: of codes in front of them, or plain ones."""
        keys, counts = plain[length - 1]
        if length == self.order:
            return keys, counts
        in_front = np.unique(plain[length][0] & self._masks[length], return_counts=True)[1]
        return keys, np.where(keys >> self.bits * (length - 1) == EDGE, counts, in_front)

    def _smooth(
        self, keys: np.ndarray, counts: np.ndarray, length: int, lower: tuple[np.ndarray, np.ndarray] | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return p(w | h) of every n-gram, the contexts, and the weight g(h) of the shorter context."""
        contexts, group = np.unique(keys >> self.bits, return_inverse=True)
        taken = discounts(counts)[np.minimum(counts, 3)]
        totals = np.bincount(group, counts)
        weight = np.bincount(group, taken) / totals
        shorter: np.ndarray | float = 1 / self.size
        if lower is not None:
            shorter = lower[1][np.searchsorted(lower[0], keys & self._masks[length - 1])]
        return (counts - taken) / totals[group] + weight[group] * shorter, contexts, weight


def _table(tables: Mapping[str, np.ndarray], name: str, bits: int) -> dict[int, float]:
    keys, values = np.cumsum(tables[f"{name}.keys"]), tables[name]
    if keys.size and (keys[0] < 0 or (np.diff(keys) <= 0).any() or int(keys[-1]) >> bits):
        raise ValueError(f"the keys of {name} are out of order or of range")
    return dict(zip(keys.tolist(), ((ZERO - values.astype(float)) / STEPS).tolist(), strict=True))


def discounts(counts: np.ndarray) -> np.ndarray:
    """Return what is taken from n-grams of count 0, 1, 2, and 3 or more: four numbers, 0 the first.

    Parameters
    ----------
    counts : array (n-gram,)
        At least 1 each.

    Returns
    -------
    array (4,)
        By Chen and Goodman (1999), equation 17, from the numbers ``n1..n4`` of n-grams with these counts; one half
        where a number that it divides by is 0, or the result would not be between 0 and the count.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    found = np.array([0.0, 0.5, 0.5, 0.5])
    if n[0] == 0:
        return found
    share = n[0] / (n[0] + 2 * n[1])
    for count in (1, 2, 3):
        if n[count - 1] > 0:
            value = count - (count + 1) * share * n[count] / n[count - 1]
            found[count] = value if 0 < value < count else 0.5
    return found


def _summed(keys: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    different, group = np.unique(keys, return_inverse=True)
    return different, np.bincount(group, counts).astype(np.int64)
