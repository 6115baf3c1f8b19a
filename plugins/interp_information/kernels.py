"""Compiled loops. Numba comes with this module, which is therefore imported where they run."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp import compiled

TILE = 256  # tokens side by side: their labels stay in cache while some units are counted
TOGETHER = 4  # units counted over one tile


@compiled
def place(first: int, last: int, values: Any, edges: Any, found: Any) -> None:
    """Write to ``found[unit, token]`` how many edges (unit, edge) are at or below a value; equal edges leave gaps."""
    for unit in range(first, last):
        here = found[unit]
        here[:] = 0
        for k in range(edges.shape[1]):
            edge = edges[unit, k]
            for token in range(here.size):
                here[token] += np.uint8(values[unit, token] >= edge)


@compiled
def tally(first: int, last: int, found: Any, labels: Any, classes: int, counts: Any) -> None:
    """Write ``counts[unit - first, bin, draw * classes + label]`` for some units."""
    tokens, draws = labels.shape
    counts[:] = 0
    for start in range(0, tokens, TILE):
        for unit in range(first, last):
            here = counts[unit - first]
            for token in range(start, min(start + TILE, tokens)):
                cells = here[found[unit, token]]
                base = 0
                for draw in range(draws):
                    cells[base + labels[token, draw]] += 1
                    base += classes


@compiled
def summed(counts: Any, classes: int, table: Any, total: Any) -> Any:
    """Write each draw's sum of ``table[cell]``; return that of the bins, and filled cells less filled bins."""
    used, margin = 0, 0.0
    total[:] = 0.0
    for k in range(counts.shape[0]):
        mass = 0
        for label in range(classes):
            mass += counts[k, label]
            used += counts[k, label] > 0
        used -= mass > 0
        margin += table[mass]
        for draw in range(total.size):
            for cell in range(draw * classes, (draw + 1) * classes):
                total[draw] += table[counts[k, cell]]
    return margin, used


@compiled
def measure(
    first: int, last: int, found: Any, labels: Any, known: Any, bins: int, table: Any, bits: Any, freedom: Any
) -> None:
    """Write the plug-in information of bins and each column of labels to ``bits[unit, draw]``.

    Parameters
    ----------
    found : array (unit, token) of uint8
        Bins.
    labels : array (token, draw) of uint16
        The same labels in each column, in another order.
    known : array (label,) of int
        How often each label occurs, once at least.
    table : array (token + 1,)
        ``n log2 n``.
    freedom : array (unit,)
        Becomes filled cells of the first column, less filled bins, less labels, plus one.
    """
    tokens, classes = labels.shape[0], known.size
    fixed = table[tokens]
    for n in known:
        fixed -= table[n]
    counts, total = np.empty((TOGETHER, bins, labels.shape[1] * classes), np.int32), np.empty(labels.shape[1])
    for left in range(first, last, TOGETHER):
        right = min(left + TOGETHER, last)
        tally(left, right, found, labels, classes, counts)
        for unit in range(left, right):
            margin, used = summed(counts[unit - left], classes, table, total)
            freedom[unit] = used - classes + 1
            for draw in range(total.size):
                bits[unit, draw] = max((fixed - margin + total[draw]) / tokens, 0.0)
