"""Compiled loops. This module imports numba, so it is imported only where the loops run."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.statistics import jit

TILE_TOKENS = 256  # tokens per tile: their labels stay in cache while some units are counted
TILE_UNITS = 4  # units counted over one tile


@jit
def assign_bins(first: int, last: int, values: Any, edges: Any, bin_of: Any) -> None:
    """Write to ``bin_of[unit, token]`` the number of edges (unit, edge) not above a value; equal edges leave gaps."""
    for unit in range(first, last):
        own = bin_of[unit]
        own[:] = 0
        for k in range(edges.shape[1]):
            edge = edges[unit, k]
            for token in range(own.size):
                own[token] += np.uint8(values[unit, token] >= edge)


@jit
def count_cells(first: int, last: int, bin_of: Any, labels: Any, classes: int, counts: Any) -> None:
    """Write ``counts[unit - first, bin, column * classes + label]`` for some units."""
    tokens, columns = labels.shape
    counts[:] = 0
    for start in range(0, tokens, TILE_TOKENS):
        for unit in range(first, last):
            own = counts[unit - first]
            for token in range(start, min(start + TILE_TOKENS, tokens)):
                cells = own[bin_of[unit, token]]
                base = 0
                for column in range(columns):
                    cells[base + labels[token, column]] += 1
                    base += classes


@jit
def sum_over_cells(counts: Any, classes: int, table: Any, total: Any) -> Any:
    """Write the sum of ``table[count]`` over cells for each column; return that over bins, and filled cells minus bins.

    Parameters
    ----------
    counts : array (bin, column * classes)
    classes : int
        Number of distinct labels.
    table : array (token + 1,)
        ``n log2 n``.
    total : array (column,)
    """
    used, margin = 0, 0.0
    total[:] = 0.0
    for k in range(counts.shape[0]):
        mass = 0
        for label in range(classes):
            mass += counts[k, label]
            used += counts[k, label] > 0
        used -= mass > 0
        margin += table[mass]
        for column in range(total.size):
            for cell in range(column * classes, (column + 1) * classes):
                total[column] += table[counts[k, cell]]
    return margin, used


@jit
def information_by_column(
    first: int,
    last: int,
    bin_of: Any,
    labels: Any,
    label_counts: Any,
    bins: int,
    table: Any,
    bits: Any,
    freedom: Any,
) -> None:
    """Write the plug-in information of bins and each column of labels to ``bits[unit, column]``.

    Parameters
    ----------
    bin_of : array (unit, token) of uint8
        Bins of the tokens.
    labels : array (token, column) of uint16
        The same labels in each column, in another order.
    label_counts : array (label,) of int
        Number of tokens of each label, at least one.
    table : array (token + 1,)
        ``n log2 n``.
    freedom : array (unit,)
        Output: filled cells of the first column, minus filled bins, minus labels, plus one.
    """
    tokens, classes = labels.shape[0], label_counts.size
    fixed = table[tokens]
    for n in label_counts:
        fixed -= table[n]
    shape = TILE_UNITS, bins, labels.shape[1] * classes
    counts, total = np.empty(shape, np.int32), np.empty(labels.shape[1])
    for left in range(first, last, TILE_UNITS):
        right = min(left + TILE_UNITS, last)
        count_cells(left, right, bin_of, labels, classes, counts)
        for unit in range(left, right):
            margin, used = sum_over_cells(counts[unit - left], classes, table, total)
            freedom[unit] = used - classes + 1
            for column in range(total.size):
                bits[unit, column] = max((fixed - margin + total[column]) / tokens, 0.0)
