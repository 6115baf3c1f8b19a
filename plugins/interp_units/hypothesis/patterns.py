"""Where a pattern of on and off comes back: plain arrays, no labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stretches:
    """Tokens in order of (sample, step), and the ends of the unbroken stretch that each stands in: arrays (token,).

    ``order`` holds positions of tokens; ``start`` and ``end`` (exclusive) hold positions in ``order``. All are int32:
    of long text there are many.
    """

    order: np.ndarray
    start: np.ndarray
    end: np.ndarray


def stretches(sample: np.ndarray, step: np.ndarray) -> Stretches:
    """Return the stretches of text: one ends where the sample changes or a step is missing.

    Parameters
    ----------
    sample, step : array (token,) of int
    """
    order = np.lexsort((step, sample)).astype(np.int32)
    breaks = (np.diff(sample[order]) != 0) | (np.diff(step[order]) != 1)
    first = np.concatenate([[0], np.flatnonzero(breaks) + 1])[: order.size].astype(np.int32)
    size: np.ndarray = np.diff(first, append=np.int32(order.size))
    return Stretches(order, np.repeat(first, size), np.repeat(first + size, size))


def states(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return 1 above ``high``, -1 below ``low``, 0 between and for NaN: int8, the shape of ``values``.

    Parameters
    ----------
    values : array (token, unit)
    low, high : array (unit,)

    Examples
    --------
    >>> states(np.array([[0.9, 0.1], [-0.9, 0.2]]), np.array([-0.5, 0.15]), np.array([0.5, 0.8])).tolist()
    [[1, -1], [-1, 0]]
    """
    return np.asarray((values > high).astype(np.int8) - (values < low).astype(np.int8))


def steady(inside: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Return the state that each unit keeps through a span and has nowhere around it, else 0: int8 (unit,).

    Parameters
    ----------
    inside : array (token, unit)
        States of the span, one token at least.
    around : array (token, unit)
        States at the tokens that must differ.
    """
    first = inside[0]
    kept = (inside == first).all(axis=0) & (around != first).all(axis=0)
    return np.asarray(np.where(kept, first, 0), np.int8)


def shown(on: np.ndarray, where: Stretches, length: int, before: int = 0, after: int = 0) -> np.ndarray:
    """Return from which tokens on a unit is on for ``length`` tokens, and off just before and after: bool (token,).

    Parameters
    ----------
    on : boolean array (token,)
        In the order of ``where``.
    where : Stretches
        A span lies in one stretch. What lies beyond its ends counts as off.
    length : int
        Of the span, 1 at least.
    before, after : int
        At how many tokens on either side the unit must be off.
    """
    first = np.arange(on.size, dtype=np.int32)
    found = kept_on(on, length) & (first + length <= where.end)
    if not before and not after:
        return np.asarray(found)
    total = np.concatenate([np.zeros(1, np.int32), np.cumsum(on, dtype=np.int32)])
    last = np.minimum(first + length, where.end)
    found &= total[first] == total[np.maximum(first - before, where.start)]
    return np.asarray(found & (total[np.minimum(last + after, where.end)] == total[last]))


def kept_on(on: np.ndarray, length: int) -> np.ndarray:
    """Return from which tokens on a flag holds for ``length`` tokens, in doubling steps: bool, the shape of ``on``.

    Examples
    --------
    >>> kept_on(np.array([True, True, True, False]), 2).tolist()
    [True, True, False, False]
    """
    found, known = on.copy(), 1
    while known < length:
        more = min(known, length - known)
        found[: on.size - more] &= found[more:].copy()
        found[max(on.size - more, 0) :] = False
        known += more
    return found


def apart(score: np.ndarray, least: int, length: int) -> np.ndarray:
    """Return the starts of spans that don't overlap, best first: positions, equal scores in order.

    Parameters
    ----------
    score : array (token,) of int
        Of the span that starts there.
    least : int
        Spans with less are left out.
    length : int
        Of a span.
    """
    starts = np.flatnonzero(score >= least)
    starts = starts[np.argsort(-score[starts], kind="stable")]
    free, kept = np.ones(score.size + length, bool), []
    for start in starts.tolist():
        if free[start : start + length].all():
            free[start : start + length] = False
            kept.append(start)
    return np.array(kept, dtype=int)


def matches(letters: np.ndarray, where: Stretches, pattern: str) -> np.ndarray:
    """Return what a regular expression matches: array (match, 2), half-open ranges of positions in ``order``.

    Parameters
    ----------
    letters : array (token,) of str
        In the order of ``where``; a label of several letters is touched where any of them is matched.
    where : Stretches
    pattern : str
        A match lies in one stretch; empty ones are left out.
    """
    found = [span for first, text in _texts(letters, where) for span in _ranges(re.compile(pattern), first, text)]
    return np.array(found, dtype=int).reshape(-1, 2)


def _texts(letters: np.ndarray, where: Stretches) -> Iterator[tuple[int, list[str]]]:
    for first in np.unique(where.start).tolist():
        yield first, letters[first : where.end[first]].tolist()


def _ranges(pattern: re.Pattern[str], first: int, text: Sequence[str]) -> Iterator[tuple[int, int]]:
    starts = np.cumsum([0, *map(len, text)])
    for match in pattern.finditer("".join(text)):
        if match.end() > match.start():
            low = int(np.searchsorted(starts, match.start(), side="right")) - 1
            yield first + low, first + int(np.searchsorted(starts, match.end(), side="left"))


def agreeing(places: np.ndarray, length: int, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which places are matches and which matches are places: they share half of the longer one.

    Parameters
    ----------
    places : array (place,) of int
        Starts, which don't overlap.
    length : int
        Of a place.
    found : array (match, 2) of int
        Ranges in ascending order, which don't overlap.

    Returns
    -------
    right, met : boolean arrays (place,), (match,)
    """
    right, met = np.zeros(len(places), bool), np.zeros(len(found), bool)
    order = np.argsort(places, kind="stable")
    starts = places[order]
    for at, (low, high) in enumerate(found.tolist()):
        near = np.arange(*np.searchsorted(starts, [low - length + 1, high]))
        shared = np.minimum(starts[near] + length, high) - np.maximum(starts[near], low)
        good = near[2 * shared >= max(length, high - low)]
        right[order[good]], met[at] = True, met[at] or good.size > 0
    return right, met
