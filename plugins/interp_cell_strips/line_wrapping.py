"""Selection of the tokens to draw, and their division into lines. Plain arrays, no drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

Run = np.ndarray
MAX_WORD = 16  # tokens by which a window is widened to reach the end of a word


def text_runs(sample: np.ndarray, step: np.ndarray) -> list[Run]:
    """Return the runs of consecutive captured tokens: positions, one array per run.

    Parameters
    ----------
    sample, step : array (token,)
        A run ends at a new sample or a missing step.
    """
    order = np.lexsort((step, sample))
    if not order.size:
        return []
    breaks = np.flatnonzero((np.diff(sample[order]) != 0) | (np.diff(step[order]) != 1)) + 1
    return np.split(order, breaks)


def find_occurrences(letters: Sequence[str], text: str) -> list[tuple[int, int]]:
    """Return the occurrences of a text in a sequence of labels: half-open, non-overlapping ranges of labels.

    Examples
    --------
    >>> find_occurrences(list("tyun, tyun"), "tyun")
    [(0, 4), (6, 10)]
    """
    starts = np.cumsum([0, *map(len, letters)])
    joined, ranges, at = "".join(letters), [], 0
    while text and (at := joined.find(text, at)) >= 0:
        first = int(np.searchsorted(starts, at, side="right")) - 1
        last = int(np.searchsorted(starts, at + len(text), side="left"))
        ranges.append((first, last))
        at += len(text)
    return ranges


def context_windows(ranges: Sequence[tuple[int, int]], spaces: np.ndarray, context: int) -> list[tuple[int, int]]:
    """Return ranges widened by ``context`` on both sides and to the ends of words; those that touch are joined.

    Parameters
    ----------
    ranges : sequence of (int, int)
        Half-open ranges of tokens.
    spaces : boolean array (token,)
        True at tokens that separate words.
    context : int
        Minimum number of tokens added on each side; at most `MAX_WORD` more to the end of a word.
    """
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        low, high = max(first - context, 0), min(last + context, spaces.size)
        before = np.flatnonzero(spaces[max(low - MAX_WORD, 0) : low])
        after = np.flatnonzero(spaces[high : high + MAX_WORD])
        low = max(low - MAX_WORD, 0) + int(before[-1]) + 1 if before.size else 0 if low < MAX_WORD else low
        high = high + int(after[0]) if after.size else spaces.size if high + MAX_WORD >= spaces.size else high
        if joined and low <= joined[-1][1]:
            low = joined.pop()[0]
        joined.append((low, high))
    return joined


def interleave_sources(pieces: Sequence[Run], source: np.ndarray) -> list[Run]:
    """Return the pieces in order, but one of each source before a second of any."""
    counts: Counter[int] = Counter()
    rank = []
    for piece in pieces:
        first = int(source[piece[0]])
        rank.append(counts[first])
        counts[first] += 1
    return [pieces[at] for at in sorted(range(len(pieces)), key=lambda at: rank[at])]


def limit_tokens(pieces: Sequence[Run], max_tokens: int) -> list[Run]:
    """Return the first pieces, at most ``max_tokens`` tokens in total; the last one may be shortened."""
    selected, left = [], max_tokens
    for piece in pieces:
        if left <= 0:
            break
        selected.append(piece[:left])
        left -= len(selected[-1])
    return selected


def wrap_lines(pieces: Sequence[Run], spaces: np.ndarray, line_width: int) -> list[list[int]]:
    """Return lines of positions, at most ``line_width`` long, with -1 for the gap between two pieces.

    A piece that fits in one line is not broken. A longer one is broken after a space if there is one in the second
    half of the line.

    Parameters
    ----------
    pieces : sequence of arrays
        Positions of tokens.
    spaces : boolean array (token,)
        True at tokens after which a line may end.
    line_width : int
        Number of characters per line.
    """
    lines: list[list[int]] = [[]]
    for piece in pieces:
        rest = piece.tolist()
        if lines[-1] and len(lines[-1]) + 1 + len(rest) <= line_width:
            lines[-1].append(-1)
        elif lines[-1]:
            lines.append([])
        while len(lines[-1]) + len(rest) > line_width:
            end = _line_end(rest, spaces, line_width)
            lines[-1] += rest[:end]
            rest = rest[end:]
            lines.append([])
        lines[-1] += rest
    return [line for line in lines if line]


def _line_end(rest: list[int], spaces: np.ndarray, line_width: int) -> int:
    inner = [at for at in range(line_width // 2, line_width) if spaces[rest[at]]]
    return inner[-1] + 1 if inner else line_width
