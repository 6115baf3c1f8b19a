"""Compiled loops. Numba comes with this module, which is therefore imported where they run."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.binning import compiled

STRIPE = 256  # units side by side: long enough to vectorise, and their histograms stay in the second-level cache


@compiled
def place(values: Any, low: Any, high: Any, step: Any, scale: Any, bins: int, found: Any) -> None:
    """Write the bin of each value to ``found``, -1 outside of the range.

    A guess is moved by one where it is off against the edges ``k * step + low``, which are those of
    `numpy.linspace` to the bit, so that bins are those of `numpy.histogram`. No branches, so that it vectorises.
    """
    top = np.int32(bins - 1)
    for j in range(values.shape[0]):
        value = np.float64(values[j])
        k = min(np.int32(min(max((value - low[j]) * scale[j], -2.0), bins + 1.0)), top)
        k -= np.int32(value < k * step[j] + low[j])
        k += np.int32((value >= (k + 1) * step[j] + low[j]) & (k < top))
        found[j] = k if (value >= low[j]) & (value <= high[j]) else -1


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
            here = counts[rows[token]]
            for j in range(lows.shape[0]):
                if found[j] >= 0:
                    here[left + j, found[j]] += 1


@compiled
def extremes(first: int, last: int, values: Any, low: Any, high: Any) -> None:
    """Write the least and the largest value of the units ``first`` to ``last``, NaN for one that is NaN anywhere."""
    for left in range(first, last, STRIPE):
        span = slice(left, min(left + STRIPE, last))
        lows, highs = values[0, span].copy(), values[0, span].copy()
        for token in range(values.shape[0]):
            row = values[token, span]
            for j in range(row.shape[0]):
                value, odd = row[j], row[j] != row[j]
                lows[j] = value if (value < lows[j]) | odd else lows[j]
                highs[j] = value if (value > highs[j]) | odd else highs[j]
        low[span], high[span] = lows, highs
