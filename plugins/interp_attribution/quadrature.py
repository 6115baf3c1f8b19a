"""Integrals along a path as plain arrays: quadrature nodes, derivatives at the nodes, conductance, and means."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.statistics import jackknife, jackknife_groups, jackknife_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


@lru_cache
def gauss_legendre(n_steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the nodes and weights ``(step,)`` of the Gauss-Legendre rule on [0, 1].

    The rule is exact for polynomials of degree below ``2 * n_steps``.
    """
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    return (nodes + 1) / 2, weights / 2


@lru_cache
def derivative_matrix(n_steps: int) -> NDArray[np.float64]:
    """Return the matrix that maps values at the nodes to derivatives there.

    The matrix is exact for polynomials of degree below ``n_steps``: ``D_jk = (w_k / w_j) / (x_j - x_k)`` off the
    diagonal, rows add up to 0, ``w_k = 1 / prod (x_k - x_l)`` (Berrut and Trefethen, "Barycentric Lagrange
    interpolation", 2004).

    Returns
    -------
    array (step, step)
    """
    nodes = gauss_legendre(n_steps)[0]
    gaps = nodes[:, None] - nodes[None]
    np.fill_diagonal(gaps, 1)
    logs, signs = -np.log(np.abs(gaps)).sum(1), np.sign(gaps).prod(1)
    matrix = np.asarray(np.exp(logs[None] - logs[:, None]) * signs[None] * signs[:, None] / gaps)
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, -matrix.sum(1))
    return matrix


def integrate_conductance(values: NDArray[Any], gradients: NDArray[Any]) -> NDArray[np.float64]:
    """Return the conductance of units along a path: the integral of gradient times derivative.

    ``sum_k w_k dF/dy(a_k) dy/da(a_k)`` (Dhamdhere, Sundararajan and Yan, "How important is a neuron?", 2018, summed
    over the inputs), with the derivative of the polynomial through the values at the nodes.

    Parameters
    ----------
    values : array (..., step, unit)
        Activations at the nodes of `gauss_legendre`.
    gradients : array (..., step, unit)
        Gradients of the target value with respect to the units, at the same nodes.

    Returns
    -------
    array (..., unit) of float64
        In the unit of the target value.
    """
    n_steps = values.shape[-2]
    weighted = derivative_matrix(n_steps).T @ (np.asarray(gradients, np.float64) * gauss_legendre(n_steps)[1][:, None])
    return np.asarray(np.einsum("...ku,...ku->...u", weighted, np.asarray(values, np.float64)))


def source_means(
    values: NDArray[Any], sources: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean over sources of the mean over tokens, with its 95 % jackknife interval.

    Parameters
    ----------
    values : array (token, ...)
        Values, NaN where a token has none.
    sources : array (token,)
        Source of each token. The interval comes from leaving out groups of sources; it is NaN with fewer than 10
        groups.

    Returns
    -------
    mean, ci_low, ci_high : array (...) of float64
    """
    unique, inverse = np.unique(sources, return_inverse=True)
    valid = ~np.isnan(values)
    sums, counts = (np.zeros((len(unique), *values.shape[1:])) for _ in range(2))
    np.add.at(sums, inverse, np.where(valid, values, 0))
    np.add.at(counts, inverse, valid)
    groups = jackknife_groups(unique)
    by_source = np.where(counts > 0, sums / np.maximum(counts, 1), 0)

    def mean(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        number = (counts[mask] > 0).sum(0)
        return np.where(number > 0, by_source[mask].sum(0) / np.maximum(number, 1), np.nan)

    estimate, present = mean(np.ones(len(unique), bool)), np.unique(groups)
    if present.size < 2:
        return estimate, np.full_like(estimate, np.nan), np.full_like(estimate, np.nan)
    corrected, error = jackknife(estimate, np.stack([mean(groups != group) for group in present]))
    return estimate, *jackknife_interval(corrected, error, present.size)


class RunningMean:
    """Means per token over rows that arrive in parts, under several names.

    Parameters
    ----------
    tokens : int
        Number of tokens.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.sums: dict[str, NDArray[np.float64]] = {}
        self.counts: dict[str, NDArray[np.int64]] = {}

    def add(self, name: str, token: NDArray[np.int64], rows: Any) -> None:
        """Add rows ``(row, ...)``, an array or a tensor, to the means of the tokens ``token (row,)``."""
        values = np.asarray(rows if isinstance(rows, np.ndarray) else rows.detach().double().cpu().numpy(), np.float64)
        if name not in self.sums:
            self.sums[name] = np.zeros((self.tokens, *values.shape[1:]))
            self.counts[name] = np.zeros(self.tokens, np.int64)
        np.add.at(self.sums[name], token, values)
        np.add.at(self.counts[name], token, 1)

    def mean(self, name: str) -> NDArray[np.float64]:
        """Return the means, ``(token, ...)``; NaN for a token without rows."""
        sums, counts = self.sums[name], self.counts[name].astype(float)
        counts[counts == 0] = np.nan
        return np.asarray(sums / counts.reshape(-1, *(1,) * (sums.ndim - 1)))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.sums)
