"""Compiled loops. Numba comes with this module, which is therefore imported where they run."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.binning import compiled

STRIPE = 256  # units side by side: long enough to vectorise, and their histograms stay in the second-level cache


@compiled
def place(values: Any, low: Any, high: Any, step: Any, scale: Any, bins: int, found: Any) -> None:
    """Write where each value counts in ``(unit, bin)``, made flat, to ``found``; -1 outside of the range.

    A guess is moved by one where it is off against the edges ``k * step + low``, which are those of
    `numpy.linspace` to the bit, so that bins are those of `numpy.histogram`. No branches, so that it vectorises.
    """
    top = np.int32(bins - 1)
    for j in range(values.shape[0]):
        value = np.float64(values[j])
        k = np.int32(min(max((value - low[j]) * scale[j], 0.0), np.float64(top)))
        k -= np.int32(value < k * step[j] + low[j])
        k += np.int32(value >= (k + 1) * step[j] + low[j])
        inside = (value >= low[j]) & (value <= high[j])
        found[j] = j * bins + min(k, top) if inside else -1


@compiled
def count(
    first: int, last: int, values: Any, order: Any, rows: Any, low: Any, high: Any, step: Any, scale: Any, counts: Any
) -> None:
    """Add tokens, in their order, to ``counts[row, unit, bin]`` for the units ``first`` to ``last``."""
    found = np.empty(STRIPE, np.int32)
    for left in range(first, last, STRIPE):
        span = slice(left, min(left + STRIPE, last))
        lows, highs, steps, scales = low[span], high[span], step[span], scale[span]
        for token in order:
            place(values[token, span], lows, highs, steps, scales, counts.shape[2], found)
            here = counts[rows[token], span].reshape(-1)
            for k in found[: lows.shape[0]]:
                if k >= 0:
                    here[np.uintp(k)] += 1  # unsigned: no index from the end to think of
