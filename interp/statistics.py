"""What every probe counts with: groups of sources, shuffles of sources, the delete-a-group jackknife."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from interp.errors import OptionError
from interp.selection import source_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUPS = 20  # of the jackknife; with fewer than half of them its standard error is too noisy to quote
ALIKE = 5  # blocks that change places among themselves, at least


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
    """Yield orders that shuffle whole sources: ``labels[order]``, laid back, breaks any tie to the tokens.

    Cutting the sequence into one block per source and shuffling the blocks keeps labels together that depend on each
    other, so that a null made of it counts sources and not tokens. Blocks change places with blocks of their own
    length: among blocks of any length a source would mostly get the end of one block and the beginning of the next,
    which depend on each other less than its own labels do. Lengths that fewer than `ALIKE` sources have are joined
    to the next longer ones. Each block is laid as a ring from a place drawn anew: what all sources share at one place,
    such as their beginnings, would else stay a part of the null.

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
    alike = _alike(sizes)
    generator = np.random.default_rng(seed)
    for _ in range(draws):
        order = np.empty(len(sources), np.int64)
        for blocks in alike:
            laid = generator.permutation(blocks)
            turns = generator.integers(0, sizes[laid])
            order[_positions(starts, sizes, blocks)] = _positions(starts, sizes, laid, turns)
        yield order


def _alike(sizes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the blocks in groups of one length, short groups joined to the next, each group in sequence."""
    order = np.argsort(sizes, kind="stable")
    cuts = [0]
    for end in (np.flatnonzero(np.diff(sizes[order])) + 1).tolist():
        if min(end - cuts[-1], order.size - end) >= ALIKE:
            cuts.append(end)
    return [np.sort(blocks) for blocks in np.split(order, cuts[1:])]


def _positions(
    starts: NDArray[np.int64], sizes: NDArray[np.int64], blocks: NDArray[np.int64], turns: NDArray[np.int64] | int = 0
) -> NDArray[np.int64]:
    """Return the positions of the tokens of some blocks, one block after the other, each from its turn on."""
    lengths = sizes[blocks]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - turns, lengths)
    return np.asarray(np.repeat(starts[blocks], lengths) + within % np.repeat(lengths, lengths))


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


def stratified_shuffles(
    sources: NDArray[Any], strata: NDArray[Any] | None, *, draws: int, seed: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Yield orders as `block_shuffles` does, each of which keeps the tokens of a stratum among themselves.

    Parameters
    ----------
    sources : array (token,) of int
        In the order (source, sample, step): tokens of a source stand together.
    strata : array (token,) of int, optional
        What may not mix, such as the position in the word; None for one stratum.
    draws : int
        How many orders.
    seed : int
        Of the shuffles. A stratum draws from a seed of its own, so that others don't change its orders.

    Yields
    ------
    array (token,) of int64
        A permutation of the positions.
    """
    if strata is None:
        yield from block_shuffles(sources, draws=draws, seed=seed)
        return
    places = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    seeds = [seed + int(source_hash(strata[place[:1]])[0] >> np.uint64(1)) for place in places]
    within = [block_shuffles(sources[at], draws=draws, seed=own) for at, own in zip(places, seeds, strict=True)]
    for orders in zip(*within, strict=True):
        laid = np.empty(len(sources), np.int64)
        for place, order in zip(places, orders, strict=True):
            laid[place] = place[order]
        yield laid


def interval(
    estimate: NDArray[Any], error: NDArray[Any], groups: NDArray[Any] | int, *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two ends ``estimate ± t(G - 1) error`` of a jackknife interval, of the shape of the estimates.

    Parameters
    ----------
    estimate, error : array (...)
        Of `jackknife`.
    groups : int or array (...)
        G, the groups that were left out in turn. Below `GROUPS` / 2 the ends are NaN: an error made of so few
        groups is too noisy to quote.
    level : float
        Chance that the ends hold the truth between them.

    Returns
    -------
    low, high : array (...) of float64
    """
    from scipy.stats import t

    groups = np.asarray(groups)
    reach = np.where(groups >= GROUPS / 2, t.ppf((1 + level) / 2, np.maximum(groups - 1, 1)), np.nan) * error
    return np.asarray(estimate - reach), np.asarray(estimate + reach)


def pooled_p(found: NDArray[Any], null: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``(1 + #{null >= found}) / (1 + #null)`` for each value found, by one null law for all of them.

    Parameters
    ----------
    found : array (...)
        Statistics; a larger one speaks more against the null.
    null : array (...)
        The same statistic under the null, of any shape; NaN and infinite values are left out.

    Returns
    -------
    array (...) of float64
        Above 0 to 1; 1 where ``found`` is NaN.
    """
    law = np.sort(null[np.isfinite(null)], axis=None)
    above = law.size - np.searchsorted(law, np.where(np.isnan(found), -np.inf, found), side="left")
    return np.asarray((1 + above) / (1 + law.size), np.float64)


def false_discovery(p: NDArray[Any], correction: Literal["bh", "by"] = "bh") -> NDArray[np.float64]:
    """Return q: the smallest share of false discoveries at which each test would be one.

    Parameters
    ----------
    p : array (...)
        Of all tests that are looked at together; NaN where there is none, which stays NaN.
    correction : {"bh", "by"}
        Benjamini and Hochberg (1995), or Benjamini and Yekutieli (2001), which holds under any dependence.

    Returns
    -------
    array (...) of float64

    Raises
    ------
    OptionError
        For another correction.
    """
    from scipy.stats import false_discovery_control

    if correction not in ("bh", "by"):
        raise OptionError(f"correction= is 'bh' or 'by'; got {correction!r}.")
    q = np.full(np.shape(p), np.nan)
    there = np.isfinite(p)
    if there.any():
        q[there] = false_discovery_control(p[there], method=correction)
    return q
