"""Correlations between units, matching of the units of two models, and selection of tokens to compute them from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from interp.statistics import jit

RELATIVE_TOLERANCE = 1e-12  # a unit that varies by less, relative to its largest value, is constant
MAX_SAMPLE, N_PIECES = 20_000, 10  # number of sampled tokens, and of contiguous pieces they are read in
ANY_ORDER = {"reassoc", "contract"}  # let sums be reordered, so that they vectorise; NaN stays NaN


def spread(n: int, size: int = MAX_SAMPLE) -> np.ndarray:
    """Return all of ``n`` positions, or ``size`` of them in contiguous pieces, which a store reads quickly.

    Parameters
    ----------
    n : int
        Number of positions.
    size : int
        Maximum number of positions to return.

    Returns
    -------
    array (position,) of int
        Positions in ascending order, in 10 evenly spaced pieces if there are more than ``size``.

    Examples
    --------
    >>> spread(3).tolist()
    [0, 1, 2]
    >>> spread(101, 20).tolist()[:6]
    [0, 1, 11, 12, 22, 23]
    """
    if n <= size:
        return np.arange(n)
    length = size // N_PIECES
    return np.concatenate([np.arange(length) + start for start in np.linspace(0, n - length, N_PIECES).astype(int)])


def correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of every unit of ``a`` with every unit of ``b``.

    Parameters
    ----------
    a : array (token, unit_a)
    b : array (token, unit_b)

    Returns
    -------
    array (unit_a, unit_b) of float64
        Correlations in -1..1; NaN for a unit that is constant or has a NaN.
    """
    centred_a, norm_a = _centred(a)
    centred_b, norm_b = (centred_a, norm_a) if b is a else _centred(b)
    return np.asarray(np.clip(centred_a.T @ centred_b / norm_a[:, None] / norm_b, -1.0, 1.0))


def _centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values minus their mean, and the norm of each unit's vector; NaN for a constant unit."""
    centred = values.astype(np.float64)
    largest = np.maximum(centred.max(axis=0, initial=0.0), -centred.min(axis=0, initial=0.0))
    centred -= centred.mean(axis=0)
    norm = np.sqrt(np.einsum("tu,tu->u", centred, centred))
    return centred, np.where(norm <= RELATIVE_TOLERANCE * largest * max(len(values), 1) ** 0.5, np.nan, norm)


def correlations_with_unit(unit: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of one unit with many, in a single pass over the values of each.

    Parameters
    ----------
    unit : array (token,)
    values : array (token, unit)

    Returns
    -------
    array (unit,) of float64
        Correlations in -1..1, as `correlations`.
    """
    n, units = values.shape
    if not n or not units:
        return np.full(units, np.nan)
    centred = unit.astype(np.float64) - unit.mean(dtype=np.float64)
    total, square, joint = np.zeros((3, units))
    _compiled_moments()(centred, np.ascontiguousarray(values.T), total, square, joint)
    norms = np.sqrt((centred**2).sum()), np.sqrt(np.maximum(square - total**2 / n, 0.0))
    largest = np.abs(unit).max(), np.abs(values[0].astype(np.float64)) + np.sqrt(square)
    constant = (norms[1] <= RELATIVE_TOLERANCE * largest[1] * n**0.5) | (
        norms[0] <= RELATIVE_TOLERANCE * largest[0] * n**0.5
    )
    norm = np.where(constant, np.nan, norms[0] * norms[1])
    return np.asarray(np.clip(joint / norm, -1.0, 1.0))


@cache
def _compiled_moments() -> Callable[..., None]:
    """Return `_moments` compiled; numba is imported on the first call."""
    return jit(_moments, fastmath=ANY_ORDER)


def _moments(unit: Any, values: Any, total: Any, square: Any, joint: Any) -> None:
    """Write sums of x, x^2 and x * unit for each row of ``values (unit, token)``, after subtracting its first value.

    Without the subtraction, the variance of a unit that varies little around a large value would be lost.
    """
    for row in range(values.shape[0]):
        start = np.float64(values[row, 0])
        a, b, c = 0.0, 0.0, 0.0
        for token in range(values.shape[1]):
            x = np.float64(values[row, token]) - start
            a += x
            b += x * x
            c += x * unit[token]
        total[row], square[row], joint[row] = a, b, c


def match_units(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the one-to-one matching of units with the largest sum of |r|.

    Solves the assignment problem (Kuhn, "The Hungarian method", 1955). Greedy matching would depend on the order of
    units and leave the last ones with poor partners. Units without a correlation are left out.

    Parameters
    ----------
    correlation : array (unit_a, unit_b)
        Correlations; NaN counts as 0.

    Returns
    -------
    rows, columns : array (match,) of int
        Positions of the matched units.
    """
    from scipy.optimize import linear_sum_assignment

    strength = np.abs(np.nan_to_num(correlation))
    rows, columns = linear_sum_assignment(-strength)
    correlated = strength[rows, columns] > 0
    return rows[correlated], columns[correlated]
