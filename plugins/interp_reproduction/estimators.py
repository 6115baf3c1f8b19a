"""The statistics of the claims, on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def best(values: Any, n: int) -> np.ndarray:
    """Return the positions of the ``n`` largest values, largest first; the earlier of equal ones.

    Examples
    --------
    >>> best([0.1, 0.9, 0.5, 0.9], 3).tolist()
    [1, 3, 2]
    """
    order: np.ndarray = np.argsort(-np.asarray(values, dtype=np.float64), kind="stable")[:n]
    return order


def top_mean(values: Any, n: int = 10) -> float:
    """Return the mean of the ``n`` largest values, of all where there are fewer.

    Examples
    --------
    >>> top_mean([1.0, 4.0, 2.0], 2)
    3.0
    """
    return float(np.asarray(values, dtype=np.float64)[best(values, n)].mean())


def rank(values: Any, at: int) -> int:
    """Return the rank of one value among all, 1 for the largest; equal values share the better rank.

    Examples
    --------
    >>> rank([0.2, 0.9, 0.5], 2)
    2
    """
    values = np.asarray(values, dtype=np.float64)
    return 1 + int((values > values[at]).sum())


def percentile(values: Any, at: int) -> float:
    """Return which share of the **other** values one value exceeds, 0 to 100 %; equal ones count half.

    Examples
    --------
    >>> percentile([0.2, 0.9, 0.5], 2)
    50.0
    """
    values = np.asarray(values, dtype=np.float64)
    below, same = int((values < values[at]).sum()), int((values == values[at]).sum()) - 1
    return float(100 * (below + same / 2) / max(values.size - 1, 1))


def participation(shares: Any, axis: int = -1) -> np.ndarray:
    """Return the participation ratio ``(Σ D)² / Σ D²``: how many entries carry the sum, from 1 to all of them.

    Parameters
    ----------
    shares : array
        Not negative, such as squared Hellinger distances.
    axis : int
        Which entries to count. All zero gives 0.
    """
    shares = np.asarray(shares, dtype=np.float64)
    squares = (shares**2).sum(axis)
    ratio: np.ndarray = shares.sum(axis) ** 2 / np.where(squares > 0, squares, 1.0)
    return ratio


def auc(inside: Any, outside: Any) -> np.ndarray:
    """Return for each unit the chance that a value inside exceeds one outside; equal values count half.

    Parameters
    ----------
    inside : array (n, unit)
    outside : array (m, unit)

    Returns
    -------
    array (unit,)
        0 to 1: the area under the ROC curve, which is the Mann-Whitney statistic by ``n m``.
    """
    inside, outside = np.asarray(inside), np.sort(np.asarray(outside), axis=0)
    result = np.empty(inside.shape[1])
    for unit in range(result.size):
        column = outside[:, unit]
        below = np.searchsorted(column, inside[:, unit], "left") + np.searchsorted(column, inside[:, unit], "right")
        result[unit] = below.sum(dtype=np.float64) / (2 * len(inside) * len(outside))
    return result


def lead(first: Any, *others: Any) -> np.ndarray:
    """Return by how much the first array exceeds the largest of the others, element by element."""
    margin: np.ndarray = np.asarray(first, dtype=np.float64) - np.max([np.asarray(other) for other in others], axis=0)
    return margin


def as_said(contributions: Any, signs: Any) -> np.ndarray:
    """Return which rows have all the signs that a claim gives them; a zero is no sign.

    Parameters
    ----------
    contributions : array (hidden, output)
    signs : array (output,)
        +1 or -1.
    """
    right: np.ndarray = (np.asarray(contributions) * np.asarray(signs) > 0).all(axis=1)
    return right


def flat_floor(n_with: int, n_without: int, bins: int = 1000) -> float:
    """Return the Hellinger distance to expect of two samples of **one** law that is flat over all bins.

    With ``X ~ Binomial(n, 1/K)`` the counts of a bin, ``E Σ sqrt(p q) = K E[sqrt X] E[sqrt Y] / sqrt(n m)``; the
    distance is the root of what is left to 1 (its own mean is a little less, by Jensen's inequality). Laws that use
    fewer bins have a lower floor.

    Parameters
    ----------
    n_with, n_without : int
        Independent tokens of the two samples, 1 at least.
    bins : int
        Of the histograms.
    """
    roots = _mean_root(n_with, bins) * _mean_root(n_without, bins)
    return float(np.sqrt(max(0.0, 1 - bins * roots / np.sqrt(float(n_with) * n_without))))


def _mean_root(n: int, bins: int) -> float:
    from scipy.stats import binom

    mean = n / bins
    most = min(n, int(mean + 12 * np.sqrt(mean) + 30))  # beyond it the law has no mass that a float64 holds
    counts = np.arange(most + 1)
    return float((np.sqrt(counts) * binom.pmf(counts, n, 1 / bins)).sum())


def sign_test(added: Any, top: Any, signs: Any, draws: int, seed: int) -> tuple[float, float]:
    """Return how unlikely so many rows with all signs are, where each column is shuffled among all rows by itself.

    Parameters
    ----------
    added : array (hidden, output)
        Contributions.
    top : array of int
        The rows that are looked at.
    signs : array (output,)
        +1 or -1.
    draws : int
        Shuffles.
    seed : int
        Of the shuffles.

    Returns
    -------
    p : float
        ``(1 + #{shuffled count >= count}) / (1 + draws)``.
    chance : float
        The mean count of the shuffles; their law is binomial with the product of the columns' shares, nearly.
    """
    right = np.asarray(added) * np.asarray(signs) > 0
    count, generator = int(right[top].all(axis=1).sum()), np.random.default_rng([seed, 2])
    drawn = np.array([generator.permuted(right, axis=0)[top].all(axis=1).sum() for _ in range(draws)])
    return float((1 + (drawn >= count).sum()) / (1 + draws)), float(drawn.mean())


def holm(p: Any) -> np.ndarray:
    """Return p adjusted for all tests by Holm's step-down (1979)."""
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(p.shape)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1)
    return adjusted
