"""Compiled loops. Numba comes with this module, which is therefore imported where they run."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp import compiled


@compiled
def insert(value: Any, key: Any, source: Any, values: Any, keys: Any, sources: Any) -> None:
    """Put a token among the best ones of a unit, best first, if it is one: the larger value, then the smaller key.

    A source has one place, that of its best token. NaN is never put.
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


@compiled
def best(
    first: int, last: int, activation: Any, sign: Any, key: Any, source: Any, values: Any, keys: Any, sources: Any
) -> None:
    """Put every token among the best of the units ``first`` to ``last``: by ``sign * activation (token, unit)``."""
    for token in range(activation.shape[0]):
        for unit in range(first, last):
            value = sign * np.float64(activation[token, unit])
            if value >= values[unit, -1]:
                insert(value, key[token], source[token], values[unit], keys[unit], sources[unit])


@compiled
def join(values: Any, keys: Any, sources: Any, values_b: Any, keys_b: Any, sources_b: Any) -> None:
    """Put the best of other tokens, ``(unit, place)``, among the best."""
    for unit in range(values.shape[0]):
        for place in range(values_b.shape[1]):
            insert(
                values_b[unit, place], keys_b[unit, place], sources_b[unit, place],
                values[unit], keys[unit], sources[unit],
            )  # fmt: skip
