"""Layout of the debiased estimator's counts: inputs, output classes, bins, source groups and permuted labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.statistics import hash_sources, jackknife_groups, permute_sources_within

if TYPE_CHECKING:
    import xarray as xr

COARSE_BINS, FINE_BINS = 16, 32
FINE_MIN_TOKENS, FINE_MIN_SOURCES = 3000, 300  # on each side of a pair, for FINE_BINS
GROUPS = 20  # groups of sources; the jackknife leaves out one at a time
EDGE_SAMPLE = 2000  # tokens of an input that its bin edges are computed from
# Columns of ``plan``, which has one row per input: the first of its tokens and their number, in the order of positions;
# the number of its output classes; the largest class, which is not counted under the null since it is the total less
# the other classes; the number of bins and the power of two above it; and the offsets of the input in flat arrays.
FIRST, SIZE, CLASSES, OMITTED, BINS, POWER, EDGE, BITS, COUNT, NULL = range(10)


def build_layout(
    measured: xr.Dataset,
    order_keys: np.ndarray,
    vocabularies: Sequence[np.ndarray],
    codes: Sequence[np.ndarray],
    strata: np.ndarray | None,
    *,
    bins: int | None = None,
    n_permutations: int = 100,
    seed: int = 0,
) -> xr.Dataset:
    """Return the tables that the counting pass needs, from the tokens of the measured pairs.

    An *input* is a label with at least one measured pair. Its *output classes* are the outputs of its measured pairs,
    and one class for all its other outputs together. A *position* is the place of a token when tokens are sorted by
    input, then by source, sample and step.

    Parameters
    ----------
    measured : Dataset
        Dim ``pair``: the pairs of `count_sides` that are measured.
    order_keys : array (token, 3) of int
        Source, sample and step, sorted.
    vocabularies, codes : two arrays (label,), two arrays (token,) of int
        Sorted distinct labels, inputs first and outputs second; and the index of each token's label among them.
    strata : array (token,) of int, optional
        Strata within which labels are permuted.
    bins : int, optional
        Number of bins of all pairs.
    n_permutations, seed : int
        Number of permutations, and their seed.

    Returns
    -------
    Dataset
        ``pair``: the sides, ``input_index``, ``class_index``, ``bins``. ``input_row`` x ``column``: ``plan``.
        ``input_row`` x ``output_class`` x ``source_group``: ``tokens``, the number of tokens. ``token``, by position:
        ``class_of``, ``group``; sorted by key: ``token_key``, and the ``position`` of each. ``sampled_token``:
        ``sampled_key`` of the tokens that bin edges are computed from, sorted, with ``sampled_row``, the rank of each
        by position. ``byte``: ``permuted_bits``, one bit per permutation for each token and each class that is not
        omitted.
    """
    import xarray as xr

    measured = measured.sortby(["pair_input", "pair_output"])
    inputs, input_of, n_pairs = np.unique(measured.pair_input.values, return_inverse=True, return_counts=True)
    pair_bins = _pair_bins(measured, bins)
    class_index = np.concatenate([np.arange(number) for number in n_pairs])
    by_pair = {"input_index": input_of, "bins": pair_bins, "class_index": class_index}
    rows = [np.flatnonzero(codes[0] == np.searchsorted(vocabularies[0], name)) for name in inputs]
    outputs = np.searchsorted(vocabularies[1], measured.pair_output.values)
    classes = [_output_classes(codes[1][own], outputs[input_of == index]) for index, own in enumerate(rows)]
    plan = _plan(classes, [int(pair_bins[input_of == index].max()) for index in range(inputs.size)], n_permutations)
    sampled = [_smallest(sampling_hash(order_keys[own], seed), EDGE_SAMPLE) for own in rows]
    data: dict[str, Any] = {name: ("pair", values) for name, values in by_pair.items()}
    data |= {"plan": (("input_row", "column"), plan), "class_of": ("token", np.concatenate(classes))}
    permutations = _permutations(inputs, rows, order_keys[:, 0], strata, n_permutations, seed)
    data |= {"permuted_bits": ("byte", _permuted_bits(plan, classes, permutations, n_permutations))}
    data |= _token_index(order_keys, np.concatenate(rows))
    data |= _sampled_index(data, np.concatenate([row[FIRST] + own for row, own in zip(plan, sampled, strict=True)]))
    data |= {"tokens": (("input_row", "output_class", "source_group"), _count_by_group(data))}
    return xr.Dataset(data).merge(measured.drop_vars("sufficient"), join="exact")


def _permutations(
    inputs: np.ndarray,
    rows: Sequence[np.ndarray],
    sources: np.ndarray,
    strata: np.ndarray | None,
    n_permutations: int,
    seed: int,
) -> Iterator[Iterable[np.ndarray]]:
    """Yield the permutations of the tokens of each input; they do not depend on which other inputs are measured."""
    for name, own in zip(inputs, rows, strict=True):
        own_strata = None if strata is None else strata[own]
        own_seed = seed + int(hash_sources(np.array([name]))[0] >> np.uint64(1))
        yield permute_sources_within(sources[own], own_strata, n_permutations=n_permutations, seed=own_seed)


def _permuted_bits(
    plan: np.ndarray, classes: Sequence[np.ndarray], permutations: Iterable[Iterable[np.ndarray]], n_permutations: int
) -> np.ndarray:
    """Return the permuted classes of all inputs as one flat array of bytes."""
    result = np.empty(sum(_bit_sizes(plan, n_permutations)), np.uint8)
    for row, own_classes, orders in zip(plan, classes, permutations, strict=True):
        packed = pack_permutations(own_classes, orders, n_permutations)
        result[row[BITS] : row[BITS] + packed.size] = packed
    return result


def _token_index(order_keys: np.ndarray, rows: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    """Return the source group of each token, and the sorted keys that identify tokens, with their positions."""
    starts = np.flatnonzero(np.append(True, np.diff(order_keys[:, 0]) != 0))  # tokens are sorted by source
    sizes = np.diff(np.append(starts, len(order_keys)))
    group = np.repeat(jackknife_groups(order_keys[starts, 0], GROUPS).astype(np.uint8), sizes)
    keys = token_keys(order_keys[rows, 1], order_keys[rows, 2])
    order = np.argsort(keys)
    return {"group": ("token", group[rows]), "token_key": ("token", keys[order]), "position": ("token", order)}


def _sampled_index(data: Mapping[str, Any], positions: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    """Return the sorted keys of the tokens at some positions, and the rank of each by position."""
    (_, keys), (_, position) = data["token_key"], data["position"]
    sampled = np.isin(position, positions)
    return {
        "sampled_key": ("sampled_token", keys[sampled]),
        "sampled_row": ("sampled_token", np.searchsorted(positions, position[sampled])),
    }


def _count_by_group(data: Mapping[str, Any]) -> np.ndarray:
    """Return the number of tokens by input, output class and source group: an upper bound for the counters."""
    (_, plan), (_, classes), (_, groups) = data["plan"], data["class_of"], data["group"]
    tokens = np.zeros((len(plan), int(plan[:, CLASSES].max()), GROUPS), np.int64)
    for row, own in zip(plan, tokens, strict=True):
        span = slice(row[FIRST], row[FIRST] + row[SIZE])
        np.add.at(own, (classes[span], groups[span]), 1)
    return tokens


def _plan(classes: Sequence[np.ndarray], bins: Sequence[int], n_permutations: int) -> np.ndarray:
    """Return the sizes of each input and its offsets in the flat arrays, one row per input."""
    plan = np.zeros((len(classes), 10), np.int64)
    for row, own, number in zip(plan, classes, bins, strict=True):
        tokens = np.bincount(own)
        row[[SIZE, CLASSES, OMITTED, BINS]] = own.size, tokens.size, tokens.argmax(), number
        row[POWER] = 1 << (number - 1).bit_length()
    for column, sizes in (
        (FIRST, plan[:, SIZE]),
        (EDGE, plan[:, POWER] - 1),
        (BITS, _bit_sizes(plan, n_permutations)),
        (COUNT, GROUPS * plan[:, CLASSES] * plan[:, BINS]),
        (NULL, plan[:, BINS] * (plan[:, CLASSES] - 1) * bytes_per_token(n_permutations) * 8),
    ):
        plan[:, column] = np.cumsum(sizes) - sizes
    return plan


def _bit_sizes(plan: np.ndarray, n_permutations: int) -> np.ndarray:
    return np.asarray(plan[:, SIZE] * (plan[:, CLASSES] - 1) * bytes_per_token(n_permutations))


def table_sizes(plan: np.ndarray, n_permutations: int) -> tuple[int, int, int]:
    """Return the number of bin edges, counts and counts under the null that each unit has."""
    last = plan[-1]
    counted = last[CLASSES] - 1
    sizes = (
        last[POWER] - 1,
        GROUPS * last[CLASSES] * last[BINS],
        last[BINS] * counted * bytes_per_token(n_permutations) * 8,
    )
    edges, counts, null = (int(last[column] + size) for column, size in zip((EDGE, COUNT, NULL), sizes, strict=True))
    return edges, counts, null


def bytes_per_token(n_permutations: int) -> int:
    """Return the number of bytes that hold one bit per permutation."""
    return -(-n_permutations // 8)


def pack_permutations(classes: np.ndarray, orders: Iterable[np.ndarray], n_permutations: int) -> np.ndarray:
    """Return the permuted classes of tokens as bits: token by token, one class after the other, flat.

    Parameters
    ----------
    classes : array (token,) of int
        Codes 0 to L - 1. The most frequent class is omitted, since it follows from the others.
    orders : iterable of array (token,)
        Permutations of the tokens.
    n_permutations : int
        Number of permutations.

    Returns
    -------
    array (token * (L - 1) * bytes) of uint8
        Bit ``i % 8`` of byte ``i // 8`` belongs to permutation i.
    """
    tokens = np.bincount(classes)
    counted = np.delete(np.arange(tokens.size), tokens.argmax())
    bits = np.zeros((counted.size, bytes_per_token(n_permutations), classes.size), np.uint8)
    for number, order in enumerate(orders):
        permuted = classes[order]
        for row, code in enumerate(counted):
            bits[row, number // 8] |= (permuted == code).view(np.uint8) << np.uint8(number % 8)
    return np.ascontiguousarray(bits.transpose(2, 0, 1)).ravel()


def token_keys(sample: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return one int64 per (sample, step), which identifies a token in any chunk."""
    return np.asarray((sample.astype(np.int64) << 32) + step.astype(np.int64))


