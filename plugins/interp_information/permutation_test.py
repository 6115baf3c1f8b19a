"""From permutations to p and q, pooled over units of one quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def p_values(bits: NDArray[np.float64], family: NDArray[Any]) -> NDArray[np.float64]:
    """Return for each unit how often a permutation of any unit of its family stands out as far.

    ``z = (D - mean D*) / sd D*``, and ``p = (1 + #{z* >= z}) / (1 + #z*)`` over the z* of all units of the family.

    Parameters
    ----------
    bits : array (unit, 1 + draws)
        A statistic as it is, and permuted.
    family : array (unit,)
        Such as the quantity.

    Returns
    -------
    array (unit,) of float64
        Above 0 to 1; 1 where permutations change nothing.
    """
    null = bits[:, 1:]
    mean, spread = null.mean(axis=1, keepdims=True), null.std(axis=1, ddof=1, keepdims=True)
    moves = spread[:, 0] > 1e-12
    z = (bits - mean) / np.where(spread > 1e-12, spread, 1)
    p = np.ones(len(bits))
    for one in np.unique(family):
        here = (family == one) & moves
        pool = np.sort(z[here, 1:], axis=None)
        beyond = pool.size - np.searchsorted(pool, z[here, 0], side="left")
        p[here] = (1 + beyond) / (1 + pool.size)
    return p


def q_values(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the false discovery rate at which each would be found (Benjamini and Hochberg 1995)."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p)) if p.size else p


def resolution(family: NDArray[Any], draws: int) -> float:
    """Return the smallest q that a single unit that stands out could reach."""
    sizes = np.unique(family, return_counts=True)[1]
    return float(family.size / (1 + draws * sizes.min())) if sizes.size else 1.0
