"""Statistics of effects as plain arrays: log-odds, means over sources with intervals, control groups and p-values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp.statistics import jackknife, jackknife_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_RANK_DISTANCE = 10  # between a unit and its matched control, in the order of strength


def log_odds(logits: NDArray[Any], correct: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the log-odds of the correct output against all others: ``z_y - logsumexp`` of the others.

    Parameters
    ----------
    logits : array (..., token, output)
        Logits of the possible outputs, at least two.
    correct : array (token,) of int
        Position of the correct output.

    Returns
    -------
    array (..., token) of float64
        In nats.
    """
    z = np.asarray(logits, np.float64)
    index = np.broadcast_to(correct[:, None], (*z.shape[:-1], 1))
    own = np.take_along_axis(z, index, -1)[..., 0]
    others = z.copy()
    np.put_along_axis(others, index, -np.inf, -1)
    top = others.max(-1, keepdims=True)
    return np.asarray(own - top[..., 0] - np.log(np.exp(others - top).sum(-1)))


def log_probability(logits: NDArray[Any], correct: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the log-probability (nats) of the correct output under the softmax of all, ``(..., token)``.

    Parameters
    ----------
    logits : array (..., token, output)
        Logits of all outputs.
    correct : array (token,) of int
        Position of the correct output.
    """
    z = np.asarray(logits, np.float64)
    top = z.max(-1, keepdims=True)
    total = top[..., 0] + np.log(np.exp(z - top).sum(-1))
    return np.asarray(np.take_along_axis(z, np.broadcast_to(correct[:, None], (*z.shape[:-1], 1)), -1)[..., 0] - total)


def source_weights(sources: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return token weights whose weighted sum is the mean over sources of the mean over tokens.

    Parameters
    ----------
    sources : array (token,)
        Source of each token.
    mask : array (token,) of bool, optional
        Tokens to include; the others have weight 0.

    Returns
    -------
    array (token,) of float64
    """
    mask = np.ones(len(sources), bool) if mask is None else mask
    weights = np.zeros(len(sources))
    _, inverse, counts = np.unique(sources[mask], return_inverse=True, return_counts=True)
    weights[mask] = 1 / (counts[inverse] * max(counts.size, 1))
    return weights


def mean_with_interval(values: NDArray[Any], sources: NDArray[Any]) -> tuple[float, float, float]:
    """Return the mean over sources of the mean over tokens, and the ends of its 95 % jackknife interval.

    Parameters
    ----------
    values : array (token,)
        Effects.
    sources : array (token,)
        Source of each token. The interval comes from leaving out groups of sources; it is NaN with fewer than two
        groups.

    Returns
    -------
    mean, ci_low, ci_high : float
    """
    from scipy.stats import t

    groups = jackknife_groups(np.asarray(sources))
    present = np.unique(groups)
    if not present.size:
        return np.nan, np.nan, np.nan
    mean = float(source_weights(sources) @ values)
    if present.size < 2:
        return mean, np.nan, np.nan
    leave_out = np.array([source_weights(sources, groups != g) @ values for g in present])
    corrected, error = jackknife(np.array(mean), leave_out)
    half_width = float(t.ppf(0.975, present.size - 1) * error)
    return mean, float(corrected) - half_width, float(corrected) + half_width


def difference_with_interval(
    values: NDArray[Any], sources: NDArray[Any], first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Return the mean over one set of tokens minus that over another, with its 95 % interval from a paired jackknife.

    Parameters
    ----------
    values : array (token,)
        Effects.
    sources : array (token,)
        Source of each token.
    first, second : array (token,) of bool
        The two sets of tokens.

    Returns
    -------
    difference, ci_low, ci_high : float
        NaN if a set is empty; the interval is NaN with fewer than two groups of sources.
    """
    from scipy.stats import t

    def gap(mask: NDArray[np.bool_]) -> float:
        return float((source_weights(sources, first & mask) - source_weights(sources, second & mask)) @ values)

    groups = jackknife_groups(np.asarray(sources))
    present = [g for g in np.unique(groups) if (first & (groups != g)).any() and (second & (groups != g)).any()]
    if not first.any() or not second.any():
        return np.nan, np.nan, np.nan
    difference = gap(np.ones(len(values), bool))
    if len(present) < 2:
        return difference, np.nan, np.nan
    corrected, error = jackknife(np.array(difference), np.array([gap(groups != g) for g in present]))
    half_width = float(t.ppf(0.975, len(present) - 1) * error)
    return difference, float(corrected) - half_width, float(corrected) + half_width


def uniform_groups(
    group: NDArray[np.int64], blocks: NDArray[np.int64], count: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return random groups with as many units of each block as a given group.

    Parameters
    ----------
    group : array of int
        Units of the group, as positions.
    blocks : array (unit,) of int
        Block of each unit; units of a block share module, layer, direction and quantity.
    count : int
        Number of random groups.
    generator : Generator
        Source of random numbers.

    Returns
    -------
    list of array of int
    """
    numbers, sizes = np.unique(blocks[group], return_counts=True)
    members = [np.flatnonzero(blocks == number) for number in numbers]
    return [
        np.concatenate([generator.choice(units, n, replace=False) for units, n in zip(members, sizes, strict=True)])
        for _ in range(count)
    ]


def matched_groups(
    group: NDArray[np.int64],
    blocks: NDArray[np.int64],
    strength: NDArray[np.float64],
    count: int,
    generator: np.random.Generator,
) -> list[NDArray[np.int64]]:
    """Return random groups of units of similar strength.

    Each unit is replaced by one from at most 10 ranks above or below it in its block, possibly by itself. If all of
    those are taken, the distance doubles.

    Parameters
    ----------
    group, blocks, count, generator
        See `uniform_groups`.
    strength : array (unit,)
        Quantity to match: |outgoing weights| x standard deviation.

    Returns
    -------
    list of array of int
    """
    rankings, ranks = {}, {}
    for block in np.unique(blocks[group]):
        units = np.flatnonzero(blocks == block)
        rankings[block] = units[np.argsort(strength[units], kind="stable")]
        ranks.update({int(unit): rank for rank, unit in enumerate(rankings[block])})
    groups = []
    for _ in range(count):
        members: list[int] = []
        for unit in generator.permutation(group).tolist():
            ranking, rank, distance = rankings[blocks[unit]], ranks[unit], MAX_RANK_DISTANCE
            candidates = np.setdiff1d(ranking[max(0, rank - distance) : rank + distance + 1], members)
            while not candidates.size:  # a group of most units of its block
                distance *= 2
                candidates = np.setdiff1d(ranking[max(0, rank - distance) : rank + distance + 1], members)
            members.append(int(generator.choice(candidates)))
        groups.append(np.array(members))
    return groups


def control_p_value(effect: float, controls: NDArray[Any]) -> float:
    """Return ``(1 + #{control >= effect}) / (1 + #controls)`` for controls ``(draw,)``; NaN without controls."""
    return float((1 + np.count_nonzero(controls >= effect)) / (1 + controls.size)) if controls.size else np.nan
