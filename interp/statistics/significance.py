"""P-values from permutations, and corrections for multiple tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from interp.errors import OptionError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def permutation_pvalue(observed: NDArray[Any], null: NDArray[Any]) -> NDArray[np.float64]:
    """Return the permutation p-values ``(1 + #{null >= observed}) / (1 + #null)``, with one pooled null distribution.

    Parameters
    ----------
    observed : array (...)
        Observed statistics; larger values are more extreme.
    null : array (...)
        The same statistic under the null, of any shape; NaN and infinite values are ignored.

    Returns
    -------
    array (...) of float64
        p-values in (0, 1]; 1 where ``observed`` is NaN.
    """
    pool = np.sort(null[np.isfinite(null)], axis=None)
    above = pool.size - np.searchsorted(pool, np.where(np.isnan(observed), -np.inf, observed), side="left")
    return np.asarray((1 + above) / (1 + pool.size), np.float64)


def fdr(p: NDArray[Any], correction: Literal["bh", "by"] = "bh") -> NDArray[np.float64]:
    """Return q-values: the smallest false discovery rate at which each test would be significant.

    Parameters
    ----------
    p : array (...)
        p-values of all tests of the family. NaN means no test and stays NaN.
    correction : {"bh", "by"}
        Benjamini and Hochberg (1995), or Benjamini and Yekutieli (2001), which is valid under any dependence.

    Returns
    -------
    array (...) of float64

    Raises
    ------
    OptionError
        For an unknown correction.
    """
    from scipy.stats import false_discovery_control

    if correction not in ("bh", "by"):
        raise OptionError(f"correction= must be 'bh' or 'by'; got {correction!r}.")
    q = np.full(np.shape(p), np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested], method=correction)
    return q


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted by Holm's step-down method, which controls the family-wise error.

    Holm, "A simple sequentially rejective multiple test procedure", 1979.

    Parameters
    ----------
    p : array (test,)
        p-values of one family of tests. NaNs stay NaN and are not counted as tests.

    Returns
    -------
    array (test,) of float64
        Adjusted p-values, at most 1.
    """
    values = np.asarray(p, np.float64)
    adjusted, valid = np.full(values.shape, np.nan), np.flatnonzero(~np.isnan(values))
    order = valid[np.argsort(values[valid], kind="stable")]
    steps = values[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
