"""The distance itself, on plain arrays of counts."""

from __future__ import annotations

from typing import Any

import numpy as np


def hellinger(with_counts: Any, without_counts: Any) -> np.ndarray:
    """Return the Hellinger distance of two histograms, ``sqrt(½ Σ_k (√p_k − √q_k)²)``.

    Parameters
    ----------
    with_counts, without_counts : array (…, bin)
        Counts, at least one on each side; ``p`` and ``q`` are their shares.

    Returns
    -------
    array (…) of float64
        0 for equal shares to 1 for no bin in common.

    Examples
    --------
    >>> float(hellinger([3, 0], [0, 5]))
    1.0
    """
    p, q = (_shares(np.asarray(counts, dtype=np.float64)) for counts in (with_counts, without_counts))
    distance = np.sqrt(0.5 * np.sum((np.sqrt(p) - np.sqrt(q)) ** 2, axis=-1))
    return np.asarray(np.minimum(distance, 1.0))  # rounding may pass it by an ulp or two


def _shares(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def signed_root(squared: Any) -> np.ndarray:
    """Return ``sign(D) sqrt|D|``: a distance of which the square was estimated, and may come out negative.

    Parameters
    ----------
    squared : array (…)

    Examples
    --------
    >>> signed_root([0.25, -0.01]).tolist()
    [0.5, -0.1]
    """
    squared = np.asarray(squared, dtype=np.float64)
    return np.asarray(np.sign(squared) * np.sqrt(np.abs(squared)))
