"""Mutual information on plain arrays: plug-in over bins of equal mass with two bias corrections, nearest neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SchemaError
from interp.statistics import parallel_over_units, permute_sources

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MAX_EDGE_TOKENS = 10_000  # bins have equal mass within a few percent, and sorting all tokens costs as much as counting
CORRECTIONS = ("permutation", "miller-madow")
MAX_NEAREST_TOKENS = 10_000  # for nearest neighbours: the search is slow, and with more tokens bins are as accurate
MAX_TIED = 0.01  # fraction of repeated values above which distances of 0 invalidate the nearest-neighbour estimate


def estimate_mutual_information(
    values: Any,
    labels: Any,
    *,
    sources: Any = None,
    bins: int = 16,
    correction: str = "permutation",
    n_permutations: int = 100,
    seed: int = 0,
) -> Floats:
    """Return the mutual information of each unit with a label, in bits, corrected once for finite-sample bias.

    Parameters
    ----------
    values : array (token, unit) of float
        Finite activations.
    labels : array (token,)
        Labels of any type.
    sources : array (token,) of int, optional
        Source of each token; tokens of one source must be contiguous. By default each token is its own source.
    bins : int
        Number of bins of equal mass, from 10,000 evenly spaced tokens, 2 to 255; equal values share a bin, so there can
        be fewer.
    correction : {"permutation", "miller-madow"}
        Bias correction: subtract the mean over permutations by source, or a term from the number of filled cells.
    n_permutations, seed : int
        Number of permutations, and their seed.

    Returns
    -------
    array (unit,) of float64
        Can be negative, since the correction is right on average and not in each case.
    """
    check_options(bins, correction, n_permutations)
    values, labels = np.asarray(values), np.asarray(labels)
    sources = np.arange(len(labels)) if sources is None else np.asarray(sources)
    columns = permuted_columns(labels, sources, n_permutations if correction == "permutation" else 0, seed)
    bits, freedom = plug_in_by_column(np.ascontiguousarray(values.T), columns, bins)
    return correct_bias(bits, freedom, correction, len(labels))


def check_options(bins: int, correction: str, n_permutations: int) -> None:
    """Raise `OptionError` for invalid option values."""
    if not 2 <= bins <= 255:
        raise OptionError(f"bins= is 2 to 255; got {bins}.")
    if correction not in CORRECTIONS:
        raise OptionError(f"correction= is 'permutation' or 'miller-madow'; got {correction!r}.")
    if n_permutations < 2:
        raise OptionError(f"n_permutations= is at least 2; got {n_permutations}.")


def plug_in_information(counts: Any) -> Floats:
    """Return the information of a table of counts (..., bin, label) in bits: ``sum p log2(p / (p_bin p_label))``."""
    shares = np.asarray(counts, np.float64)
    shares = shares / shares.sum(axis=(-2, -1), keepdims=True)
    product = shares.sum(-1, keepdims=True) * shares.sum(-2, keepdims=True)
    ratio = np.where(shares > 0, shares / np.where(product > 0, product, 1), 1)
    return np.asarray(np.sum(shares * np.log2(ratio), axis=(-2, -1)))


def miller_madow(bits: Any, freedom: Any, tokens: int) -> Floats:
    """Return information minus ``freedom / (2 n ln 2)``: the correction of Miller (1955) for each of three entropies.

    Parameters
    ----------
    bits : array (...)
        Plug-in estimate.
    freedom : array (...)
        Filled cells, minus filled bins, minus labels that occur, plus one.
    tokens : int
        Number of tokens n.
    """
    return np.asarray(np.asarray(bits) - np.asarray(freedom) / (2 * tokens * np.log(2)))


def correct_bias(bits: Floats, freedom: Floats, correction: str, tokens: int) -> Floats:
    """Return (unit,) the first column of `plug_in_by_column`, corrected for bias."""
    if correction == "miller-madow":
        return miller_madow(bits[:, 0], freedom, tokens)
    return np.asarray(bits[:, 0] - bits[:, 1:].mean(axis=1))


def permuted_columns(labels: NDArray[Any], sources: NDArray[Any], n_permutations: int, seed: int) -> NDArray[np.uint16]:
    """Return the codes of the labels, as they are and permuted by source: (token, 1 + n_permutations)."""
    distinct, codes = np.unique(labels, return_inverse=True)
    if distinct.size > np.iinfo(np.uint16).max:
        raise OptionError(f"There are {distinct.size} distinct labels, more than 65,535: group them.")
    columns = np.empty((codes.size, 1 + n_permutations), np.uint16)
    columns[:, 0] = codes
    for column, order in enumerate(permute_sources(sources, n_permutations=n_permutations, seed=seed), 1):
        columns[:, column] = codes[order]
    return columns


def plug_in_by_column(values: NDArray[Any], columns: NDArray[np.uint16], bins: int) -> tuple[Floats, Floats]:
    """Return the plug-in information of each unit with each column of labels, and its degrees of freedom.

    Parameters
    ----------
    values : array (unit, token)
        Contiguous.
    columns : array (token, 1 + permutation)
        Result of `permuted_columns`.
    bins : int
        Number of bins of equal mass.

    Returns
    -------
    bits : array (unit, 1 + permutation) of float64
    freedom : array (unit,) of float64
        As in `miller_madow`.
    """
    from interp_information.kernels import assign_bins, information_by_column

    units, tokens = values.shape
    edges, bin_of = np.empty((units, bins - 1), values.dtype), np.empty((units, tokens), np.uint8)
    bits, freedom = np.zeros((units, columns.shape[1])), np.zeros(units)
    if values.size:
        parallel_over_units(_write_edges, units, values, edges, bins)
        parallel_over_units(assign_bins, units, values, edges, bin_of)
        table = np.arange(tokens + 1.0)
        table[1:] *= np.log2(table[1:])
        label_counts = np.bincount(columns[:, 0])
        parallel_over_units(information_by_column, units, bin_of, columns, label_counts, bins, table, bits, freedom)
    return bits, freedom


def _write_edges(first: int, last: int, values: NDArray[Any], edges: NDArray[Any], bins: int) -> None:
    """Write the inner edges of the bins, from evenly spaced tokens if there are more than `MAX_EDGE_TOKENS`."""
    spaced = values[:, :: -(-values.shape[1] // MAX_EDGE_TOKENS)]
    ranks = np.arange(1, bins) * spaced.shape[1] // bins
    for unit in range(first, last):
        edges[unit] = np.sort(spaced[unit])[ranks]


def nearest_neighbour_information(values: Any, labels: Any, *, n_neighbors: int = 3, seed: int = 0) -> Floats:
    """Return the mutual information of each unit with a discrete label, in bits, by nearest neighbours.

    Ross, "Mutual information between discrete and continuous data sets" (2014), as implemented in scikit-learn:
    negative values become 0.

    Parameters
    ----------
    values : array (token, unit) of float
    labels : array (token,)
    n_neighbors : int
        Number of neighbours.
    seed : int
        Seed of the small noise that scikit-learn adds.

    Returns
    -------
    array (unit,) of float64
    """
    from sklearn.feature_selection import mutual_info_classif

    codes = np.unique(labels, return_inverse=True)[1]
    values = np.asarray(values, np.float64)
    nats = mutual_info_classif(values, codes, discrete_features=False, n_neighbors=n_neighbors, random_state=seed)
    return np.asarray(nats / np.log(2))


def tied_fraction(values: NDArray[Any]) -> Floats:
    """Return the fraction of a unit's values (token, unit) that repeat another one: (unit,), 0 to 1."""
    return np.array([1 - np.unique(column).size / max(column.size, 1) for column in values.T])


def check_ties(values: NDArray[Any], names: NDArray[Any]) -> None:
    """Raise `SchemaError` if more than `MAX_TIED` of a unit's values (token, unit) repeat another value."""
    fractions = tied_fraction(values)
    too_many = fractions > MAX_TIED
    for name, fraction in zip(names[too_many].tolist(), fractions[too_many], strict=True):
        raise SchemaError(
            f"Nearest neighbours need continuous values; {fraction:.1%} of those of {name} repeat another one "
            "(saturated, rounded or constant). Use estimator='bins', where equal values share a bin."
        )
