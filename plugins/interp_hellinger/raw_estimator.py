"""The raw estimator of the article of 2017: one counting pass over known ranges and labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from interp import InterpError
from interp.statistics import histogram_per_unit, parallel_over_units
from interp_hellinger.counters import SOURCE_CHANGED, check_finite, count_dtype
from interp_hellinger.options import RAW_BINS, HellingerOptions
from interp_hellinger.pairs import SIDE_COUNTS, count_sides, select_pairs

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]


def init_counts(options: HellingerOptions, units: xr.Dataset, ranges: xr.Dataset, labels: xr.Dataset) -> State:
    """Return zero counts (row, unit, bin).

    A row stands for one measured output of an input, or for all its other outputs together.

    Parameters
    ----------
    options : HellingerOptions
    units : Dataset
        Coords of the units.
    ranges, labels : Dataset
        Results of the reducers ``range`` and ``labels``.
    """
    sides = count_sides(labels, tuple(options.labels), options.min_tokens)
    measured, skipped = select_pairs(sides, options.pairs, options.min_tokens)
    state = _row_layout(sides, measured)
    state |= {"low": ranges.minimum.values, "high": ranges.maximum.values}
    check_finite(units["unit"].values, ~(np.isfinite(state["low"]) & np.isfinite(state["high"])))
    shape = (state["expected"].size, units.sizes["unit"], options.bins or RAW_BINS)
    counts = np.zeros(shape, count_dtype(int(state["expected"].max())))
    state |= {"counts": counts, "tokens": np.zeros_like(state["expected"])}
    return state | {"skipped": np.array(json.dumps(skipped, ensure_ascii=False))}


def count_chunk(options: HellingerOptions, state: State, chunk: xr.Dataset) -> State:
    """Count the tokens of the chunk."""
    rows = _rows_of_tokens(state, *(chunk[name].values for name in options.labels))
    histogram_per_unit(chunk.activation.values, rows, state["low"], state["high"], state["counts"])
    state["tokens"] += np.bincount(rows[rows >= 0], minlength=state["tokens"].size)
    return state


def merge_counts(a: State, b: State) -> State:
    """Return the sum of the counts; the arrays of ``a`` are reused."""
    for name in ("counts", "tokens"):
        a[name] += b[name]
    return a


def distances_from_counts(options: HellingerOptions, state: State) -> xr.Dataset:
    """Return ``distance`` (unit, pair), and the tokens and sources on each side (pair)."""
    import xarray as xr

    from interp_hellinger.compiled import raw_distances

    distance = np.empty((state["low"].size, state["pair"].size))
    sides = state["input_span"], state["target_row"], state["n_target"], state["n_rest"]
    parallel_over_units(raw_distances, len(distance), state["counts"], *sides, distance)
    if np.isnan(distance).any() or not np.array_equal(state["tokens"], state["expected"]):
        raise InterpError(SOURCE_CHANGED)
    data = {"distance": (("unit", "pair"), distance)} | {name: ("pair", state[name]) for name in SIDE_COUNTS}
    coords = {name: ("pair", state[name]) for name in ("pair", "pair_input", "pair_output")}
    return xr.Dataset(data, coords, {"method": _method_text(options), "skipped": str(state["skipped"])})


def _method_text(options: HellingerOptions) -> str:
    input_label, output_label = options.labels
    return (
        "Hellinger distance H = sqrt(1/2 sum_k (sqrt p_k - sqrt q_k)^2) between two histograms of a unit's "
        f"activation: tokens of one {input_label} with one {output_label}, and all other tokens of that {input_label}. "
        f"{options.bins} equal bins from the unit's minimum to its maximum over all tokens; pairs with at least "
        f"{options.min_tokens} tokens on each side. Few tokens relative to the number of bins bias H upwards; it was "
        "not compared with a null distribution."
    )


def _row_layout(sides: xr.Dataset, measured: xr.Dataset) -> State:
    """Return which row of counts each combination of labels belongs to.

    Each measured pair has one row, and each input one more for its other outputs, if it has any.
    """
    measured = measured.sortby(["pair_input", "pair_output"])
    state = {name: measured[name].values for name in (*SIDE_COUNTS, "pair", "pair_input", "pair_output")}
    inputs, input_of, n_pairs = np.unique(state["pair_input"], return_inverse=True, return_counts=True)
    outputs, output_of = np.unique(state["pair_output"], return_inverse=True)
    has_others = state["n_rest"] > np.bincount(input_of, state["n_target"])[input_of] - state["n_target"]
    bounds = np.append(0, np.cumsum(n_pairs + has_others[np.cumsum(n_pairs) - 1]))
    target_row = np.arange(input_of.size) + (bounds[:-1] - np.cumsum(n_pairs) + n_pairs)[input_of]
    row_table = np.full((inputs.size, outputs.size + 1), -1)  # the last column is for all other outputs
    row_table[input_of[has_others]] = bounds[input_of[has_others] + 1, None] - 1
    row_table[input_of, output_of] = target_row
    state |= {"inputs": inputs, "outputs": outputs, "row_table": row_table, "target_row": target_row}
    state["input_span"] = np.stack([bounds[:-1], bounds[1:]], axis=1)[input_of]
    rows = _rows_of_tokens(state, sides.pair_input.values, sides.pair_output.values)
    state["expected"] = np.zeros(bounds[-1], int)
    np.add.at(state["expected"], rows[rows >= 0], sides.n_target.values[rows >= 0])
    return state


def _rows_of_tokens(state: State, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return the row of counts of each token, -1 if its input is in no measured pair."""
    first, second = _index_in(state["inputs"], inputs), _index_in(state["outputs"], outputs)
    return np.where(first < 0, -1, state["row_table"][first, second])


def _index_in(vocabulary: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the index of each value in a sorted vocabulary, -1 if it is not there."""
    index = np.minimum(np.searchsorted(vocabulary, values), vocabulary.size - 1)
    return np.where(vocabulary[index] == values, index, -1)
