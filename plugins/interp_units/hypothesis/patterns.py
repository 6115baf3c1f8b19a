"""Search for recurring patterns of active units in text, on plain arrays without labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TextRuns:
    """Tokens in order of (sample, step), and the ends of the run of consecutive steps that each token belongs to.

    All arrays are int32, to save memory on long texts.

    Attributes
    ----------
    order : array (token,)
        Positions of the tokens in the capture.
    start, end : array (token,)
        Ends of the run of each token (``end`` exclusive), as positions in ``order``.
    """

    order: np.ndarray
    start: np.ndarray
    end: np.ndarray


def text_runs(sample: np.ndarray, step: np.ndarray) -> TextRuns:
    """Return the runs of text; a run ends where the sample changes or a step is missing.

    Parameters
    ----------
    sample, step : array (token,) of int
        Sample and step of each token, in any order.
    """
    order = np.lexsort((step, sample)).astype(np.int32)
    breaks = (np.diff(sample[order]) != 0) | (np.diff(step[order]) != 1)
    first = np.concatenate([[0], np.flatnonzero(breaks) + 1])[: order.size].astype(np.int32)
    size: np.ndarray = np.diff(first, append=np.int32(order.size))
    return TextRuns(order, np.repeat(first, size), np.repeat(first + size, size))


def unit_states(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return 1 above ``high``, -1 below ``low``, 0 in between and for NaN: int8, in the shape of ``values``.

    Parameters
    ----------
    values : array (token, unit)
    low, high : array (unit,)

    Examples
    --------
    >>> unit_states(np.array([[0.9, 0.1], [-0.9, 0.2]]), np.array([-0.5, 0.15]), np.array([0.5, 0.8])).tolist()
    [[1, -1], [-1, 0]]
    """
    return np.asarray((values > high).astype(np.int8) - (values < low).astype(np.int8))


def constant_states(inside: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Return the state that each unit has throughout a span and nowhere around it, else 0: int8 (unit,).

    Parameters
    ----------
    inside : array (token, unit)
        States in the span, at least one token.
    around : array (token, unit)
        States at the tokens that must differ.
    """
    first = inside[0]
    constant = (inside == first).all(axis=0) & (around != first).all(axis=0)
    return np.asarray(np.where(constant, first, 0), np.int8)


def pattern_starts(active: np.ndarray, runs: TextRuns, length: int, before: int = 0, after: int = 0) -> np.ndarray:
    """Return a mask of the tokens where a unit starts to be active for ``length`` tokens: bool (token,).

    Parameters
    ----------
    active : boolean array (token,)
        Activity of the unit, in the order of ``runs``.
    runs : TextRuns
        Runs of text. A span lies within one run; beyond its ends the unit counts as inactive.
    length : int
        Number of tokens of the span, at least 1.
    before, after : int
        Number of tokens just before and after the span at which the unit must be inactive.
    """
    first = np.arange(active.size, dtype=np.int32)
    starts = active_throughout(active, length) & (first + length <= runs.end)
    if not before and not after:
        return np.asarray(starts)
    total = np.concatenate([np.zeros(1, np.int32), np.cumsum(active, dtype=np.int32)])
    last = np.minimum(first + length, runs.end)
    starts &= total[first] == total[np.maximum(first - before, runs.start)]
    return np.asarray(starts & (total[np.minimum(last + after, runs.end)] == total[last]))


def active_throughout(active: np.ndarray, length: int) -> np.ndarray:
    """Return a mask of the tokens that begin ``length`` active ones: bool, in the shape of ``active``.

    The length that is covered doubles with each step.

    Examples
    --------
    >>> active_throughout(np.array([True, True, True, False]), 2).tolist()
    [True, True, False, False]
    """
    mask, covered = active.copy(), 1
    while covered < length:
        shift = min(covered, length - covered)
        mask[: active.size - shift] &= mask[shift:].copy()
        mask[max(active.size - shift, 0) :] = False
        covered += shift
    return mask


def non_overlapping(score: np.ndarray, min_score: int, length: int) -> np.ndarray:
    """Return the starts of spans that don't overlap, chosen greedily by score: positions, equal scores in order.

    Parameters
    ----------
    score : array (token,) of int
        Score of the span that starts at each token.
    min_score : int
        Minimum score of a span.
    length : int
        Number of tokens of a span.
    """
    candidates = np.flatnonzero(score >= min_score)
    candidates = candidates[np.argsort(-score[candidates], kind="stable")]
    free = np.ones(score.size + length, bool)
    starts = []
    for start in candidates.tolist():
        if free[start : start + length].all():
            free[start : start + length] = False
            starts.append(start)
    return np.array(starts, dtype=int)


def regex_matches(letters: np.ndarray, runs: TextRuns, pattern: str) -> np.ndarray:
    """Return the matches of a regular expression: array (match, 2), half-open ranges of positions in ``order``.

    Parameters
    ----------
    letters : array (token,) of str
        Text of each token, in the order of ``runs``; a token of several letters belongs to a match if any of its
        letters does.
    runs : TextRuns
        Runs of text; a match lies within one run.
    pattern : str
        Regular expression; empty matches are left out.
    """
    expression = re.compile(pattern)
    ranges = [span for first, text in _run_texts(letters, runs) for span in _match_ranges(expression, first, text)]
    return np.array(ranges, dtype=int).reshape(-1, 2)


def _run_texts(letters: np.ndarray, runs: TextRuns) -> Iterator[tuple[int, list[str]]]:
    for first in np.unique(runs.start).tolist():
        yield first, letters[first : runs.end[first]].tolist()


def _match_ranges(pattern: re.Pattern[str], first: int, text: Sequence[str]) -> Iterator[tuple[int, int]]:
    starts = np.cumsum([0, *map(len, text)])
    for match in pattern.finditer("".join(text)):
        if match.end() > match.start():
            low = int(np.searchsorted(starts, match.start(), side="right")) - 1
            yield first + low, first + int(np.searchsorted(starts, match.end(), side="left"))


def compare_with_matches(starts: np.ndarray, length: int, matches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return masks of the places that are matches and the matches that are places: they share half of the longer one.

    Parameters
    ----------
    starts : array (place,) of int
        Starts of places that don't overlap.
    length : int
        Number of tokens of a place.
    matches : array (match, 2) of int
        Ranges in ascending order that don't overlap.

    Returns
    -------
    is_match : boolean array (place,)
    is_place : boolean array (match,)
    """
    is_match, is_place = np.zeros(len(starts), bool), np.zeros(len(matches), bool)
    order = np.argsort(starts, kind="stable")
    ascending = starts[order]
    for at, (low, high) in enumerate(matches.tolist()):
        near = np.arange(*np.searchsorted(ascending, [low - length + 1, high]))
        overlap = np.minimum(ascending[near] + length, high) - np.maximum(ascending[near], low)
        good = near[2 * overlap >= max(length, high - low)]
        is_match[order[good]], is_place[at] = True, is_place[at] or good.size > 0
    return is_match, is_place
