"""Correlations between units, and which units of two models belong together: plain arrays."""

from __future__ import annotations

import numpy as np


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
