"""What every probe counts with: groups of sources, shuffles of sources, the delete-a-group jackknife."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import OptionError
from interp.selection import source_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUPS = 20  # of the jackknife; with fewer than half of them its standard error is too noisy to quote


def source_groups(sources: NDArray[Any], groups: int = GROUPS) -> NDArray[np.int64]:
    """Return the group of each token, 0 to ``groups`` - 1: tokens of one source share a group.

    Parameters
    ----------
    sources : array (token,) of int
        The independent piece of text each token comes from.
    groups : int
        How many. Groups use the low bits of the hash, `interp.halves` the high ones.

    Returns
    -------
    array (token,) of int64
    """
    known, inverse = np.unique(sources, return_inverse=True)
    return (source_hash(known) % np.uint64(groups)).astype(np.int64)[inverse]


def block_shuffles(sources: NDArray[Any], *, draws: int, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield orders that shuffle whole sources: laid back in sequence, ``labels[order]`` breaks any tie to the tokens.

    Cutting the sequence into one block per source and shuffling the blocks keeps labels together that depend on each
    other, so that a null made of it counts sources and not tokens.

    Parameters
    ----------
    sources : array (token,) of int
        In the order (source, sample, step): tokens of a source stand together.
    draws : int
        How many orders.
    seed : int
        Of the shuffles.

    Yields
    ------
    array (token,) of int64
        A permutation of the positions.

    Raises
    ------
    OptionError
        Where tokens of a source do not stand together.
    """
    starts = np.flatnonzero(np.append(True, sources[1:] != sources[:-1])) if len(sources) else np.zeros(0, np.int64)
    if np.unique(sources[starts]).size != starts.size:
        raise OptionError("Tokens of a source must stand together: sort them by (source, sample, step).")
    sizes = np.diff(np.append(starts, len(sources)))
    generator = np.random.default_rng(seed)
    for _ in range(draws):
        blocks = generator.permutation(starts.size)
        lengths = sizes[blocks]
        laid = np.cumsum(lengths) - lengths
        yield np.repeat(starts[blocks] - laid, lengths) + np.arange(len(sources))


def jackknife(
    whole: NDArray[np.floating[Any]], without: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return an estimate corrected for bias, and its standard error, by the delete-a-group jackknife.

    With G groups: ``G * whole - (G - 1) * mean(without)``, and ``sqrt((G - 1) / G * sum((without - mean)**2))``
    (Kott, "The delete-a-group jackknife", 2001). An interval is the estimate ± t(.975, G - 1) standard errors.

    Parameters
    ----------
    whole : array (...)
        The estimate from all groups.
    without : array (group, ...)
        The estimates without each group in turn; only groups that are not empty.

    Returns
    -------
    corrected, error : array (...) of float64
    """
    number = len(without)
    mean = without.mean(axis=0, dtype=np.float64)
    error = np.sqrt((number - 1) / number * np.sum((without - mean) ** 2, axis=0))
    return np.asarray(number * whole - (number - 1) * mean), np.asarray(error)
