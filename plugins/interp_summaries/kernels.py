"""Compiled loops for `TopContexts`. Importing this module imports numba, so import it where the loops run."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.statistics import jit


@jit
def insert_extreme(value: Any, key: Any, source: Any, values: Any, keys: Any, sources: Any) -> None:
    """Insert a token into the extremes of a unit if it ranks among them: larger values first, then smaller keys.

    The extremes hold at most one token per source, the best one. NaN is never inserted.
    """
    last = values.size - 1
    if not (value > values[last] or (value == values[last] and key < keys[last])):
        return
    place = last
    for j in range(values.size):
        if sources[j] == source:
            if not (value > values[j] or (value == values[j] and key < keys[j])):
                return
            place = j
            break
    while place > 0 and (value > values[place - 1] or (value == values[place - 1] and key < keys[place - 1])):
        values[place], keys[place], sources[place] = values[place - 1], keys[place - 1], sources[place - 1]
        place -= 1
    values[place], keys[place], sources[place] = value, key, source


@jit
def update_extremes(
    first: int, last: int, activation: Any, sign: Any, key: Any, source: Any, values: Any, keys: Any, sources: Any
) -> None:
    """Update the extremes of units ``first`` to ``last`` with every token, by ``sign * activation (token, unit)``."""
    for token in range(activation.shape[0]):
        for unit in range(first, last):
            value = sign * np.float64(activation[token, unit])
            if value >= values[unit, -1]:
                insert_extreme(value, key[token], source[token], values[unit], keys[unit], sources[unit])


@jit
def merge_extremes(values: Any, keys: Any, sources: Any, values_b: Any, keys_b: Any, sources_b: Any) -> None:
    """Insert the extremes of other tokens, ``(unit, place)``, into the extremes."""
    for unit in range(values.shape[0]):
        for place in range(values_b.shape[1]):
            insert_extreme(
                values_b[unit, place], keys_b[unit, place], sources_b[unit, place],
                values[unit], keys[unit], sources[unit],
            )  # fmt: skip
