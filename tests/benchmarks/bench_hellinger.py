"""Speed and memory of ``hellinger``, compared with loops of ``np.histogram`` and ``np.bincount``.

``python tests/benchmarks/bench_hellinger.py`` captures spellings of the demo corpus and prints a table: seconds and
values (tokens x units) per second. The peers count each pair and the rest of its input, as the raw estimator does, on
some units of the same matrix. ``--stream`` measures the debiased estimator while the network runs, in a separate
process, and prints the increase of its peak memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr
from bench_memory import Spellings

import interp

GATES = ["h", "c", "i", "f", "g", "o", "c_prev"]
N_PEER_UNITS = 24  # units measured by the peers


def timed(call: Callable[[], object], times: int) -> float:
    """Return the shortest duration of several calls, in seconds."""
    best = np.inf
    for _ in range(times):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def sides(acts: xr.Dataset, dist: xr.Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the tokens of each pair, and those of its input without them."""
    inputs, outputs = acts.input.values, acts.output.values
    pairs = zip(dist.pair_input.values, dist.pair_output.values, strict=True)
    return [
        (np.flatnonzero((inputs == a) & (outputs == b)), np.flatnonzero((inputs == a) & (outputs != b)))
        for a, b in pairs
    ]


def by_histogram(values: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Count with ``np.histogram``, per unit, pair and side."""
    for column in columns(values):
        ends = (column.min(), column.max())
        for pair in parts:
            for side in pair:
                np.histogram(column[side], 1000, ends)


def by_bincount(values: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Count bins with ``np.bincount``, per unit, pair and side."""
    for column in columns(values):
        bins = binned(column)
        for pair in parts:
            for side in pair:
                np.bincount(bins[side], minlength=1000)


def by_line(values: np.ndarray, rows: np.ndarray, lines: int) -> None:
    """Count all lines of a unit with one ``np.bincount`` of line and bin, using that pairs share tokens."""
    for column in columns(values):
        np.bincount(rows * 1000 + binned(column), minlength=lines * 1000)


def columns(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield some units of a matrix (token, unit) in float64."""
    for unit in range(0, values.shape[1], values.shape[1] // N_PEER_UNITS):
        yield values[:, unit].astype(float)


def binned(column: np.ndarray) -> np.ndarray:
    """Return the bin of each value, up to rounding at edges, where ``np.histogram`` and interp are exact."""
    low, high = column.min(), column.max()
    return np.minimum(((column - low) * (1000 / (high - low or 1))).astype(np.int64), 999)


def peers(acts: xr.Dataset, dist: xr.Dataset) -> dict[str, float]:
    """Return values per second of the peers, on some units of the matrix."""
    values, parts = acts.activation.values, sides(acts, dist)
    names = np.char.add(np.char.add(acts.input.values.astype(str), "=>"), acts.output.values.astype(str))
    lines, rows = np.unique(names, return_inverse=True)
    seconds = {
        "a loop of np.histogram": timed(lambda: by_histogram(values, parts), 1),
        "a loop of np.bincount": timed(lambda: by_bincount(values, parts), 2),
        "one np.bincount per unit": timed(lambda: by_line(values, rows, lines.size), 2),
    }
    units = len(range(0, values.shape[1], values.shape[1] // N_PEER_UNITS))
    return {name: len(values) * units / duration for name, duration in seconds.items()}


def stored(limit: int) -> None:
    """Print the table for activations in memory."""
    model = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration").batches("demo", limit=limit, seed=0)
    acts = interp.capture(model, batches, quantities=GATES, progress=False)
    warm_up = interp.select(acts, sample=slice(0, 40))
    for estimator in ("raw", "debiased"):
        interp.measure("hellinger", warm_up, estimator=estimator, min_tokens=20, min_sources=5)
    size, before = acts.activation.size, peak()
    calls = {
        "raw, all pairs": lambda: interp.measure("hellinger", acts, estimator="raw"),
        "debiased, all pairs": lambda: interp.measure("hellinger", acts),
        "debiased, t=>ծ": lambda: interp.measure("hellinger", acts, pairs=["t=>ծ"]),
    }
    lines = ["| | seconds | million values/s |", "|---|---|---|"]
    for name, call in calls.items():
        seconds = timed(call, 2)
        lines.append(f"| {name} | {seconds:.2f} | {size / seconds / 1e6:.0f} |")
    increase = peak() - before
    for name, rate in peers(acts, calls["raw, all pairs"]()).items():
        lines.append(f"| {name}, over {N_PEER_UNITS} units | | {rate / 1e6:.1f} |")
    note = f"{acts.sizes['token']:,} tokens, {acts.sizes['unit']:,} units; memory beyond the activations"
    print("\n".join(lines), f"\n\n{note}: {increase:.0f} MB.")  # noqa: T201


def peak() -> float:
    """Return the peak memory of the process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def streamed(limit: int, units: int, store: bool) -> None:
    """Print seconds and peak memory of a measurement while the network runs; with ``store`` compare it with a store."""
    model, options = interp.load_model("armenian-bilstm"), {"quantities": GATES, "progress": False}
    warm_up = interp.stream(model, Spellings(64), **options)
    interp.measure("hellinger", warm_up, min_tokens=20, min_sources=5)
    if units:
        names = next(iter(warm_up))["unit"].values
        options["units"] = names[:: -(-len(names) // units)].tolist()
    before, start = peak(), time.perf_counter()
    result = interp.measure("hellinger", interp.stream(model, Spellings(limit), **options))
    seconds = time.perf_counter() - start
    size = f"{result.attrs['n_tokens']:,} tokens, {result.sizes['unit']:,} units x {result.sizes['pair']} pairs"
    memory = f"{peak() - before:.0f} MB beyond the initial {before:.0f} MB"
    print(f"{size}: {seconds:.0f} s in 3 passes, {memory}.", flush=True)  # noqa: T201
    if store:
        with tempfile.TemporaryDirectory() as folder:
            acts = interp.capture(model, Spellings(limit), store=f"{folder}/acts.zarr", **options)
            start = time.perf_counter()
            from_store = interp.measure("hellinger", acts)
            same = all(np.array_equal(from_store[name], result[name], equal_nan=True) for name in result.data_vars)
        seconds = time.perf_counter() - start
        print(f"From a store: {seconds:.0f} s, {'same' if same else 'DIFFERENT'} result; peak {peak():.0f} MB.")  # noqa: T201


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=5000, help="samples")
    parser.add_argument("--stream", action="store_true", help="measure while the network runs, instead of in memory")
    parser.add_argument("--units", type=int, default=0, help="units of a stream; all by default")
    parser.add_argument("--store", action="store_true", help="also store the stream, and compare")
    options = parser.parse_args()
    if options.stream:
        streamed(options.limit, options.units, options.store)
    else:
        stored(options.limit)


if __name__ == "__main__":
    main()
