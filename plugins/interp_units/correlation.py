"""Correlations between units, and which units of two models belong together: plain arrays."""

from __future__ import annotations

import numpy as np

FLAT = 1e-12  # of its largest value: a unit that varies by less is constant


def correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of every unit of ``a`` with every unit of ``b``: array (unit_a, unit_b), -1..1.

    NaN where a unit is constant, or was NaN anywhere.

    Parameters
    ----------
    a : array (token, unit_a)
    b : array (token, unit_b)
    """
    one, size = _centred(a)
    two, other = (one, size) if b is a else _centred(b)
    return np.asarray(np.clip(one.T @ two / size[:, None] / other, -1.0, 1.0))


def _centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values less their mean, and the length of each unit's vector; NaN for a constant unit."""
    centred = values.astype(np.float64)
    most = np.maximum(centred.max(axis=0, initial=0.0), -centred.min(axis=0, initial=0.0))
    centred -= centred.mean(axis=0)
    size = np.sqrt(np.einsum("tu,tu->u", centred, centred))
    return centred, np.where(size <= 1e-12 * most * max(len(values), 1) ** 0.5, np.nan, size)


def with_one(own: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of one unit with many, each read once: array (unit,), as `correlations`.

    Parameters
    ----------
    own : array (token,)
    values : array (token, unit)
    """
    from interp_units.kernels import moments

    n, units = values.shape
    if not n or not units:
        return np.full(units, np.nan)
    centred = own.astype(np.float64) - own.mean(dtype=np.float64)
    total, square, joint = np.zeros((3, units))
    moments(centred, np.ascontiguousarray(values.T), total, square, joint)
    sizes = np.sqrt((centred**2).sum()), np.sqrt(np.maximum(square - total**2 / n, 0.0))
    most = np.abs(own).max(), np.abs(values[0].astype(np.float64)) + np.sqrt(square)
    flat = (sizes[1] <= FLAT * most[1] * n**0.5) | (sizes[0] <= FLAT * most[0] * n**0.5)
    size = np.where(flat, np.nan, sizes[0] * sizes[1])
    return np.asarray(np.clip(joint / size, -1.0, 1.0))


def matched(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which units belong together, each at most once: rows and columns, equally many.

    The assignment with the largest sum of |r| (Kuhn, "The Hungarian method", 1955): with a greedy one the partner of a
    unit hangs on who was served before it, and the last ones are left with strangers. Units without a correlation
    are left out.

    Parameters
    ----------
    correlation : array (unit_a, unit_b)
        NaN counts as 0.
    """
    from scipy.optimize import linear_sum_assignment

    size = np.abs(np.nan_to_num(correlation))
    rows, columns = linear_sum_assignment(-size)
    known = size[rows, columns] > 0
    return rows[known], columns[known]
