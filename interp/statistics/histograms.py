"""Histograms of each unit, with the bins of `numpy.histogram`, for many groups of tokens at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp.numba_utils import parallel_over_units

if TYPE_CHECKING:
    from numpy.typing import NDArray


def bin_edges(low: NDArray[Any], high: NDArray[Any], bins: int) -> NDArray[np.float64]:
    """Return the edges of equal-width bins for each unit, as ``np.histogram(…, bins, range=(low, high))`` does.

    Parameters
    ----------
    low, high : array (unit,)
        Ends of the range. If they are equal, the range is widened by one half on either side, as numpy does.
    bins : int
        Number of bins.

    Returns
    -------
    array (unit, bins + 1) of float64
    """
    low, high = _widen_equal(low, high)
    return np.ascontiguousarray(np.linspace(low, high, bins + 1).T)


def histogram_per_unit(
    values: NDArray[Any], rows: NDArray[np.integer[Any]], low: NDArray[Any], high: NDArray[Any], counts: NDArray[Any]
) -> NDArray[Any]:
    """Add the histogram of each unit over the tokens of each row to ``counts[row, unit]``.

    Parameters
    ----------
    values : array (token, unit) of float32 or float64
        Values, converted to float64 so that the bins are those of `bin_edges`: half-open, the last one closed. Values
        outside the range, and NaN, are ignored, as in numpy.
    rows : array (token,) of int
        Row of ``counts`` to which each token belongs; negative for none.
    low, high : array (unit,)
        Ends of each unit's range, finite.
    counts : array (row, unit, bin) of unsigned or signed int
        Counts, modified in place.

    Returns
    -------
    array (row, unit, bin)
        The same array ``counts``.
    """
    from interp.statistics.kernels import count_kernel  # numba is loaded when it is first needed

    order = np.argsort(rows, kind="stable")  # tokens sorted by row, so that its histograms are loaded once
    order = order[np.searchsorted(rows[order], 0) :]
    if order.size and values.shape[1]:
        low, high = _widen_equal(low, high)
        step, scale = (high - low) / counts.shape[2], counts.shape[2] / (high - low)
        parallel_over_units(
            count_kernel, values.shape[1], values, order, rows.astype(np.int64), low, high, step, scale, counts
        )
    return counts


def _widen_equal(low: NDArray[Any], high: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    equal = low == high
    return np.where(equal, low - 0.5, low), np.where(equal, high + 0.5, high)
