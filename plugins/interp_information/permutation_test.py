"""Permutation p-values pooled over the units of one quantity, and their q-values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SD = 1e-12  # a smaller standard deviation is rounding error


def pooled_pvalues(bits: NDArray[np.float64], family: NDArray[Any]) -> NDArray[np.float64]:
    """Return the p-value of each unit against the permutations of all units of its family.

    ``z = (D - mean D*) / sd D*``, and ``p = (1 + #{z* >= z}) / (1 + #z*)`` over the z* of all units of the family.

    Parameters
    ----------
    bits : array (unit, 1 + permutation)
        The statistic for the labels, then for each permutation.
    family : array (unit,)
        Family of each unit, such as its quantity.

    Returns
    -------
    array (unit,) of float64
        Above 0, at most 1; 1 if all permutations of a unit are equal.
    """
    null = bits[:, 1:]
    mean, sd = null.mean(axis=1, keepdims=True), null.std(axis=1, ddof=1, keepdims=True)
    varies = sd[:, 0] > MIN_SD
    z = (bits - mean) / np.where(sd > MIN_SD, sd, 1)
    p = np.ones(len(bits))
    for name in np.unique(family):
        units = (family == name) & varies
        pool = np.sort(z[units, 1:], axis=None)
        n_above = pool.size - np.searchsorted(pool, z[units, 0], side="left")
        p[units] = (1 + n_above) / (1 + pool.size)
    return p


def q_values(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smallest false discovery rate at which each test is significant (Benjamini and Hochberg 1995)."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p)) if p.size else p


def smallest_q(family: NDArray[Any], n_permutations: int) -> float:
    """Return the smallest q that a single significant unit can reach.

    Parameters
    ----------
    family : array (unit,)
        Family of each unit.
    n_permutations : int
        Number of permutations of each unit.
    """
    sizes = np.unique(family, return_counts=True)[1]
    return float(family.size / (1 + n_permutations * sizes.min())) if sizes.size else 1.0
