"""The article's mode: counts in one pass over ranges and labels that are known by then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from interp import InterpError, SchemaError, count_bins, over_units
from interp_hellinger.pairs import choose, sides

if TYPE_CHECKING:
    import xarray as xr

    from interp_hellinger.hellinger import Hellinger

State = dict[str, np.ndarray]
COUNTS = ("n_with", "n_without", "sources_with", "sources_without")
CHANGED = "The source gave other tokens than in the pass before: its chunks must always be the same."
NARROW = 2**16  # tokens of a line: no bin can hold more than its line


def start(probe: Hellinger, units: xr.Dataset, ranges: xr.Dataset, labels: xr.Dataset) -> State:
    """Return zeros for each line (an output of an input, or its other outputs), unit and bin."""
    known = sides(labels, tuple(probe.labels), probe.minimum)
    kept, skipped = choose(known, probe.pairs, probe.minimum)
    state = _layout(known, kept)
    state |= {"low": ranges.minimum.values, "high": ranges.maximum.values}
    check_finite(units["unit"].values, ~(np.isfinite(state["low"]) & np.isfinite(state["high"])))
    narrow = np.uint16 if state["expected"].max() < NARROW else np.uint32
    shape = (state["expected"].size, units.sizes["unit"], probe.bins)
    state |= {"counts": np.zeros(shape, narrow), "tokens": np.zeros_like(state["expected"])}
    return state | {"skipped": np.array(json.dumps(skipped, ensure_ascii=False))}


def update(probe: Hellinger, state: State, chunk: xr.Dataset) -> State:
    """Count the tokens of the chunk."""
    lines = _lines(state, *(chunk[name].values for name in probe.labels))
    count_bins(chunk.activation.values, lines, state["low"], state["high"], state["counts"])
    state["tokens"] += np.bincount(lines[lines >= 0], minlength=state["tokens"].size)
    return state


def merge(a: State, b: State) -> State:
    """Return the sum of the counts, in the arrays of the first."""
    for name in ("counts", "tokens"):
        a[name] += b[name]
    return a


def finish(probe: Hellinger, state: State) -> xr.Dataset:
    """Return ``distance`` (unit, pair) and what stands on the two sides (pair)."""
    import xarray as xr

    from interp_hellinger.compiled import distances

    distance = np.empty((state["low"].size, state["pair"].size))
    sizes = state["ends"], state["line"], state["n_with"], state["n_without"]
    over_units(distances, len(distance), state["counts"], *sizes, distance)
    if np.isnan(distance).any() or not np.array_equal(state["tokens"], state["expected"]):
        raise InterpError(CHANGED)
    data = {"distance": (("unit", "pair"), distance)} | {name: ("pair", state[name]) for name in COUNTS}
    coords = {name: ("pair", state[name]) for name in ("pair", "pair_input", "pair_output")}
    return xr.Dataset(data, coords, {"method": _method(probe), "skipped": str(state["skipped"])})


def _method(probe: Hellinger) -> str:
    given, becomes = probe.labels
    return (
        "Hellinger distance H = sqrt(1/2 sum_k (sqrt p_k - sqrt q_k)^2) between two histograms of a unit's "
        f"activation: tokens of one {given} with one {becomes}, and all other tokens of that {given}. {probe.bins} "
        "equal bins from the unit's minimum to its maximum over all tokens; pairs with at least "
        f"{probe.minimum} tokens on each side. Few tokens against bins bias H upwards; no null is applied."
    )


def _layout(known: xr.Dataset, kept: xr.Dataset) -> State:
    """Return which line of counts a pair of labels belongs to: one for each kept pair, one for the rest of an input."""
    kept = kept.sortby(["pair_input", "pair_output"])
    state = {name: kept[name].values for name in (*COUNTS, "pair", "pair_input", "pair_output")}
    given, of_given, size = np.unique(state["pair_input"], return_inverse=True, return_counts=True)
    becomes, of_becomes = np.unique(state["pair_output"], return_inverse=True)
    rest = state["n_without"] > np.bincount(of_given, state["n_with"])[of_given] - state["n_with"]
    ends = np.append(0, np.cumsum(size + rest[np.cumsum(size) - 1]))
    own = np.arange(of_given.size) + (ends[:-1] - np.cumsum(size) + size)[of_given]
    table = np.full((given.size, becomes.size + 1), -1)  # the last column is for all other outputs
    table[of_given[rest]] = ends[of_given[rest] + 1, None] - 1
    table[of_given, of_becomes] = own
    state |= {"given": given, "becomes": becomes, "table": table, "line": own}
    state["ends"] = np.stack([ends[:-1], ends[1:]], axis=1)[of_given]
    lines, state["expected"] = _lines(state, known.pair_input.values, known.pair_output.values), np.zeros(ends[-1], int)
    np.add.at(state["expected"], lines[lines >= 0], known.n_with.values[lines >= 0])
    return state


def _lines(state: State, given: np.ndarray, becomes: np.ndarray) -> np.ndarray:
    """Return the line of each token, -1 where its input is in no kept pair."""
    first, second = _codes(given, state["given"]), _codes(becomes, state["becomes"])
    return np.where(first < 0, -1, state["table"][first, second])


def _codes(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the index of each value among the sorted known ones, -1 where it is none of them."""
    index = np.minimum(np.searchsorted(known, values), known.size - 1)
    return np.where(known[index] == values, index, -1)


def check_finite(units: np.ndarray, mask: np.ndarray) -> None:
    """Raise `SchemaError` where a unit had NaN or infinite values."""
    odd = units[mask]
    if odd.size:
        listed = ", ".join(odd[:3]) + (", …" if odd.size > 3 else "")
        raise SchemaError(
            f"Probe 'hellinger' needs finite activations; {odd.size} units have NaN or infinite ones: {listed}. "
            f"Keep the others: interp.pick(acts, unit=lambda unit: ~np.isin(unit, {odd[:3].tolist()}))."
        )