def sampling_hash(order_keys: np.ndarray, seed: int) -> np.ndarray:
    """Return a seeded 64-bit hash of (source, sample, step): the finaliser of SplitMix64 after each of them.

    It selects the tokens that bin edges are computed from, and differs from `interp.statistics.hash_tokens`.

    Parameters
    ----------
    order_keys : array (token, 3) of int
    seed : int

    Returns
    -------
    array (token,) of uint64
    """
    state = np.full(len(order_keys), np.uint64(seed % 2**64))
    for column in order_keys.T:
        state = (state ^ column.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return np.asarray(state)


def _smallest(hashes: np.ndarray, n: int) -> np.ndarray:
    """Return the indices of the n smallest hashes, sorted."""
    return np.sort(np.argsort(hashes, kind="stable")[:n])


def _output_classes(output_codes: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return the output class of each token: the index among the sorted measured codes, or their number."""
    index = np.minimum(np.searchsorted(measured, output_codes), measured.size - 1)
    return np.where(measured[index] == output_codes, index, measured.size).astype(np.uint16)


def _pair_bins(measured: xr.Dataset, bins: int | None) -> np.ndarray:
    """Return the number of bins of each pair."""
    if bins is not None:
        return np.full(measured.sizes["pair"], bins)
    tokens = np.minimum(measured.n_target.values, measured.n_rest.values)
    sources = np.minimum(measured.sources_target.values, measured.sources_rest.values)
    fine = (tokens >= FINE_MIN_TOKENS) & (sources >= FINE_MIN_SOURCES)
    return np.where(fine, FINE_BINS, COARSE_BINS)
