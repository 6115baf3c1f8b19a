"""The participation ratio: how many entries contribute to a sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def participation_ratio(weights: ArrayLike, axis: int = -1) -> NDArray[Any]:
    """Return the participation ratio ``(sum w)^2 / sum w^2``, the effective number of entries in the sum.

    Parameters
    ----------
    weights : array (...)
        Non-negative values, such as squared distances or mutual information; negative values count as 0.
    axis : int
        Axis of the entries.

    Returns
    -------
    array (...) of float64, without the axis
        From 1 to the number of entries; 0 where all entries are 0, NaN where one is NaN.
    """
    positive = np.maximum(np.asarray(weights, np.float64), 0)
    squares = (positive**2).sum(axis)
    return np.asarray(positive.sum(axis) ** 2 / np.where(squares > 0, squares, 1))
