"""Statistics of the claims on plain arrays, and estimates with jackknife intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.statistics import jackknife_interval


@dataclass(frozen=True)
class Estimate:
    """Estimate with its leave-one-group-out values.

    Attributes
    ----------
    value : float
        Estimate from all sources.
    leave_out : array (group,)
        Estimate without each group of sources in turn; NaN for a group that has no tokens. Estimates on the same text
        leave out the same sources, so noise that they share cancels in a difference.
    """

    value: float
    leave_out: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the delete-a-group jackknife; NaN with fewer than ten groups."""
        finite = self.leave_out[np.isfinite(self.leave_out)]
        if not finite.size:
            return np.nan, np.nan
        error = np.sqrt((finite.size - 1) / finite.size * ((finite - finite.mean()) ** 2).sum())
        low, high = jackknife_interval(np.array(self.value), np.array(error), finite.size)
        return float(low), float(high)

    def __sub__(self, other: Estimate) -> Estimate:
        return Estimate(self.value - other.value, self.leave_out - other.leave_out)

    def __mul__(self, factor: float) -> Estimate:
        return Estimate(self.value * factor, self.leave_out * factor)

    @staticmethod
    def mean(estimates: Sequence[Estimate]) -> Estimate:
        """Return the mean of estimates on the same text, such as those of several networks."""
        value = float(np.mean([estimate.value for estimate in estimates]))
        return Estimate(value, np.mean([estimate.leave_out for estimate in estimates], 0))


def all_positive(estimates: Sequence[Estimate]) -> bool | None:
    """Return True if all intervals lie above 0, False if one of them lies below 0, and None otherwise."""
    intervals = [estimate.interval for estimate in estimates]
    if any(high < 0 for _, high in intervals):
        return False
    return True if all(low > 0 for low, _ in intervals) else None


