"""Counts of values in bins of each unit, as `numpy.histogram` counts them, many rows of labels at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Loop = TypeVar("Loop", bound=Callable[..., Any])
_LINE = 16  # units of float32 in a cache line, which no two threads share


def bin_edges(low: NDArray[Any], high: NDArray[Any], bins: int) -> NDArray[np.float64]:
    """Return the edges of equal bins for each unit, those of ``np.histogram(…, bins, range=(low, high))``.

    Parameters
    ----------
    low, high : array (unit,)
        Ends of the range; where they are equal the range is widened by one half on either side, as numpy does.
    bins : int
        How many.

    Returns
    -------
    array (unit, bins + 1) of float64
    """
    low, high = _outer(low, high)
    return np.ascontiguousarray(np.linspace(low, high, bins + 1).T)


def count_bins(
    values: NDArray[Any], rows: NDArray[np.integer[Any]], low: NDArray[Any], high: NDArray[Any], counts: NDArray[Any]
) -> NDArray[Any]:
    """Add to ``counts[row, unit]`` the histogram of the values of each unit over the tokens of each row.

    Parameters
    ----------
    values : array (token, unit) of float32 or float64
        Taken as float64, so that bins are those of `bin_edges`: half open, the last one closed. Values outside
        the range, and NaN, are left out, as numpy leaves them out.
    rows : array (token,) of int
        To which row of ``counts`` a token belongs; negative for none.
    low, high : array (unit,)
        Ends of each unit's range, finite.
    counts : array (row, unit, bin) of unsigned or signed int
        Changed in place.

    Returns
    -------
    array (row, unit, bin)
        ``counts``.
    """
    order = np.argsort(rows, kind="stable")  # tokens of a row together: its histograms are fetched once
    order = order[np.searchsorted(rows[order], 0) :]
    if order.size and values.shape[1]:
        from interp.kernels import count

        low, high = _outer(low, high)
        step, scale = (high - low) / counts.shape[2], counts.shape[2] / (high - low)
        over_units(count, values.shape[1], values, order, rows.astype(np.int64), low, high, step, scale, counts)
    return counts


def over_units(kernel: Callable[..., None], units: int, *arrays: Any) -> None:
    """Call ``kernel(first, last, *arrays)`` for spans of units, in as many threads as there are processors."""
    workers = max(1, min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 64))
    step = -(-units // (workers * _LINE)) * _LINE
    spans = [(first, min(first + step, units)) for first in range(0, units, step)]
    if len(spans) == 1:
        return kernel(*spans[0], *arrays)
    with ThreadPoolExecutor(len(spans)) as pool:
        for done in [pool.submit(kernel, *span, *arrays) for span in spans]:
            done.result()
    return None


def compiled(loop: Loop, **options: Any) -> Loop:
    """Compile a loop over arrays: it runs without the interpreter's lock, and is kept where a cache can be written.

    Parameters
    ----------
    loop : callable
        In the part of Python that numba compiles.
    **options
        Of `numba.njit`.

    Returns
    -------
    callable
        The compiled one; it takes the same arguments.
    """
    import numba

    try:
        return cast("Loop", numba.njit(nogil=True, cache=True, **options)(loop))
    except RuntimeError:  # no place for a cache: a read-only installation without a home
        return cast("Loop", numba.njit(nogil=True, **options)(loop))


def _outer(low: NDArray[Any], high: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    flat = low == high
    return np.where(flat, low - 0.5, low), np.where(flat, high + 0.5, high)
