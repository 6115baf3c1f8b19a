"""Numba helpers: cached compilation, and threads over units."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

Loop = TypeVar("Loop", bound=Callable[..., Any])
CACHE_LINE_UNITS = 16  # float32 units per cache line; threads never share a line


def parallel_over_units(kernel: Callable[..., None], units: int, *arrays: Any) -> None:
    """Call ``kernel(first, last, *arrays)`` for spans of units, with one thread per available CPU (at most 64)."""
    workers = max(1, min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 64))
    step = -(-units // (workers * CACHE_LINE_UNITS)) * CACHE_LINE_UNITS
    spans = [(first, min(first + step, units)) for first in range(0, units, step)]
    if len(spans) == 1:
        return kernel(*spans[0], *arrays)
    with ThreadPoolExecutor(len(spans)) as pool:
        for future in [pool.submit(kernel, *span, *arrays) for span in spans]:
            future.result()
    return None


def jit(loop: Loop, **options: Any) -> Loop:
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
