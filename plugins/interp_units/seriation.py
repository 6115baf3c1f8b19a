"""An order in which rows that look alike stand together."""

from __future__ import annotations

import numpy as np


def seriated(rows: np.ndarray) -> np.ndarray:
    """Return an order of rows in which neighbours are alike, the end with the larger values first.

    Average linkage on Euclidean distances, leaves in the order with the smallest sum of distances between neighbours
    (Bar-Joseph, Gifford and Jaakkola, "Fast optimal leaf ordering for hierarchical clustering", 2001).

    Parameters
    ----------
    rows : array (row, column)
        NaN counts as 0.

    Returns
    -------
    array (row,) of int
        A permutation.

    Examples
    --------
    >>> seriated(np.array([[0.1], [0.9], [0.2], [0.8]])).tolist()
    [1, 3, 2, 0]
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import pdist

    values = np.nan_to_num(np.asarray(rows, dtype=np.float64))
    order: np.ndarray = np.arange(len(values))
    if len(values) > 2 and values.shape[1]:
        gaps = pdist(values)
        order = leaves_list(optimal_leaf_ordering(linkage(gaps, "average"), gaps))
    size = values.sum(axis=1)[order]
    half = len(order) // 2
    return np.asarray(order[::-1] if size[len(order) - half :].sum() > size[:half].sum() else order)
