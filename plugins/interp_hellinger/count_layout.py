"""Where counts go: letters, lines, bins, groups and shuffled labels, from labels alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import source_groups, source_hash, stratified_shuffles

if TYPE_CHECKING:
    import xarray as xr

FEW, MANY = 16, 32  # bins
MANY_TOKENS, MANY_SOURCES = 3000, 300  # on each side, for many bins
GROUPS = 20  # of sources, of which the jackknife leaves out one at a time
SAMPLE = 2000  # tokens of an input that its bins are learned from
# Columns of ``plan``, a row for each letter: its tokens are `SIZE` places from `FIRST`; their labels are `LINES` codes,
# of which `OMITTED` is not counted under the null, since the others and the sum say it; `POWER` is the power of two
# that holds the `BINS`; the rest is where the letter begins in flat arrays.
FIRST, SIZE, LINES, OMITTED, BINS, POWER, EDGE, MASK, COUNT, NULL = range(10)


def lay_out(
    kept: xr.Dataset,
    places: np.ndarray,
    known: Sequence[np.ndarray],
    codes: Sequence[np.ndarray],
    strata: np.ndarray | None,
    *,
    bins: int | None = None,
    draws: int = 100,
    seed: int = 0,
) -> xr.Dataset:
    """Return what counting needs to know of the tokens of the kept pairs.

    A *letter* is an input with a kept pair, a *line* one of its kept outputs, or all its other outputs together.

    Parameters
    ----------
    kept : Dataset
        Dims ``pair``: those of `sides` that have enough.
    places : array (token, 3) of int
        Source, sample and step, sorted.
    known, codes : two arrays (label,), two arrays (token,) of int
        The labels that occur, sorted: what is given, and what it becomes; and which of them each token has.
    strata : array (token,) of int, optional
        Among which labels are not shuffled.
    bins : int, optional
        Of all pairs.
    draws, seed : int
        Of the shuffles.

    Returns
    -------
    Dataset
        ``pair``: the sides, ``letter``, ``line``, ``bins``. ``letter`` x ``column``: ``plan``. ``letter`` x
        ``of_letter`` x ``of_sources``: ``tokens``, how many of each line and group. ``token``, sorted by letter,
        then by place: ``line_of``, ``group``, and ``key``, sorted by itself, with the ``place`` of each. ``for_bins``:
        ``sampled_key`` of the tokens that bins are learned from, sorted, with the ``sampled_row`` of each among their
        places. ``byte``: ``shuffled``, for each token and each line that is not omitted one bit a draw.
    """
    import xarray as xr

    kept = kept.sortby(["pair_input", "pair_output"])
    letters, of_pair, size = np.unique(kept.pair_input.values, return_inverse=True, return_counts=True)
    pair = {"letter": of_pair, "bins": _bins(kept, bins), "line": np.concatenate([np.arange(k) for k in size])}
    tokens, lines = [], []
    for number, letter in enumerate(letters):
        mine = np.flatnonzero(codes[0] == np.searchsorted(known[0], letter))
        outputs = np.searchsorted(known[1], kept.pair_output.values[of_pair == number])
        tokens.append(mine)
        lines.append(_lines(codes[1][mine], outputs))
    plan = _plan(lines, [int(pair["bins"][of_pair == number].max()) for number in range(letters.size)], draws)
    shuffled = np.empty(sum(_mask_sizes(plan, draws)), np.uint8)
    for row, letter, mine, line in zip(plan, letters, tokens, lines, strict=True):
        within = None if strata is None else strata[mine]
        own = seed + int(source_hash(np.array([letter]))[0] >> np.uint64(1))  # whatever the other letters are
        orders = stratified_shuffles(places[mine, 0], within, draws=draws, seed=own)
        bits = packed(line, orders, draws)
        shuffled[row[MASK] : row[MASK] + bits.size] = bits
    hashed = [_smallest(token_hash(places[mine], seed), SAMPLE) for mine in tokens]
    data: dict[str, Any] = {name: ("pair", held) for name, held in pair.items()}
    data |= {"plan": (("letter", "column"), plan)}
    data |= {"line_of": ("token", np.concatenate(lines)), "shuffled": ("byte", shuffled)}
    data |= _index(places, np.concatenate(tokens))
    data |= _sampled(data, np.concatenate([row[FIRST] + held for row, held in zip(plan, hashed, strict=True)]))
    data |= {"tokens": (("letter", "of_letter", "of_sources"), _counted(data))}
    return xr.Dataset(data).merge(kept.drop_vars("enough"), join="exact")


def _index(places: np.ndarray, rows: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    """Return the group of each token, and the keys by which chunks find their tokens, sorted, with their places."""
    starts = np.flatnonzero(np.append(True, np.diff(places[:, 0]) != 0))  # sources stand together
    group = np.repeat(
        source_groups(places[starts, 0], GROUPS).astype(np.uint8), np.diff(np.append(starts, len(places)))
    )
    key = token_keys(places[rows, 1], places[rows, 2])
    order = np.argsort(key)
    return {"group": ("token", group[rows]), "key": ("token", key[order]), "place": ("token", order)}


def _sampled(data: Mapping[str, Any], places: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    """Return the keys of tokens at some places, sorted, and the row of each among the places."""
    (_, key), (_, place) = data["key"], data["place"]
    chosen = np.isin(place, places)
    return {
        "sampled_key": ("for_bins", key[chosen]),
        "sampled_row": ("for_bins", np.searchsorted(places, place[chosen])),
    }


def _counted(data: Mapping[str, Any]) -> np.ndarray:
    """Return tokens by letter, line and group of sources: no cell of a unit can hold more."""
    (_, plan), (_, lines), (_, groups) = data["plan"], data["line_of"], data["group"]
    tokens = np.zeros((len(plan), int(plan[:, LINES].max()), GROUPS), np.int64)
    for row, held in zip(plan, tokens, strict=True):
        mine = slice(row[FIRST], row[FIRST] + row[SIZE])
        np.add.at(held, (lines[mine], groups[mine]), 1)
    return tokens


def _plan(lines: Sequence[np.ndarray], bins: Sequence[int], draws: int) -> np.ndarray:
    """Return where each letter begins in the flat arrays, one row a letter."""
    plan = np.zeros((len(lines), 10), np.int64)
    for row, line, k in zip(plan, lines, bins, strict=True):
        tokens = np.bincount(line)
        row[[SIZE, LINES, OMITTED, BINS]] = line.size, tokens.size, tokens.argmax(), k
        row[POWER] = 1 << (k - 1).bit_length()
    for column, sizes in (
        (FIRST, plan[:, SIZE]),
        (EDGE, plan[:, POWER] - 1),
        (MASK, _mask_sizes(plan, draws)),
        (COUNT, GROUPS * plan[:, LINES] * plan[:, BINS]),
        (NULL, plan[:, BINS] * (plan[:, LINES] - 1) * width(draws) * 8),
    ):
        plan[:, column] = np.cumsum(sizes) - sizes
    return plan


def _mask_sizes(plan: np.ndarray, draws: int) -> np.ndarray:
    return np.asarray(plan[:, SIZE] * (plan[:, LINES] - 1) * width(draws))


def cells(plan: np.ndarray, draws: int) -> tuple[int, int, int]:
    """Return how many edges, counts and counts under the null there are for a unit."""
    last = plan[-1]
    stored = last[LINES] - 1
    sizes = (last[POWER] - 1, GROUPS * last[LINES] * last[BINS], last[BINS] * stored * width(draws) * 8)
    edges, counts, null = (int(last[column] + size) for column, size in zip((EDGE, COUNT, NULL), sizes, strict=True))
    return edges, counts, null


def width(draws: int) -> int:
    """Return the bytes that hold one bit a draw."""
    return -(-draws // 8)


def packed(line: np.ndarray, orders: Iterable[np.ndarray], draws: int) -> np.ndarray:
    """Return which token has which line in each draw, as bits: of a token one line after the other, flat.

    Parameters
    ----------
    line : array (token,) of int
        Codes 0 to L - 1. The most frequent one is left out: it is what remains.
    orders : iterable of array (token,)
        Permutations, one a draw.
    draws : int
        How many.

    Returns
    -------
    array (token * (L - 1) * bytes) of uint8
        Bit ``i % 8`` of byte ``i // 8`` is draw i.
    """
    tokens = np.bincount(line)
    stored = np.delete(np.arange(tokens.size), tokens.argmax())
    bits = np.zeros((stored.size, width(draws), line.size), np.uint8)
    for draw, order in enumerate(orders):
        shuffled = line[order]
        for row, code in enumerate(stored):
            bits[row, draw // 8] |= (shuffled == code).view(np.uint8) << np.uint8(draw % 8)
    return np.ascontiguousarray(bits.transpose(2, 0, 1)).ravel()


def token_keys(sample: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return one int64 for each (sample, step), by which chunks find their tokens."""
    return np.asarray((sample.astype(np.int64) << 32) + step.astype(np.int64))


