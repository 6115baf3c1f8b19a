"""Permutation p-values pooled over the units of one quantity, and their q-values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp.statistics import permutation_pvalue

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
        p[units] = permutation_pvalue(z[units, 0], z[units, 1:])
    return p


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
