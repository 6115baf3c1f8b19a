"""Effects as plain arrays: log-odds, their mean over sources, the interval, control groups and their p."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import jackknife, source_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 10  # places up or down in the order of strength, from which a matched control unit is drawn


def log_odds(logits: NDArray[Any], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the log-odds of the right output against all others: ``z_y - logsumexp`` of the others.

    Parameters
    ----------
    logits : array (..., token, output)
        Of what the input can become, two outputs at least.
    right : array (token,) of int
        Which of them is right.

    Returns
    -------
    array (..., token) of float64
    """
    z = np.asarray(logits, np.float64)
    picked = np.broadcast_to(right[:, None], (*z.shape[:-1], 1))
    mine = np.take_along_axis(z, picked, -1)[..., 0]
    others = z.copy()
    np.put_along_axis(others, picked, -np.inf, -1)
    top = others.max(-1, keepdims=True)
    return np.asarray(mine - top[..., 0] - np.log(np.exp(others - top).sum(-1)))


def log_p(logits: NDArray[Any], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the log-probability (nats) of the right output under the softmax of all, ``(..., token)``."""
    z = np.asarray(logits, np.float64)
    top = z.max(-1, keepdims=True)
    total = top[..., 0] + np.log(np.exp(z - top).sum(-1))
    return np.asarray(np.take_along_axis(z, np.broadcast_to(right[:, None], (*z.shape[:-1], 1)), -1)[..., 0] - total)


def source_weights(sources: NDArray[Any], chosen: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the weights with which a sum over tokens is the mean over sources of the mean over tokens.

    Parameters
    ----------
    sources : array (token,)
        Where each token comes from.
    chosen : array (token,) of bool, optional
        The tokens that count; the others weigh 0.
    """
    chosen = np.ones(len(sources), bool) if chosen is None else chosen
    weights = np.zeros(len(sources))
    _, inverse, counts = np.unique(sources[chosen], return_inverse=True, return_counts=True)
    weights[chosen] = 1 / (counts[inverse] * max(counts.size, 1))
    return weights


def interval(values: NDArray[Any], sources: NDArray[Any]) -> tuple[float, float, float]:
    """Return the mean over sources of the mean over tokens, and the ends of its 95 % interval by the jackknife.

    Parameters
    ----------
    values : array (token,)
        Effects.
    sources : array (token,)
        Groups of sources are left out in turn; with fewer than two groups the ends are NaN.
    """
    from scipy.stats import t

    groups = source_groups(np.asarray(sources))
    present = np.unique(groups)
    if not present.size:
        return np.nan, np.nan, np.nan
    whole = float(source_weights(sources) @ values)
    if present.size < 2:
        return whole, np.nan, np.nan
    without = np.array([source_weights(sources, groups != g) @ values for g in present])
    corrected, error = jackknife(np.array(whole), without)
    reach = float(t.ppf(0.975, present.size - 1) * error)
    return whole, float(corrected) - reach, float(corrected) + reach


def difference(
    values: NDArray[Any], sources: NDArray[Any], first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Return the mean over one set of tokens minus that over another, with its interval; leave-outs are paired."""
    from scipy.stats import t

    def gap(kept: NDArray[np.bool_]) -> float:
        return float((source_weights(sources, first & kept) - source_weights(sources, second & kept)) @ values)

    groups = source_groups(np.asarray(sources))
    present = [g for g in np.unique(groups) if (first & (groups != g)).any() and (second & (groups != g)).any()]
    if not first.any() or not second.any():
        return np.nan, np.nan, np.nan
    whole = gap(np.ones(len(values), bool))
    if len(present) < 2:
        return whole, np.nan, np.nan
    corrected, error = jackknife(np.array(whole), np.array([gap(groups != g) for g in present]))
    reach = float(t.ppf(0.975, len(present) - 1) * error)
    return whole, float(corrected) - reach, float(corrected) + reach


def uniform_groups(
    group: NDArray[np.int64], blocks: NDArray[np.int64], count: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return random groups with as many units of each block as a group has.

    Parameters
    ----------
    group : array of int
        Its units, as positions.
    blocks : array (unit,) of int
        Units that share module, layer, direction and quantity share a number.
    count : int
        How many groups.
    """
    wanted, sizes = np.unique(blocks[group], return_counts=True)
    there = [np.flatnonzero(blocks == block) for block in wanted]
    return [
        np.concatenate([generator.choice(units, size, replace=False) for units, size in zip(there, sizes, strict=True)])
        for _ in range(count)
    ]


def matched_groups(
    group: NDArray[np.int64],
    blocks: NDArray[np.int64],
    strength: NDArray[np.float64],
    count: int,
    generator: np.random.Generator,
) -> list[NDArray[np.int64]]:
    """Return random groups of units about as strong: each unit has a stand-in from at most 10 places up or down.

    Parameters
    ----------
    group, blocks, count
        As of `uniform_groups`.
    strength : array (unit,)
        What is matched: |outgoing weights| x standard deviation. A unit may stand in for itself.
    """
    ladders, places = {}, {}
    for block in np.unique(blocks[group]):
        units = np.flatnonzero(blocks == block)
        ladders[block] = units[np.argsort(strength[units], kind="stable")]
        places.update({int(unit): place for place, unit in enumerate(ladders[block])})
    found = []
    for _ in range(count):
        chosen: list[int] = []
        for unit in generator.permutation(group).tolist():
            ladder, place, reach = ladders[blocks[unit]], places[unit], NEAR
            near = np.setdiff1d(ladder[max(0, place - reach) : place + reach + 1], chosen)
            while not near.size:  # a group of most of its block
                reach *= 2
                near = np.setdiff1d(ladder[max(0, place - reach) : place + reach + 1], chosen)
            chosen.append(int(generator.choice(near)))
        found.append(np.array(chosen))
    return found


def p_of(effect: float, controls: NDArray[Any]) -> float:
    """Return ``(1 + #{control >= effect}) / (1 + #controls)``; NaN without controls."""
    return float((1 + np.count_nonzero(controls >= effect)) / (1 + controls.size)) if controls.size else np.nan


def holm(p: Sequence[float] | NDArray[Any]) -> NDArray[np.float64]:
    """Return p adjusted for all tests by Holm's step-down (1979); NaN stay and are not counted."""
    values = np.asarray(p, np.float64)
    adjusted, known = np.full(values.shape, np.nan), np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
