"""Compiled loops. Numba comes with this module, which is therefore imported where they run."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp import compiled


@compiled
def distances(
    first: int, last: int, counts: Any, ends: Any, line: Any, n_with: Any, n_without: Any, distance: Any
) -> None:
    """Write ``distance[unit, pair]`` for a span of units, NaN where counts are not those of all tokens.

    Parameters
    ----------
    counts : array (line, unit, bin)
        Lines with one input stand together.
    ends : array (pair, 2)
        First line of the pair's input, and the one after its last; pairs with one input stand together.
    line, n_with, n_without : array (pair,)
        The pair's own line, its tokens, and the tokens of the other lines with its input.
    """
    total = np.zeros(counts.shape[2], np.int64)
    for unit in range(first, last):
        known = -1
        for pair in range(line.shape[0]):
            if ends[pair, 0] != known:
                known = ends[pair, 0]
                total[:] = 0
                for other in range(ends[pair, 0], ends[pair, 1]):
                    total += counts[other, unit]
            here, there, gaps = np.int64(0), np.int64(0), 0.0
            for k in range(total.size):
                if total[k] > 0:
                    n = np.int64(counts[line[pair], unit, k])
                    here, there = here + n, there + total[k] - n
                    gaps += (np.sqrt(n / n_with[pair]) - np.sqrt((total[k] - n) / n_without[pair])) ** 2
            whole = here == n_with[pair] and there == n_without[pair]
            distance[unit, pair] = min(np.sqrt(0.5 * gaps), 1.0) if whole else np.nan
