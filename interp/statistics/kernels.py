"""Compiled loops of the histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.numba_utils import jit

TILE = 256  # units per tile: enough to vectorise, and their histograms fit into the L2 cache


@jit
def bin_index(values: Any, low: Any, high: Any, step: Any, scale: Any, bins: int, indices: Any) -> None:
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


@jit
def count_kernel(
    first: int, last: int, values: Any, order: Any, rows: Any, low: Any, high: Any, step: Any, scale: Any, counts: Any
) -> None:
    """Add tokens, in the given order, to ``counts[row, unit, bin]`` for the units ``first`` to ``last``."""
    indices = np.empty(TILE, np.int32)
    for left in range(first, last, TILE):
        span = slice(left, min(left + TILE, last))
        lows, highs, steps, scales = low[span], high[span], step[span], scale[span]
        for token in order:
            bin_index(values[token, span], lows, highs, steps, scales, counts.shape[2], indices)
            flat = counts[rows[token], span].reshape(-1)
            for k in indices[: lows.shape[0]]:
                if k >= 0:
                    flat[np.uintp(k)] += 1  # unsigned, which saves the check for negative indices
