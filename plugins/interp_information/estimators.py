"""Mutual information on plain arrays: plug-in over bins of equal mass, and its two corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SchemaError, block_shuffles, over_units, source_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ENOUGH = 10_000  # tokens: they give bins of equal mass to a few percent, and sorting them all costs as much as counting
CORRECTIONS = ("permutation", "miller-madow")


def mutual_information(
    values: Any,
    labels: Any,
    *,
    sources: Any = None,
    bins: int = 16,
    correction: str = "permutation",
    draws: int = 100,
    seed: int = 0,
) -> Floats:
    """Return the mutual information of each unit with a label, in bits, corrected once for the bias of few tokens.

    Parameters
    ----------
    values : array (token, unit) of float
        Finite.
    labels : array (token,)
        Of any kind.
    sources : array (token,) of int, optional
        The independent piece that each token comes from; tokens of one stand together. By default each is its own.
    bins : int
        Of equal mass, by 10,000 evenly spaced tokens; equal values share a bin, so there may be fewer. 2 to 255.
    correction : {"permutation", "miller-madow"}
        Minus the mean over permutations by source, or by the number of filled cells.
    draws, seed : int
        How many permutations, and which.

    Returns
    -------
    array (unit,) of float64
        May be below 0, since a correction is on average and not in each case.
    """
    check(bins, correction, draws)
    values, labels = np.asarray(values), np.asarray(labels)
    sources = np.arange(len(labels)) if sources is None else np.asarray(sources)
    columns = drawn(labels, sources, draws if correction == "permutation" else 0, seed)
    return corrected(*informations(np.ascontiguousarray(values.T), columns, bins), correction, len(labels))


def check(bins: int, correction: str, draws: int) -> None:
    """Raise `OptionError` for values that make no sense."""
    if not 2 <= bins <= 255:
        raise OptionError(f"bins= is 2 to 255; got {bins}.")
    if correction not in CORRECTIONS:
        raise OptionError(f"correction= is 'permutation' or 'miller-madow', one of them; got {correction!r}.")
    if draws < 2:
        raise OptionError(f"draws= is 2 at least; got {draws}.")


def plug_in(counts: Any) -> Floats:
    """Return the information of a table of counts (..., bin, label) in bits: ``sum p log2(p / (p_bin p_label))``."""
    shares = np.asarray(counts, np.float64)
    shares = shares / shares.sum(axis=(-2, -1), keepdims=True)
    product = shares.sum(-1, keepdims=True) * shares.sum(-2, keepdims=True)
    inside = np.where(shares > 0, shares / np.where(product > 0, product, 1), 1)
    return np.asarray(np.sum(shares * np.log2(inside), axis=(-2, -1)))


def miller_madow(bits: Any, freedom: Any, tokens: int) -> Floats:
    """Return information less ``freedom / (2 n ln 2)``: Miller (1955) for each of the three entropies.

    Parameters
    ----------
    bits : array (...)
        The plug-in.
    freedom : array (...)
        Filled cells, less filled bins, less labels that occur, plus one.
    tokens : int
        n.
    """
    return np.asarray(np.asarray(bits) - np.asarray(freedom) / (2 * tokens * np.log(2)))


def corrected(bits: Floats, freedom: Floats, correction: str, tokens: int) -> Floats:
    """Return (unit,) what `informations` found less its bias."""
    if correction == "miller-madow":
        return miller_madow(bits[:, 0], freedom, tokens)
    return np.asarray(bits[:, 0] - bits[:, 1:].mean(axis=1))


def drawn(labels: NDArray[Any], sources: NDArray[Any], draws: int, seed: int) -> NDArray[np.uint16]:
    """Return the codes of the labels as they are and permuted by source: (token, 1 + draws)."""
    known, codes = np.unique(labels, return_inverse=True)
    if known.size > np.iinfo(np.uint16).max:
        raise OptionError(f"{known.size} different labels are more than can be told apart here: group them.")
    columns = np.empty((codes.size, 1 + draws), np.uint16)
    columns[:, 0] = codes
    for column, order in enumerate(block_shuffles(sources, draws=draws, seed=seed), 1):
        columns[:, column] = codes[order]
    return columns


def informations(values: NDArray[Any], columns: NDArray[np.uint16], bins: int) -> tuple[Floats, Floats]:
    """Return the plug-in information of each unit with each column of labels, and the cells that it fills.

    Parameters
    ----------
    values : array (unit, token)
        Contiguous.
    columns : array (token, 1 + draws)
        As of `drawn`.
    bins : int
        Of equal mass.

    Returns
    -------
    bits : array (unit, 1 + draws) of float64
    freedom : array (unit,) of float64
        As `miller_madow` takes it.
    """
    from interp_information.kernels import measure, place

    units, tokens = values.shape
    edges, found = np.empty((units, bins - 1), values.dtype), np.empty((units, tokens), np.uint8)
    bits, freedom = np.zeros((units, columns.shape[1])), np.zeros(units)
    if values.size:
        over_units(_cut, units, values, edges, bins)
        over_units(place, units, values, edges, found)
        table = np.arange(tokens + 1.0)
        table[1:] *= np.log2(table[1:])
        over_units(measure, units, found, columns, np.bincount(columns[:, 0]), bins, table, bits, freedom)
    return bits, freedom


def _cut(first: int, last: int, values: NDArray[Any], edges: NDArray[Any], bins: int) -> None:
    """Write the values at which a new bin begins, of evenly spaced tokens where there are more than `ENOUGH`."""
    spaced = values[:, :: -(-values.shape[1] // ENOUGH)]
    at = np.arange(1, bins) * spaced.shape[1] // bins
    for unit in range(first, last):
        edges[unit] = np.sort(spaced[unit])[at]


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
