"""Bias and coverage of the intervals of ``hellinger`` if the true distance is known, as Markdown tables.

``python tests/benchmarks/table_intervals.py`` prints them; ``--write`` puts them into the plugin's README. Each run is
one unit: normal activations, with one side shifted so that the *binned* distributions have the desired distance. The
probe chooses bins, counts and corrects as it does on a capture. With replicas, a source is five tokens of one side with
correlated activations. ``--only 0`` runs a single row.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.optimize import brentq
from scipy.stats import norm

import interp

README = Path(__file__).parents[2] / "plugins/interp_hellinger/README.md"
SIZES = ((300, 3_000), (1_000, 10_000), (3_000, 30_000), (100, 1_000))  # sources; the last is below the default minimum
KINDS = ((1, 0.0), (5, 0.5), (5, 0.9))  # replicas, correlation
TRUTHS = (0.0, 0.1, 0.3, 0.6)
RUNS_PER_CALL = 125


def binned_distance(shift: float, share: float, bins: int) -> float:
    """Return the distance of two normal distributions in bins of equal mass of their mixture."""
    mixture_cdf = lambda x: share * norm.cdf(x - shift) + (1 - share) * norm.cdf(x)  # noqa: E731
    edges = [brentq(lambda x, k=k: mixture_cdf(x) - k / bins, -40, 40) for k in range(1, bins)]
    p, q = (np.diff(np.concatenate([[0], norm.cdf(np.array(edges) - mean), [1]])) for mean in (shift, 0.0))
    return float(np.sqrt(max(1 - np.sqrt(p * q).sum(), 0)))


def shift_for(truth: float, share: float, bins: int) -> float:
    """Return the shift at which the binned distributions have the desired distance."""
    return float(brentq(lambda shift: binned_distance(shift, share, bins) - truth, 1e-6, 5)) if truth else 0.0


def simulate(n: int, m: int, kind: tuple[int, float], shift: float, runs: int, seed: int) -> xr.Dataset:
    """Return a capture of n sources with the target output and m with another one, one unit per run."""
    rng, (replicas, rho) = np.random.default_rng(seed), kind
    source = np.repeat(np.arange(n + m), replicas)
    values = rng.standard_normal((source.size, runs), np.float32)
    if rho:
        shared = rng.standard_normal((n + m, runs), np.float32)
        values = np.float32(np.sqrt(1 - rho)) * values + np.float32(np.sqrt(rho)) * np.repeat(shared, replicas, axis=0)
    values[: n * replicas] += np.float32(shift)
    columns = {"module": "m", "layer": 0, "direction": "", "quantity": "h"}
    coords = {name: [value] * runs for name, value in columns.items()} | {"index": range(runs)}
    coords["unit"] = [f"m.h.{run}" for run in range(runs)]
    shuffled = rng.permutation(10 * (n + m))[source]  # jackknife groups must be independent of the side
    tokens = {"sample": shuffled, "step": np.tile(np.arange(replicas), n + m), "source": shuffled}
    tokens |= {"input": ["a"] * source.size, "output": np.where(source < n, "b", "c")}
    return interp.make_dataset(values, coords, tokens)


def measure_runs(n: int, m: int, kind: tuple[int, float], truth: float, runs: int, seed: int) -> dict[str, np.ndarray]:
    """Return estimates and interval ends of many runs."""
    shift = shift_for(truth, n / (n + m), 32 if n * kind[0] >= 3_000 and n >= 300 else 16)
    block = RUNS_PER_CALL if (n + m) * kind[0] < 100_000 else RUNS_PER_CALL // 5
    options = {"pairs": ["a=>b"], "min_tokens": 1, "n_permutations": 10}
    parts = []
    for first in range(0, runs, block):
        acts = simulate(n, m, kind, shift, min(block, runs - first), seed + first)
        parts.append(interp.measure("hellinger", acts, seed=seed + first, **options))
    names = ("distance", "ci_low", "ci_high")
    return {name: np.concatenate([part[name].values[:, 0] for part in parts]) for name in names}


def table_row(n: int, m: int, kind: tuple[int, float], runs: int) -> dict[str, float | str]:
    """Return one row of the table."""
    row: dict[str, float | str] = {"sources": f"{n:,} / {m:,}", "tokens": "independent"}
    if kind[0] > 1:
        row["tokens"] = f"{kind[0]} per source, r = {kind[1]:g}".replace("0.", ".")
    for truth in TRUTHS:
        result = measure_runs(n, m, kind, truth, runs, 1000 * n + round(100 * truth))
        row[f"bias {truth:g}"] = float(result["distance"].mean() - truth)
        row[f"cover {truth:g}"] = float(((result["ci_low"] <= truth) & (truth <= result["ci_high"])).mean())
        row[f"best {truth:g}"] = mean_of_largest(result["distance"]) - truth
    return row


def mean_of_largest(distance: np.ndarray, family: int = 200, top: int = 10) -> float:
    """Return the mean of the ten largest of 200 units with equal true distance, over families."""
    size = min(family, distance.size)
    families = distance[: distance.size // size * size].reshape(-1, size)
    return float(np.sort(families, axis=1)[:, -top:].mean())


def table(rows: list[dict[str, float | str]], keys: tuple[str, ...]) -> str:
    """Return rows as Markdown, with columns for each true distance."""
    heads = [f"{name} at {truth:g}".replace("0.", ".") for truth in TRUTHS for name in keys]
    lines = ["| sources target / rest | tokens | " + " | ".join(heads) + " |", "|---" * (2 + len(heads)) + "|"]
    for row in rows:
        cells = [row["sources"], row["tokens"]]
        for truth in TRUTHS:
            cells += [format_cell(name, float(row[f"{name} {truth:g}"])) for name in keys]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def format_cell(name: str, value: float) -> str:
    """Return a coverage in percent, or a bias with its sign."""
    return f"{100 * value:.1f} %" if name == "cover" else f"{value:+.3f}".replace("0.", ".").replace("-", "−")


def write_to_readme(name: str, text: str) -> None:
    """Replace the text between the markers of the README."""
    document = README.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, after = document[: document.index(begin) + len(begin)], document[document.index(end) :]
    README.write_text(f"{before}\n{text}\n{after}", encoding="utf-8")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--only", type=int, nargs="*", help="rows, 0 to 11; all by default")
    parser.add_argument("--rows-file", type=Path, help="JSON file that collects rows; all of its rows are printed")
    parser.add_argument("--write", action="store_true", help="write the tables into the plugin's README")
    options = parser.parse_args()
    cases = [(*size, kind) for size in SIZES for kind in KINDS]
    resume = options.rows_file is not None and options.rows_file.exists()
    collected = json.loads(options.rows_file.read_text(encoding="utf-8")) if resume else {}
    for number in range(len(cases)) if options.only is None else options.only:
        collected[str(number)] = table_row(*cases[number], options.runs)
        if options.rows_file:
            options.rows_file.write_text(json.dumps(collected), encoding="utf-8")
    rows = [collected[key] for key in sorted(collected, key=int)]
    best = f"Mean excess of the ten largest of 200 units with the same true distance:\n\n{table(rows, ('best',))}"
    text = f"{table(rows, ('bias', 'cover'))}\n\n{best}"
    print(text)  # noqa: T201
    if options.write:
        write_to_readme("intervals", f"{options.runs:,} runs per cell.\n\n{text}")


if __name__ == "__main__":
    main()
