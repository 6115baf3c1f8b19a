"""Which characters are shown, and how they are broken into lines: plain arrays, no drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

Run = np.ndarray
WORD = 16


def runs(sample: np.ndarray, step: np.ndarray) -> list[Run]:
    """Return the stretches of text that were captured whole: positions of tokens, one array per stretch.

    Parameters
    ----------
    sample, step : array (token,)
        A stretch ends where the sample changes or a step is missing.
    """
    order = np.lexsort((step, sample))
    if not order.size:
        return []
    cut = np.flatnonzero((np.diff(sample[order]) != 0) | (np.diff(step[order]) != 1)) + 1
    return np.split(order, cut)


def occurrences(letters: Sequence[str], text: str) -> list[tuple[int, int]]:
    """Return where a text stands in a sequence of labels: half-open ranges of labels, not overlapping.

    Examples
    --------
    >>> occurrences(list("tyun, tyun"), "tyun")
    [(0, 4), (6, 10)]
    """
    starts = np.cumsum([0, *map(len, letters)])
    whole, found, at = "".join(letters), [], 0
    while text and (at := whole.find(text, at)) >= 0:
        first = int(np.searchsorted(starts, at, side="right")) - 1
        last = int(np.searchsorted(starts, at + len(text), side="left"))
        found.append((first, last))
        at += len(text)
    return found


def windows(found: Sequence[tuple[int, int]], spaces: np.ndarray, context: int) -> list[tuple[int, int]]:
    """Return the ranges widened by ``context`` on both sides and on to the ends of words, joined where they touch.

    Parameters
    ----------
    found : sequence of (int, int)
        Half-open ranges.
    spaces : boolean array (token,)
        Where words end.
    context : int
        How many tokens more on each side, at least; words go on for at most `WORD`.
    """
    joined: list[tuple[int, int]] = []
    for first, last in found:
        low, high = max(first - context, 0), min(last + context, spaces.size)
        before, after = np.flatnonzero(spaces[max(low - WORD, 0) : low]), np.flatnonzero(spaces[high : high + WORD])
        low = max(low - WORD, 0) + int(before[-1]) + 1 if before.size else max(low - WORD, 0) if low < WORD else low
        high = high + int(after[0]) if after.size else spaces.size if high + WORD >= spaces.size else high
        if joined and low <= joined[-1][1]:
            low = joined.pop()[0]
        joined.append((low, high))
    return joined


def by_source(pieces: Sequence[Run], source: np.ndarray) -> list[Run]:
    """Return the pieces in order, but one of each source before a second of any."""
    seen: Counter[int] = Counter()
    rank = []
    for piece in pieces:
        first = int(source[piece[0]])
        rank.append(seen[first])
        seen[first] += 1
    return [pieces[at] for at in sorted(range(len(pieces)), key=lambda at: rank[at])]


def limited(pieces: Sequence[Run], most: int) -> list[Run]:
    """Return the first pieces that hold ``most`` tokens together, the last one cut."""
    kept, left = [], most
    for piece in pieces:
        if left <= 0:
            break
        kept.append(piece[:left])
        left -= len(kept[-1])
    return kept


def wrapped(pieces: Sequence[Run], spaces: np.ndarray, columns: int) -> list[list[int]]:
    """Return lines of positions, at most ``columns`` long, -1 for the gap between two pieces.

    A piece that fits in one line is not torn; a longer one is broken after a space where there is one in the
    second half of the line.

    Parameters
    ----------
    pieces : sequence of arrays
        Positions of tokens.
    spaces : boolean array (token,)
        Where a line may end.
    columns : int
        Characters in a line.
    """
    lines: list[list[int]] = [[]]
    for piece in pieces:
        rest = piece.tolist()
        if lines[-1] and len(lines[-1]) + 1 + len(rest) <= columns:
            lines[-1].append(-1)
        elif lines[-1]:
            lines.append([])
        while len(lines[-1]) + len(rest) > columns:
            cut = _cut(rest, spaces, columns)
            lines[-1] += rest[:cut]
            rest = rest[cut:]
            lines.append([])
        lines[-1] += rest
    return [line for line in lines if line]


def _cut(rest: list[int], spaces: np.ndarray, columns: int) -> int:
    inner = [at for at in range(columns // 2, columns) if spaces[rest[at]]]
    return inner[-1] + 1 if inner else columns