def debiased_distances(full: Any, leave_out: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return debiased distances ``sign(D) sqrt|D|`` from all sources and without each group of them.

    The bias of D is estimated by the delete-a-group jackknife. With one group fewer it is larger by ``G / (G - 1)``.

    Parameters
    ----------
    full : array (...)
        D, 0 to 1, as counted.
    leave_out : array (group, ...)
        D without each group; NaN for groups that have no tokens.

    Returns
    -------
    array (...), array (group, ...)
        Distances, at most 1.
    """
    full, leave_out = np.asarray(full, np.float64), np.asarray(leave_out, np.float64)
    finite = np.isfinite(leave_out)
    groups = np.maximum(finite.sum(axis=0), 2)
    bias = (groups - 1) * (np.where(finite, leave_out, 0).sum(axis=0) / groups - full)
    return _signed_root(full - bias), _signed_root(leave_out - bias * groups / (groups - 1))


def _signed_root(squared: np.ndarray) -> np.ndarray:
    return np.asarray(np.minimum(np.sign(squared) * np.sqrt(np.abs(squared)), 1.0))


def top_indices(values: Any, n: int) -> np.ndarray:
    """Return the positions of the ``n`` largest values, largest first; among equal values the earlier one is first.

    Examples
    --------
    >>> top_indices([0.1, 0.9, 0.5, 0.9], 3).tolist()
    [1, 3, 2]
    """
    order: np.ndarray = np.argsort(-np.asarray(values, dtype=np.float64), kind="stable")[:n]
    return order


def top_mean(values: Any, n: int = 10) -> float:
    """Return the mean of the ``n`` largest values, or of all values if there are fewer.

    Examples
    --------
    >>> top_mean([1.0, 4.0, 2.0], 2)
    3.0
    """
    return float(np.asarray(values, dtype=np.float64)[top_indices(values, n)].mean())


def rank(values: Any, position: int) -> int:
    """Return the rank of the value at a position, 1 for the largest. Equal values share the better rank.

    Examples
    --------
    >>> rank([0.2, 0.9, 0.5], 2)
    2
    """
    values = np.asarray(values, dtype=np.float64)
    return 1 + int((values > values[position]).sum())


def percentile_rank(values: Any, position: int) -> float:
    """Return the percentage of the **other** values that are below the one at a position; equal ones count half.

    Examples
    --------
    >>> percentile_rank([0.2, 0.9, 0.5], 2)
    50.0
    """
    values = np.asarray(values, dtype=np.float64)
    below, same = int((values < values[position]).sum()), int((values == values[position]).sum()) - 1
    return float(100 * (below + same / 2) / max(values.size - 1, 1))


def auc(target: Any, rest: Any) -> np.ndarray:
    """Return the probability, per unit, that a target value exceeds one of the rest; equal values count half.

    Parameters
    ----------
    target : array (n, unit)
        Values of the tokens to detect.
    rest : array (m, unit)
        Values of the other tokens.

    Returns
    -------
    array (unit,)
        Area under the ROC curve, 0 to 1: the Mann-Whitney statistic divided by ``n m``.
    """
    target, rest = np.asarray(target), np.sort(np.asarray(rest), axis=0)
    result = np.empty(target.shape[1])
    for unit in range(result.size):
        column = rest[:, unit]
        below = np.searchsorted(column, target[:, unit], "left") + np.searchsorted(column, target[:, unit], "right")
        result[unit] = below.sum(dtype=np.float64) / (2 * len(target) * len(rest))
    return result


def margin_over_largest(first: Any, *others: Any) -> np.ndarray:
    """Return the first array minus the elementwise maximum of the others."""
    margin: np.ndarray = np.asarray(first, dtype=np.float64) - np.max([np.asarray(other) for other in others], axis=0)
    return margin


def has_expected_signs(contributions: Any, signs: Any) -> np.ndarray:
    """Return a boolean array (hidden,): true for rows in which every entry has the expected sign. Zero has no sign.

    Parameters
    ----------
    contributions : array (hidden, output)
        Contribution of each hidden unit to each output.
    signs : array (output,)
        Expected sign of each output, +1 or -1.
    """
    matches: np.ndarray = (np.asarray(contributions) * np.asarray(signs) > 0).all(axis=1)
    return matches


def sign_test(contributions: Any, top: Any, signs: Any, n_permutations: int, seed: int) -> tuple[float, float]:
    """Test the number of rows with all expected signs, by permuting each column separately over all rows.

    Parameters
    ----------
    contributions : array (hidden, output)
        Contribution of each hidden unit to each output.
    top : array of int
        Rows that are counted.
    signs : array (output,)
        Expected sign of each output, +1 or -1.
    n_permutations : int
        Number of permutations.
    seed : int
        Random seed of the permutations.

    Returns
    -------
    p : float
        ``(1 + #{permuted count >= count}) / (1 + n_permutations)``.
    expected : float
        Mean count over the permutations, which follow nearly a binomial distribution with the product of the columns'
        frequencies.
    """
    matches = np.asarray(contributions) * np.asarray(signs) > 0
    count, generator = int(matches[top].all(axis=1).sum()), np.random.default_rng([seed, 2])
    counts = [generator.permuted(matches, axis=0)[top].all(axis=1).sum() for _ in range(n_permutations)]
    permuted = np.array(counts)
    return float((1 + (permuted >= count).sum()) / (1 + n_permutations)), float(permuted.mean())


def sampling_floor(n_target: int, n_rest: int, bins: int = 1000) -> float:
    """Return the Hellinger distance to expect between two samples of **one** distribution that is uniform over bins.

    With ``X ~ Binomial(n, 1/K)`` the counts of a bin, ``E Σ sqrt(p q) = K E[sqrt X] E[sqrt Y] / sqrt(n m)``. The
    result is the root of the difference of this to 1; the mean distance is slightly smaller, by Jensen's inequality.
    Distributions that use fewer bins have a smaller floor.

    Parameters
    ----------
    n_target, n_rest : int
        Number of independent tokens of the two samples, at least 1.
    bins : int
        Number of histogram bins.
    """
    roots = _mean_root(n_target, bins) * _mean_root(n_rest, bins)
    return float(np.sqrt(max(0.0, 1 - bins * roots / np.sqrt(float(n_target) * n_rest))))


def _mean_root(n: int, bins: int) -> float:
    from scipy.stats import binom

    mean = n / bins
    largest = min(n, int(mean + 12 * np.sqrt(mean) + 30))  # the probability beyond is 0 in float64
    counts = np.arange(largest + 1)
    return float((np.sqrt(counts) * binom.pmf(counts, n, 1 / bins)).sum())
