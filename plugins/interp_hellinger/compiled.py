"""Compiled loops of both estimators. This module imports numba, so it is imported only where the loops run."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.statistics import jit
from interp_hellinger.count_layout import (
    BINS,
    BITS,
    CLASSES,
    COUNT,
    EDGE,
    FIRST,
    GROUPS,
    NULL,
    OMITTED,
    POWER,
    SIZE,
)

TILE_WORDS = 2**14  # words of permuted labels per tile, which stay in the second-level cache
MIN_TILE = 16  # tokens
MAX_BYTE = 255  # tokens of a bin after which its byte counters are flushed


@jit
def count_tokens(
    first: int,
    last: int,
    values: Any,
    rows: Any,
    positions: Any,
    plan: Any,
    edges: Any,
    classes: Any,
    groups: Any,
    permuted_bits: Any,
    spread_bits: Any,
    n_bytes: int,
    counts: Any,
    null: Any,
    not_finite: Any,
) -> None:
    """Add tokens to ``counts`` and ``null`` for the units ``first`` to ``last``; mark units that are not finite.

    Parameters
    ----------
    values : array (row, unit)
    rows, positions : array (n,)
        Rows of ``values`` and the positions of their tokens, sorted by position.
    plan : array (input, column)
        See `count_layout`.
    edges : array (unit, inner)
    classes, groups : array (position,)
        Output class and source group of each token.
    permuted_bits : array (byte,) of uint8
        Permuted labels, one bit per permutation.
    spread_bits : array (256,) of uint64
        The eight bits of each byte, each in a byte of its own.
    n_bytes : int
        Number of bytes for the permutations of one class of a token.
    counts : array (unit, cell)
        For each input (group, class, bin).
    null : array (unit, cell)
        For each input (bin, class that is not omitted, permutation).
    not_finite : array (unit,) of bool
    """
    start = 0
    for index in range(plan.shape[0]):
        end = plan[index, FIRST] + plan[index, SIZE]
        stop = start
        while stop < positions.size and positions[stop] < end:
            stop += 1
        if stop > start:
            words = (plan[index, CLASSES] - 1) * n_bytes
            tile_size = max(TILE_WORDS // words, MIN_TILE)
            for left in range(start, stop, tile_size):
                tile = slice(left, min(left + tile_size, stop))
                own = positions[tile]
                bins = bin_tile(first, last, values, rows[tile], plan[index], edges, not_finite)
                count_tile(first, bins, own, plan[index], classes, groups, counts)
                count_permuted_tile(first, bins, own, plan[index], permuted_bits, spread_bits, words, null)
        start = stop


@jit
def bin_tile(first: int, last: int, values: Any, rows: Any, plan: Any, edges: Any, not_finite: Any) -> Any:
    """Return the bin of each value, (unit, token): the number of edges not above it, by a branch-free search."""
    bins = np.empty((last - first, rows.size), np.uint8)
    for token in range(rows.size):
        row = values[rows[token]]
        for unit in range(first, last):
            value = row[unit]
            not_finite[unit] |= not np.isfinite(value)
            edge, step = plan[EDGE] - 1, plan[POWER] >> 1
            while step > 0:
                edge += step * (value >= edges[unit, edge + step])
                step >>= 1
            bins[unit - first, token] = edge + 1 - plan[EDGE]
    return bins


@jit
def count_tile(first: int, bins: Any, positions: Any, plan: Any, classes: Any, groups: Any, counts: Any) -> None:
    """Count each token in the cell of its source group, output class and bin."""
    offset = np.empty(positions.size, np.int64)
    for token in range(positions.size):
        row = groups[positions[token]] * plan[CLASSES] + classes[positions[token]]
        offset[token] = plan[COUNT] + row * plan[BINS]
    for unit in range(bins.shape[0]):
        own = counts[first + unit]
        for token in range(positions.size):
            own[offset[token] + bins[unit, token]] += 1


@jit
def count_permuted_tile(
    first: int, bins: Any, positions: Any, plan: Any, permuted_bits: Any, spread_bits: Any, words: int, null: Any
) -> None:
    """Count the permuted classes of each token in its bin: eight permutations per word, one byte each."""
    token_words = np.empty((positions.size, words), np.uint64)
    for token in range(positions.size):
        base = plan[BITS] + (positions[token] - plan[FIRST]) * words
        for word in range(words):
            token_words[token, word] = spread_bits[permuted_bits[base + word]]
    sums = np.zeros((plan[BINS], words), np.uint64)
    n_summed = np.zeros(plan[BINS], np.int64)
    for unit in range(bins.shape[0]):
        own = null[first + unit, plan[NULL] : plan[NULL] + plan[BINS] * words * 8].reshape(plan[BINS], words * 8)
        for token in range(positions.size):
            k = bins[unit, token]
            if n_summed[k] == MAX_BYTE:
                flush_bytes(sums[k], own[k])
                n_summed[k] = 0
            n_summed[k] += 1
            total, added = sums[k], token_words[token]
            for word in range(words):
                total[word] += added[word]
        for k in range(n_summed.size):
            if n_summed[k]:
                flush_bytes(sums[k], own[k])
                n_summed[k] = 0


@jit
def flush_bytes(words: Any, cells: Any) -> None:
    """Add the byte counters in some words to counts, and reset them to 0."""
    byte_counts = words.view(np.uint8)
    for cell in range(cells.size):
        cells[cell] += byte_counts[cell]
    words[:] = 0


@jit
def compare_pairs(
    first: int,
    last: int,
    plan: Any,
    pairs: Any,
    counts: Any,
    null: Any,
    n_bytes: int,
    n_permutations: int,
    out: Any,
    permuted: Any,
) -> None:
    """Write the estimates of each unit and pair from its counts.

    Parameters
    ----------
    plan : array (input, column)
    pairs : array (pair, 3)
        Index of the input, output class and number of bins.
    counts, null : array (unit, cell)
        Counts of `count_tokens`.
    n_bytes, n_permutations : int
        Number of bytes for the permutations of a class, and number of permutations.
    out : array (unit, pair, 2 + GROUPS) of float64
        D, AUC, then D without each group; NaN without a group that is empty.
    permuted : array (unit, pair, permutation) of float64
        D under the null.
    """
    for unit in range(first, last):
        for pair in range(pairs.shape[0]):
            row, target, bins = plan[pairs[pair, 0]], pairs[pair, 1], pairs[pair, 2]
            size = GROUPS * row[CLASSES] * row[BINS]
            table = counts[unit, row[COUNT] : row[COUNT] + size].reshape(GROUPS, row[CLASSES], row[BINS])
            inside, total = np.zeros((GROUPS, bins)), np.zeros((GROUPS, bins))
            sum_classes(table, target, inside, total)
            write_estimates(inside, total, out[unit, pair])
            n_cells = row[BINS] * (row[CLASSES] - 1) * n_bytes * 8
            own_null = null[unit, row[NULL] : row[NULL] + n_cells].reshape(row[BINS], row[CLASSES] - 1, n_bytes * 8)
            n_target, by_bin = inside.sum(), total.sum(axis=0)
            permuted_distances(own_null, target, row[OMITTED], by_bin, n_target, n_permutations, permuted[unit, pair])


@jit
def sum_classes(table: Any, target: int, inside: Any, total: Any) -> None:
    """Add up the counts (group, bin) of the target class and of all classes, merging bins if fewer are requested."""
    factor = table.shape[2] // inside.shape[1]
    for group in range(table.shape[0]):
        for k in range(table.shape[2]):
            inside[group, k // factor] += table[group, target, k]
            for other in range(table.shape[1]):
                total[group, k // factor] += table[group, other, k]


@jit
def write_estimates(inside: Any, total: Any, out: Any) -> None:
    """Write D, AUC and D without each group from counts (group, bin) of the target and of all tokens."""
    p, by_bin = inside.sum(axis=0), total.sum(axis=0)
    q = by_bin - p
    out[0] = squared_distance(p, q)
    below = wins = 0.0
    for k in range(p.size):
        wins += p[k] * (below + 0.5 * q[k])
        below += q[k]
    out[1] = wins / (p.sum() * q.sum())
    for group in range(inside.shape[0]):
        present = total[group].sum() > 0
        left_p, left_q = p - inside[group], q - total[group] + inside[group]
        out[2 + group] = squared_distance(left_p, left_q) if present else np.nan


@jit
def squared_distance(p: Any, q: Any) -> float:
    """Return ``1 - sum sqrt(p q)`` of two histograms of counts, at least 0; NaN if a side is empty."""
    n, m, overlap = p.sum(), q.sum(), 0.0
    if n == 0 or m == 0:
        return np.nan
    for k in range(p.size):
        overlap += np.sqrt(p[k] * q[k])
    return max(float(1.0 - overlap / np.sqrt(n * m)), 0.0)


@jit
def permuted_distances(
    null: Any, target: int, omitted: int, total: Any, n_target: float, n_permutations: int, out: Any
) -> None:
    """Write D of each permutation from the counts (bin, class, permutation) of all classes but the omitted one."""
    factor = null.shape[0] // total.size
    overlap, inside = np.zeros(n_permutations), np.zeros(n_permutations)
    for k in range(total.size):
        inside[:] = 0 if target != omitted else total[k]
        for fine in range(k * factor, (k + 1) * factor):
            for row in range(null.shape[1]):
                if target == omitted:
                    for number in range(n_permutations):
                        inside[number] -= null[fine, row, number]
                elif row + (row >= omitted) == target:
                    for number in range(n_permutations):
                        inside[number] += null[fine, row, number]
        for number in range(n_permutations):
            overlap[number] += np.sqrt(inside[number] * (total[k] - inside[number]))
    scale = np.sqrt(n_target * (total.sum() - n_target))
    for number in range(n_permutations):
        out[number] = max(1.0 - overlap[number] / scale, 0.0)


@jit
def raw_distances(
    first: int, last: int, counts: Any, input_span: Any, target_row: Any, n_target: Any, n_rest: Any, distance: Any
) -> None:
    """Write ``distance[unit, pair]`` for a span of units, NaN if the counts do not cover all tokens.

    Parameters
    ----------
    counts : array (row, unit, bin)
        Rows of one input are contiguous.
    input_span : array (pair, 2)
        First row of the pair's input, and the row after its last; pairs of one input are contiguous.
    target_row, n_target, n_rest : array (pair,)
        The pair's own row, its tokens, and the tokens of the other rows of its input.
    """
    total = np.zeros(counts.shape[2], np.int64)
    for unit in range(first, last):
        summed = -1
        for pair in range(target_row.shape[0]):
            if input_span[pair, 0] != summed:
                summed = input_span[pair, 0]
                total[:] = 0
                for other in range(input_span[pair, 0], input_span[pair, 1]):
                    total += counts[other, unit]
            here, rest, gaps = np.int64(0), np.int64(0), 0.0
            for k in range(total.size):
                if total[k] > 0:
                    n = np.int64(counts[target_row[pair], unit, k])
                    here, rest = here + n, rest + total[k] - n
                    gaps += (np.sqrt(n / n_target[pair]) - np.sqrt((total[k] - n) / n_rest[pair])) ** 2
            complete = here == n_target[pair] and rest == n_rest[pair]
            distance[unit, pair] = min(np.sqrt(0.5 * gaps), 1.0) if complete else np.nan
