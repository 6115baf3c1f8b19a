"""The distance and its significance on plain arrays: z-scores against permutations, pooled and maximum p-values."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.statistics import permutation_pvalue

MIN_SD = 1e-12  # a smaller standard deviation is rounding error


def hellinger_distance(first_counts: Any, second_counts: Any) -> np.ndarray:
    """Return the Hellinger distance of two histograms, ``sqrt(½ Σ_k (√p_k − √q_k)²)``.

    Parameters
    ----------
    first_counts, second_counts : array (…, bin)
        Counts, at least one on each side; ``p`` and ``q`` are their proportions.

    Returns
    -------
    array (…) of float64
        From 0 for equal proportions to 1 for histograms without a common bin.

    Examples
    --------
    >>> float(hellinger_distance([3, 0], [0, 5]))
    1.0
    """
    p, q = (_proportions(np.asarray(counts, dtype=np.float64)) for counts in (first_counts, second_counts))
    distance = np.sqrt(0.5 * np.sum((np.sqrt(p) - np.sqrt(q)) ** 2, axis=-1))
    return np.asarray(np.minimum(distance, 1.0))  # rounding can exceed 1 by an ulp or two


def _proportions(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def signed_root(squared: Any) -> np.ndarray:
    """Return ``sign(D) sqrt|D|``, the distance for an estimate of its square, which can be negative.

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


def standardise(statistic: np.ndarray, permuted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z, z of each permutation, and the standard deviation of the permutations.

    ``z = (statistic - mean) / sd`` of the permutations. A permutation is standardised by the *other* permutations, so
    that z and its null values have the same distribution under the null hypothesis. Standardised by all permutations,
    itself included, null values would be too narrow and p too small.

    Parameters
    ----------
    statistic : array (...)
    permuted : array (..., permutation)
        The statistic under the null, at least 4 permutations.

    Returns
    -------
    z, null_z, null_sd : array (...), array (..., permutation), array (...)
        z is -inf and null_z NaN where all permutations are equal.
    """
    n = permuted.shape[-1]
    mean, sd = permuted.mean(axis=-1), permuted.std(axis=-1, ddof=1)
    constant = sd <= MIN_SD
    safe_sd = np.where(constant, 1.0, sd)
    gap = permuted - mean[..., None]
    variance_of_others = ((n - 1) * safe_sd[..., None] ** 2 - n / (n - 1) * gap**2) / (n - 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        null_z = gap * n / (n - 1) / np.sqrt(np.maximum(variance_of_others, 0.0))
    null_z = np.where(constant[..., None], np.nan, null_z)
    return np.where(constant, -np.inf, (statistic - mean) / safe_sd), null_z, np.where(constant, 0.0, sd)


def pooled_pvalues(z: np.ndarray, null_z: np.ndarray, quantities: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the p-value of each unit and pair, and the number of null values it is based on.

    Parameters
    ----------
    z : array (unit, pair)
    null_z : array (unit, pair, permutation)
    quantities : array (unit,)
        Quantity of each unit. Units of one quantity share a null distribution, one for each pair.

    Returns
    -------
    p, null_size : array (unit, pair) of float64, of int64
        ``p = (1 + #{null_z >= z}) / (1 + #null_z)``; 1 where all permutations are equal.
    """
    p, null_size = np.ones(z.shape), np.zeros(z.shape, np.int64)
    for quantity in np.unique(quantities):
        units = np.flatnonzero(quantities == quantity)
        for pair in range(z.shape[1]):
            null = null_z[units, pair]
            p[units, pair] = permutation_pvalue(z[units, pair], null)
            null_size[units, pair] = np.isfinite(null).sum()
    return p, null_size


def max_statistic_pvalues(z: np.ndarray, null_z: np.ndarray) -> np.ndarray:
    """Return for each pair the p-value of its largest z over all units, against the largest z of each permutation.

    Parameters
    ----------
    z : array (unit, pair)
    null_z : array (unit, pair, permutation)
        All units share the same permutations, so that the maximum over units is taken within each permutation.

    Returns
    -------
    array (pair,) of float64
    """
    null_max = np.where(np.isnan(null_z), -np.inf, null_z).max(axis=0, initial=-np.inf)
    z_max = z.max(axis=0, initial=-np.inf)
    return np.asarray((1 + (null_max >= z_max[:, None]).sum(axis=1)) / (1 + null_max.shape[1]))