def token_hash(places: np.ndarray, seed: int) -> np.ndarray:
    """Return a seeded 64-bit hash of (source, sample, step): the finaliser of SplitMix64 after each of them.

    Parameters
    ----------
    places : array (token, 3) of int
    seed : int

    Returns
    -------
    array (token,) of uint64
    """
    state = np.full(len(places), np.uint64(seed % 2**64))
    for column in places.T:
        state = (state ^ column.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return np.asarray(state)


def _smallest(hashes: np.ndarray, n: int) -> np.ndarray:
    """Return the places of the n smallest, in order of place."""
    return np.sort(np.argsort(hashes, kind="stable")[:n])


def _lines(becomes: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return the line of each token: which of the kept codes, sorted, or the number of them."""
    place = np.minimum(np.searchsorted(kept, becomes), kept.size - 1)
    return np.where(kept[place] == becomes, place, kept.size).astype(np.uint16)


def _bins(kept: xr.Dataset, bins: int | None) -> np.ndarray:
    """Return the bins of each pair."""
    if bins is not None:
        return np.full(kept.sizes["pair"], bins)
    tokens = np.minimum(kept.n_with.values, kept.n_without.values)
    sources = np.minimum(kept.sources_with.values, kept.sources_without.values)
    return np.where((tokens >= MANY_TOKENS) & (sources >= MANY_SOURCES), MANY, FEW)
