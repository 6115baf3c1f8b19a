"""Which tokens are read where all of them are more than is needed."""

from __future__ import annotations

import numpy as np

SAMPLE, PARTS = 20_000, 10  # tokens, in so many unbroken pieces


def spread(n: int, most: int = SAMPLE) -> np.ndarray:
    """Return all of ``n`` positions, or ``most`` of them in unbroken pieces: a store reads these quickly.

    Examples
    --------
    >>> spread(3).tolist()
    [0, 1, 2]
    >>> spread(101, 20).tolist()[:6]
    [0, 1, 11, 12, 22, 23]
    """
    if n <= most:
        return np.arange(n)
    size = most // PARTS
    return np.concatenate([np.arange(size) + start for start in np.linspace(0, n - size, PARTS).astype(int)])
