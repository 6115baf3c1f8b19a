"""Resampling over sources: permutations, the delete-a-group jackknife, p-values and false discovery rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import OptionError
from interp.selection import hash_sources

if TYPE_CHECKING:
    from numpy.typing import NDArray


N_JACKKNIFE_GROUPS = 20  # jackknife groups; with fewer than half of them the standard error is too noisy to report
MIN_EXCHANGEABLE_BLOCKS = 5  # minimal number of blocks that are permuted among each other


def jackknife_groups(sources: NDArray[Any], n_groups: int = N_JACKKNIFE_GROUPS) -> NDArray[np.int64]:
    """Return the jackknife group of each token, 0 to ``groups`` - 1; tokens of one source share a group.

    Parameters
    ----------
    sources : array (token,) of int
        Source of each token.
    n_groups : int
        Number of groups. Groups use the low bits of the hash, `interp.split_by_source` the high ones.

    Returns
    -------
    array (token,) of int64
    """
    values, inverse = np.unique(sources, return_inverse=True)
    return (hash_sources(values) % np.uint64(n_groups)).astype(np.int64)[inverse]


def permute_sources(sources: NDArray[Any], *, n_permutations: int, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield permutations of whole sources; ``labels[order]`` is independent of the tokens under the null.

    The sequence is split into one block per source, and blocks are permuted. Labels that depend on each other stay
    together, so that a null distribution counts sources and not tokens. Blocks are exchanged with blocks of the
    same length only: with unequal lengths a source would mostly get the end of one block and the beginning of the
    next, which depend on each other less than its own labels do. Lengths that fewer than `MIN_EXCHANGEABLE_BLOCKS`
    sources have are merged with the next longer ones. Each block is rotated by a random offset; otherwise a value
    that all sources share at one position, such as their beginning, would remain in the null distribution.

    Parameters
    ----------
    sources : array (token,) of int
        Source of each token, ordered by (source, sample, step): tokens of a source are contiguous.
    n_permutations : int
        Number of permutations.
    seed : int
        Random seed.

    Yields
    ------
    array (token,) of int64
        A permutation of the positions.

    Raises
    ------
    OptionError
        If the tokens of a source are not contiguous.
    """
    starts = np.flatnonzero(np.append(True, sources[1:] != sources[:-1])) if len(sources) else np.zeros(0, np.int64)
    if np.unique(sources[starts]).size != starts.size:
        raise OptionError("Tokens of a source must be contiguous: sort them by (source, sample, step).")
    sizes = np.diff(np.append(starts, len(sources)))
    groups = _blocks_by_length(sizes)
    generator = np.random.default_rng(seed)
    for _ in range(n_permutations):
        order = np.empty(len(sources), np.int64)
        for blocks in groups:
            permuted = generator.permutation(blocks)
            offsets = generator.integers(0, sizes[permuted])
            order[_positions(starts, sizes, blocks)] = _positions(starts, sizes, permuted, offsets)
        yield order


def _blocks_by_length(sizes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the blocks by length, groups below `MIN_EXCHANGEABLE_BLOCKS` merged with the next; each is sorted."""
    order = np.argsort(sizes, kind="stable")
    bounds = [0]
    for end in (np.flatnonzero(np.diff(sizes[order])) + 1).tolist():
        if min(end - bounds[-1], order.size - end) >= MIN_EXCHANGEABLE_BLOCKS:
            bounds.append(end)
    return [np.sort(blocks) for blocks in np.split(order, bounds[1:])]


def _positions(
    starts: NDArray[np.int64], sizes: NDArray[np.int64], blocks: NDArray[np.int64], offsets: NDArray[np.int64] | int = 0
) -> NDArray[np.int64]:
    """Return the positions of the tokens of some blocks in sequence, each block rotated by its offset."""
    lengths = sizes[blocks]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - offsets, lengths)
    return np.asarray(np.repeat(starts[blocks], lengths) + within % np.repeat(lengths, lengths))


def jackknife(
    whole: NDArray[np.floating[Any]], without: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a bias-corrected estimate and its standard error by the delete-a-group jackknife.

    With G groups: ``G * whole - (G - 1) * mean(without)``, and ``sqrt((G - 1) / G * sum((without - mean)**2))``
    (Kott, "The delete-a-group jackknife", 2001). An interval is the estimate ± t(.975, G - 1) standard errors.

    Parameters
    ----------
    whole : array (...)
        Estimate from all groups.
    without : array (group, ...)
        Leave-one-out estimates, one per non-empty group.

    Returns
    -------
    corrected, error : array (...) of float64
    """
    n = len(without)
    mean = without.mean(axis=0, dtype=np.float64)
    error = np.sqrt((n - 1) / n * np.sum((without - mean) ** 2, axis=0))
    return np.asarray(n * whole - (n - 1) * mean), np.asarray(error)


def permute_sources_within(
    sources: NDArray[Any], strata: NDArray[Any] | None, *, n_permutations: int, seed: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Yield permutations of whole sources as `permute_sources` does, within each stratum separately.

    Parameters
    ----------
    sources : array (token,) of int
        Source of each token, ordered by (source, sample, step): tokens of a source are contiguous.
    strata : array (token,) of int, optional
        Stratum of each token, such as its position in the word; None for a single stratum.
    n_permutations : int
        Number of permutations.
    seed : int
        Random seed. Each stratum has its own derived seed, so that its permutations don't depend on other strata.

    Yields
    ------
    array (token,) of int64
        A permutation of the positions.
    """
    if strata is None:
        yield from permute_sources(sources, n_permutations=n_permutations, seed=seed)
        return
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    seeds = [seed + int(hash_sources(strata[tokens[:1]])[0] >> np.uint64(1)) for tokens in members]
    within = [
        permute_sources(sources[tokens], n_permutations=n_permutations, seed=own)
        for tokens, own in zip(members, seeds, strict=True)
    ]
    for orders in zip(*within, strict=True):
        permutation = np.empty(len(sources), np.int64)
        for tokens, order in zip(members, orders, strict=True):
            permutation[tokens] = tokens[order]
        yield permutation


def jackknife_interval(
    estimate: NDArray[Any], error: NDArray[Any], groups: NDArray[Any] | int, *, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends ``estimate ± t(G - 1) error`` of a jackknife confidence interval.

    Parameters
    ----------
    estimate, error : array (...)
        Estimate and standard error from `jackknife`.
    n_groups : int or array (...)
        Number of groups G that were left out in turn. Below `N_JACKKNIFE_GROUPS` / 2 the ends are NaN, because the
        standard error is too noisy to report.
    confidence : float
        Coverage probability.

    Returns
    -------
    low, high : array (...) of float64
        Lower and upper end, in the shape of the estimates.
    """
    from scipy.stats import t

    groups = np.asarray(groups)
    half_width = (
        np.where(groups >= N_JACKKNIFE_GROUPS / 2, t.ppf((1 + confidence) / 2, np.maximum(groups - 1, 1)), np.nan)
        * error
    )
    return np.asarray(estimate - half_width), np.asarray(estimate + half_width)
