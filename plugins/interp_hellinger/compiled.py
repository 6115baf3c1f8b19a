"""Compiled loops of the honest mode. Numba comes with this module, which is therefore imported where they run."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp import compiled
from interp_hellinger.count_layout import (
    BINS,
    COUNT,
    EDGE,
    FIRST,
    GROUPS,
    LINES,
    MASK,
    NULL,
    OMITTED,
    POWER,
    SIZE,
)

LANES = 2**14  # words of shuffled labels at once: they stay in the second-level cache
FULL = 255  # tokens of a bin after which its bytes are emptied


@compiled
def tally(
    first: int,
    last: int,
    values: Any,
    rows: Any,
    places: Any,
    plan: Any,
    edges: Any,
    lines: Any,
    groups: Any,
    masks: Any,
    spread: Any,
    wide: int,
    counts: Any,
    null: Any,
    odd: Any,
) -> None:
    """Add tokens to ``counts`` and ``null`` for the units ``first`` to ``last``; mark units with odd values.

    Parameters
    ----------
    values : array (row, unit)
    rows, places : array (n,)
        Rows of ``values`` and the places of their tokens, in order of place.
    plan : array (letter, column)
        See `layout`.
    edges : array (unit, inner)
    lines, groups : array (place,)
    masks : array (byte,) of uint8
        Shuffled labels, one bit a draw.
    spread : array (256,) of uint64
        The bits of a byte, each in a byte of its own.
    wide : int
        Bytes for the draws of one line of a token.
    counts : array (unit, cell)
        For each letter (group, line, bin).
    null : array (unit, cell)
        For each letter (bin, line that is not omitted, draw).
    odd : array (unit,) of bool
    """
    start = 0
    for letter in range(plan.shape[0]):
        end = plan[letter, FIRST] + plan[letter, SIZE]
        stop = start
        while stop < places.size and places[stop] < end:
            stop += 1
        if stop > start:
            words = (plan[letter, LINES] - 1) * wide
            room = max(LANES // words, 16)
            for left in range(start, stop, room):
                tile = slice(left, min(left + room, stop))
                here = places[tile]
                found = place_tile(first, last, values, rows[tile], plan[letter], edges, odd)
                count_tile(first, found, here, plan[letter], lines, groups, counts)
                shuffle_tile(first, found, here, plan[letter], masks, spread, words, null)
        start = stop


@compiled
def place_tile(first: int, last: int, values: Any, rows: Any, plan: Any, edges: Any, odd: Any) -> Any:
    """Return the bin of each value, (unit, token): how many edges it reaches, by a search without branches."""
    found = np.empty((last - first, rows.size), np.uint8)
    for token in range(rows.size):
        row = values[rows[token]]
        for unit in range(first, last):
            value = row[unit]
            odd[unit] |= not np.isfinite(value)
            place, step = plan[EDGE] - 1, plan[POWER] >> 1
            while step > 0:
                place += step * (value >= edges[unit, place + step])
                step >>= 1
            found[unit - first, token] = place + 1 - plan[EDGE]
    return found


@compiled
def count_tile(first: int, found: Any, places: Any, plan: Any, lines: Any, groups: Any, counts: Any) -> None:
    """Count each token for its group, its line and its bin."""
    offset = np.empty(places.size, np.int64)
    for token in range(places.size):
        row = groups[places[token]] * plan[LINES] + lines[places[token]]
        offset[token] = plan[COUNT] + row * plan[BINS]
    for unit in range(found.shape[0]):
        here = counts[first + unit]
        for token in range(places.size):
            here[offset[token] + found[unit, token]] += 1


@compiled
def shuffle_tile(
    first: int, found: Any, places: Any, plan: Any, masks: Any, spread: Any, words: int, null: Any
) -> None:
    """Count the shuffled lines of each token for its bin, eight draws to a word, one byte each."""
    lanes = np.empty((places.size, words), np.uint64)
    for token in range(places.size):
        base = plan[MASK] + (places[token] - plan[FIRST]) * words
        for word in range(words):
            lanes[token, word] = spread[masks[base + word]]
    sums = np.zeros((plan[BINS], words), np.uint64)
    held = np.zeros(plan[BINS], np.int64)
    for unit in range(found.shape[0]):
        here = null[first + unit, plan[NULL] : plan[NULL] + plan[BINS] * words * 8].reshape(plan[BINS], words * 8)
        for token in range(places.size):
            k = found[unit, token]
            if held[k] == FULL:
                empty(sums[k], here[k])
                held[k] = 0
            held[k] += 1
            total, more = sums[k], lanes[token]
            for word in range(words):
                total[word] += more[word]
        for k in range(held.size):
            if held[k]:
                empty(sums[k], here[k])
                held[k] = 0


@compiled
def empty(words: Any, cells: Any) -> None:
    """Add the bytes of some words to counts, and set them to 0."""
    parts = words.view(np.uint8)
    for place in range(cells.size):
        cells[place] += parts[place]
    words[:] = 0


@compiled
def weigh(
    first: int, last: int, plan: Any, pairs: Any, counts: Any, null: Any, wide: int, draws: int, out: Any, star: Any
) -> None:
    """Write what the counts of each unit say of each pair.

    Parameters
    ----------
    plan : array (letter, column)
    pairs : array (pair, 3)
        Letter, line and bins.
    counts, null : array (unit, cell)
        Of `tally`.
    wide, draws : int
        Bytes for the draws of a line; how many draws.
    out : array (unit, pair, 2 + GROUPS) of float64
        D, AUC, then D without each group; NaN without a group that is empty.
    star : array (unit, pair, draw) of float64
        D under the null.
    """
    for unit in range(first, last):
        for pair in range(pairs.shape[0]):
            row, line, bins = plan[pairs[pair, 0]], pairs[pair, 1], pairs[pair, 2]
            size = GROUPS * row[LINES] * row[BINS]
            table = counts[unit, row[COUNT] : row[COUNT] + size].reshape(GROUPS, row[LINES], row[BINS])
            inside, every = np.zeros((GROUPS, bins)), np.zeros((GROUPS, bins))
            join(table, line, inside, every)
            compare(inside, every, out[unit, pair])
            cells = row[BINS] * (row[LINES] - 1) * wide * 8
            drawn = null[unit, row[NULL] : row[NULL] + cells].reshape(row[BINS], row[LINES] - 1, wide * 8)
            shuffled(drawn, line, row[OMITTED], every.sum(axis=0), inside.sum(), draws, star[unit, pair])


@compiled
def join(table: Any, line: int, inside: Any, every: Any) -> None:
    """Add up the counts (group, bin) of a line, and of all lines; neighbouring bins together where fewer are asked."""
    factor = table.shape[2] // inside.shape[1]
    for group in range(table.shape[0]):
        for k in range(table.shape[2]):
            inside[group, k // factor] += table[group, line, k]
            for other in range(table.shape[1]):
                every[group, k // factor] += table[group, other, k]


@compiled
def compare(inside: Any, every: Any, out: Any) -> None:
    """Write D, AUC and D without each group."""
    p, total = inside.sum(axis=0), every.sum(axis=0)
    q = total - p
    out[0] = divergence(p, q)
    below = wins = 0.0
    for k in range(p.size):
        wins += p[k] * (below + 0.5 * q[k])
        below += q[k]
    out[1] = wins / (p.sum() * q.sum())
    for group in range(inside.shape[0]):
        there = every[group].sum() > 0
        out[2 + group] = divergence(p - inside[group], q - every[group] + inside[group]) if there else np.nan


@compiled
def divergence(p: Any, q: Any) -> float:
    """Return 1 - sum sqrt(p q) of two rows of counts, 0 where rounding passes it; NaN where a side is empty."""
    n, m, overlap = p.sum(), q.sum(), 0.0
    if n == 0 or m == 0:
        return np.nan
    for k in range(p.size):
        overlap += np.sqrt(p[k] * q[k])
    return max(float(1.0 - overlap / np.sqrt(n * m)), 0.0)


@compiled
def shuffled(drawn: Any, line: int, omitted: int, total: Any, n: float, draws: int, star: Any) -> None:
    """Write D of each draw, from the counts (bin, line, draw) of all lines but one."""
    factor = drawn.shape[0] // total.size
    overlap, inside = np.zeros(draws), np.zeros(draws)
    for k in range(total.size):
        inside[:] = 0 if line != omitted else total[k]
        for fine in range(k * factor, (k + 1) * factor):
            for row in range(drawn.shape[1]):
                if line == omitted:
                    for draw in range(draws):
                        inside[draw] -= drawn[fine, row, draw]
                elif row + (row >= omitted) == line:
                    for draw in range(draws):
                        inside[draw] += drawn[fine, row, draw]
        for draw in range(draws):
            overlap[draw] += np.sqrt(inside[draw] * (total[k] - inside[draw]))
    scale = np.sqrt(n * (total.sum() - n))
    for draw in range(draws):
        star[draw] = max(1.0 - overlap[draw] / scale, 0.0)


@compiled
def distances(
    first: int, last: int, counts: Any, ends: Any, line: Any, n_with: Any, n_without: Any, distance: Any
) -> None:
    """Write ``distance[unit, pair]`` for a span of units, NaN where counts are not those of all tokens.

    Parameters
    ----------
    counts : array (line, unit, bin)
        Lines with one input stand together.
    ends : array (pair, 2)
        First line of the pair's input, and the one after its last; pairs with one input stand together.
    line, n_with, n_without : array (pair,)
        The pair's own line, its tokens, and the tokens of the other lines with its input.
    """
    total = np.zeros(counts.shape[2], np.int64)
    for unit in range(first, last):
        known = -1
        for pair in range(line.shape[0]):
            if ends[pair, 0] != known:
                known = ends[pair, 0]
                total[:] = 0
                for other in range(ends[pair, 0], ends[pair, 1]):
                    total += counts[other, unit]
            here, there, gaps = np.int64(0), np.int64(0), 0.0
            for k in range(total.size):
                if total[k] > 0:
                    n = np.int64(counts[line[pair], unit, k])
                    here, there = here + n, there + total[k] - n
                    gaps += (np.sqrt(n / n_with[pair]) - np.sqrt((total[k] - n) / n_without[pair])) ** 2
            whole = here == n_with[pair] and there == n_without[pair]
            distance[unit, pair] = min(np.sqrt(0.5 * gaps), 1.0) if whole else np.nan
