"""The text around a token."""

from __future__ import annotations

import re

import numpy as np

GAP = "…"


def windows(
    samples: np.ndarray, steps: np.ndarray, symbols: np.ndarray, rows: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the text before and after some tokens.

    Parameters
    ----------
    samples, steps : array (token,) of int
        Of whole samples, in any order.
    symbols : array (token,)
        What stands at each token; of any length, numbers too.
    rows : array (row,) of int
        The tokens.
    width : int
        Tokens on either side.

    Returns
    -------
    before, after : array (row,) of str
        Tokens that are not there, though the sample goes on beyond them, are one ``…`` together.
    """
    symbols = symbols.astype(str)
    known, index = np.unique(samples, return_inverse=True)
    start, end = np.full(known.size, np.iinfo(np.int64).max), np.full(known.size, -1)
    np.minimum.at(start, index, np.minimum(steps, 0))  # a sample begins at 0
    np.maximum.at(end, index, steps)
    span = int(steps.max(initial=0)) + width + 2
    keys = index * np.int64(2 * span) + steps
    order = np.argsort(keys, kind="stable")
    known_keys, own, ends = keys[order], keys[rows], (start[index[rows]], end[index[rows]])
    text = []
    for offsets in (range(-width, 0), range(1, width + 1)):
        columns = [_at(offset, known_keys, own, symbols[order], steps[rows], ends) for offset in offsets]
        lines = ("".join(line) for line in zip(*columns, strict=True)) if columns else iter([""] * len(rows))
        text.append(np.array([re.sub(f"{GAP}+", GAP, line) if GAP in line else line for line in lines], dtype=str))
    return text[0], text[1]


def _at(
    offset: int,
    known: np.ndarray,
    own: np.ndarray,
    symbols: np.ndarray,
    step: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
) -> list[str]:
    """Return the symbol that stands ``offset`` steps from each row, "" beyond the ends of its sample.

    Parameters
    ----------
    offset : int
    known, symbols : array (token,)
        Keys in order, and what stands there.
    own, step : array (row,)
        Key and step of each row.
    ends : two arrays (row,)
        The first and the last step of its sample.
    """
    place = np.minimum(np.searchsorted(known, own + offset), len(known) - 1)
    there = known[place] == own + offset
    inside = (step + offset >= ends[0]) & (step + offset <= ends[1])
    return np.where(inside & there, symbols[place], np.where(inside, GAP, "")).tolist()  # type: ignore[no-any-return]
