"""Histograms of each unit, with the bins of `numpy.histogram`, for many groups of tokens at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Loop = TypeVar("Loop", bound=Callable[..., Any])
_LINE = 16  # float32 units per cache line; threads never share a line


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


def count_bins(
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
    order = np.argsort(rows, kind="stable")  # tokens sorted by row, so that its histograms are loaded once
    order = order[np.searchsorted(rows[order], 0) :]
    if order.size and values.shape[1]:
        from interp.kernels import count

        low, high = _widen_equal(low, high)
        step, scale = (high - low) / counts.shape[2], counts.shape[2] / (high - low)
        over_units(count, values.shape[1], values, order, rows.astype(np.int64), low, high, step, scale, counts)
    return counts


def over_units(kernel: Callable[..., None], units: int, *arrays: Any) -> None:
    """Call ``kernel(first, last, *arrays)`` for spans of units, with one thread per available CPU (at most 64)."""
    workers = max(1, min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 64))
    step = -(-units // (workers * _LINE)) * _LINE
    spans = [(first, min(first + step, units)) for first in range(0, units, step)]
    if len(spans) == 1:
        return kernel(*spans[0], *arrays)
    with ThreadPoolExecutor(len(spans)) as pool:
        for future in [pool.submit(kernel, *span, *arrays) for span in spans]:
            future.result()
    return None


def compiled(loop: Loop, **options: Any) -> Loop:
    """Compile a loop over arrays with numba, releasing the GIL, and cache it on disk if possible.

    Parameters
    ----------
    loop : callable
        Function in the subset of Python that numba compiles.
    **options
        Options of `numba.njit`.

    Returns
    -------
    callable
        The compiled function, with the same arguments.
    """
    import numba

    try:
        return cast("Loop", numba.njit(nogil=True, cache=True, **options)(loop))
    except RuntimeError:  # no writable cache directory: a read-only installation without a home
        return cast("Loop", numba.njit(nogil=True, **options)(loop))


def _widen_equal(low: NDArray[Any], high: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    equal = low == high
    return np.where(equal, low - 0.5, low), np.where(equal, high + 0.5, high)
