"""Compiled loops of histograms. Importing this module imports numba, so it is imported only when a loop runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.binning import compiled

STRIPE = 256  # units per tile: enough to vectorise, and their histograms fit into the L2 cache


@compiled
def place(values: Any, low: Any, high: Any, step: Any, scale: Any, bins: int, indices: Any) -> None:
    """Write the flat index ``(unit, bin)`` of each value to ``indices``; -1 outside of the range.

    An estimate is corrected by one bin where it disagrees with the edges ``k * step + low``. These are bit-identical to
    `numpy.linspace`, so that bins are those of `numpy.histogram`. The loop has no branches, so that it vectorises.
    """
    top = np.int32(bins - 1)
    for j in range(values.shape[0]):
        value = np.float64(values[j])
        k = np.int32(min(max((value - low[j]) * scale[j], 0.0), np.float64(top)))
        k -= np.int32(value < k * step[j] + low[j])
        k += np.int32(value >= (k + 1) * step[j] + low[j])
        inside = (value >= low[j]) & (value <= high[j])
        indices[j] = j * bins + min(k, top) if inside else -1


@compiled
def count(
    first: int, last: int, values: Any, order: Any, rows: Any, low: Any, high: Any, step: Any, scale: Any, counts: Any
) -> None:
    """Add tokens, in the given order, to ``counts[row, unit, bin]`` for the units ``first`` to ``last``."""
    indices = np.empty(STRIPE, np.int32)
    for left in range(first, last, STRIPE):
        span = slice(left, min(left + STRIPE, last))
        lows, highs, steps, scales = low[span], high[span], step[span], scale[span]
        for token in order:
            place(values[token, span], lows, highs, steps, scales, counts.shape[2], indices)
            flat = counts[rows[token], span].reshape(-1)
            for k in indices[: lows.shape[0]]:
                if k >= 0:
                    flat[np.uintp(k)] += 1  # unsigned, which saves the check for negative indices
