"""The integral along a path as plain arrays: nodes, derivatives at them, conductance, and means over sources."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import interval, jackknife, source_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array = "NDArray[np.float64]"


@lru_cache
def nodes(steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places in 0..1 and their weights, of the Gauss-Legendre rule: exact for polynomials below 2 x steps."""
    places, weights = np.polynomial.legendre.leggauss(steps)
    return (places + 1) / 2, weights / 2


@lru_cache
def derivative(steps: int) -> NDArray[np.float64]:
    """Return the matrix that turns values at the nodes into derivatives there: exact for polynomials below ``steps``.

    ``D_jk = (w_k / w_j) / (x_j - x_k)`` off the diagonal, rows add up to 0, ``w_k = 1 / prod (x_k - x_l)``
    (Berrut and Trefethen, "Barycentric Lagrange interpolation", 2004).

    Returns
    -------
    array (step, step)
    """
    places = nodes(steps)[0]
    gaps = places[:, None] - places[None]
    np.fill_diagonal(gaps, 1)
    logs, signs = -np.log(np.abs(gaps)).sum(1), np.sign(gaps).prod(1)
    matrix = np.asarray(np.exp(logs[None] - logs[:, None]) * signs[None] * signs[:, None] / gaps)
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, -matrix.sum(1))
    return matrix


def conductance(values: NDArray[Any], gradients: NDArray[Any]) -> NDArray[np.float64]:
    """Return what units carry along a path: the integral of the gradient with respect to a unit times its derivative.

    ``sum_k w_k dF/dy(a_k) dy/da(a_k)`` (Dhamdhere, Sundararajan and Yan, "How important is a neuron?", 2018, summed
    over the inputs), where the derivative is that of the polynomial through the values at the nodes.

    Parameters
    ----------
    values, gradients : array (..., step, unit)
        Of units, and of the number with respect to them, at the nodes of `nodes`.

    Returns
    -------
    array (..., unit) of float64
        In the unit of the number.
    """
    steps = values.shape[-2]
    weighted = derivative(steps).T @ (np.asarray(gradients, np.float64) * nodes(steps)[1][:, None])
    return np.asarray(np.einsum("...ku,...ku->...u", weighted, np.asarray(values, np.float64)))


def source_means(
    values: NDArray[Any], sources: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean over sources of the mean over tokens, and the ends of its 95 % interval by the jackknife.

    Parameters
    ----------
    values : array (token, ...)
        NaN where a token has none.
    sources : array (token,)
        Groups of them are left out in turn; the ends are NaN where there are under 10 groups.

    Returns
    -------
    mean, low, high : array (...) of float64
    """
    known, inverse = np.unique(sources, return_inverse=True)
    there = ~np.isnan(values)
    sums, counts = (np.zeros((len(known), *values.shape[1:])) for _ in range(2))
    np.add.at(sums, inverse, np.where(there, values, 0))
    np.add.at(counts, inverse, there)
    groups = source_groups(known)
    own = np.where(counts > 0, sums / np.maximum(counts, 1), 0)

    def mean(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        number = (counts[kept] > 0).sum(0)
        return np.where(number > 0, own[kept].sum(0) / np.maximum(number, 1), np.nan)

    whole, present = mean(np.ones(len(known), bool)), np.unique(groups)
    if present.size < 2:
        return whole, np.full_like(whole, np.nan), np.full_like(whole, np.nan)
    corrected, error = jackknife(whole, np.stack([mean(groups != group) for group in present]))
    return whole, *interval(corrected, error, present.size)
