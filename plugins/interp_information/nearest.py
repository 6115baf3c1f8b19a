"""The nearest-neighbour estimate for named units: no bins, and no correction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SchemaError, source_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 10_000  # tokens: the search is slow, and by then bins are as good
TIED = 0.01  # the share of tokens with a value that another one has, above which distances of 0 spoil the estimate


def nearest_neighbours(values: Any, labels: Any, *, neighbours: int = 3, seed: int = 0) -> NDArray[np.float64]:
    """Return the mutual information of each unit with a discrete label, in bits.

    Ross, "Mutual information between discrete and continuous data sets" (2014), as scikit-learn has it: values below
    0 come as 0.

    Parameters
    ----------
    values : array (token, unit) of float
    labels : array (token,)
    neighbours : int
        k of the estimate.
    seed : int
        Of the tiny noise that scikit-learn adds.

    Returns
    -------
    array (unit,) of float64
    """
    from sklearn.feature_selection import mutual_info_classif

    codes = np.unique(labels, return_inverse=True)[1]
    values = np.asarray(values, np.float64)
    found = mutual_info_classif(values, codes, discrete_features=False, n_neighbors=neighbours, random_state=seed)
    return np.asarray(found / np.log(2))


def ties(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of a unit's values (token, unit) that repeat another one: (unit,), 0 to 1."""
    return np.array([1 - np.unique(column).size / max(column.size, 1) for column in values.T])


def check_ties(values: NDArray[Any], names: NDArray[Any]) -> None:
    """Raise `SchemaError` where more than `TIED` of a unit's values (token, unit) are no values of their own."""
    shares = ties(values)
    for name, share in zip(names[shares > TIED].tolist(), shares[shares > TIED], strict=True):
        raise SchemaError(
            f"Nearest neighbours need continuous values; {share:.1%} of those of {name} repeat another one "
            "(saturated, rounded or constant). Use estimator='bins', which lets equal values share a bin."
        )


def few_sources(sources: NDArray[Any], most: int = MOST) -> NDArray[np.bool_]:
    """Return which tokens to keep: whole sources in the order of their hash, while they hold at most so many tokens."""
    known, inverse, sizes = np.unique(sources, return_inverse=True, return_counts=True)
    order = np.argsort(source_hash(known), kind="stable")
    kept = np.zeros(known.size, bool)
    kept[order[np.cumsum(sizes[order]) <= most]] = True
    return np.asarray(kept[inverse])
