"""Bias and coverage of the intervals of ``hellinger`` where the truth is known, as Markdown tables.

``python tests/benchmarks/table_intervals.py`` prints them; with ``--write`` they go to the plugin's README. Each run is
one unit: normal activations, with one side shifted so that the *binned* distributions have the desired distance. The
probe learns its bins, counts and corrects as on a capture. With replicas, a source is five tokens of one side with
correlated activations. ``--only 0`` runs one row of sizes, for short calls.
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
SIZES = (
    (300, 3_000),
    (1_000, 10_000),
    (3_000, 30_000),
    (100, 1_000),
)  # sources; the last is below the threshold
KINDS = ((1, 0.0), (5, 0.5), (5, 0.9))  # replicas, correlation
TRUTHS = (0.0, 0.1, 0.3, 0.6)
BLOCK = 125  # runs per call


def binned(shift: float, share: float, bins: int) -> float:
    """Return the distance of two normal distributions in bins of equal mass of their mixture."""
    mixed = lambda x: share * norm.cdf(x - shift) + (1 - share) * norm.cdf(x)  # noqa: E731
    edges = [brentq(lambda x, k=k: mixed(x) - k / bins, -40, 40) for k in range(1, bins)]
    p, q = (np.diff(np.concatenate([[0], norm.cdf(np.array(edges) - by), [1]])) for by in (shift, 0.0))
    return float(np.sqrt(max(1 - np.sqrt(p * q).sum(), 0)))


def shift_for(truth: float, share: float, bins: int) -> float:
    """Return the shift at which the binned distributions have the desired distance."""
    return float(brentq(lambda by: binned(by, share, bins) - truth, 1e-6, 5)) if truth else 0.0


def drawn(n: int, m: int, kind: tuple[int, float], shift: float, runs: int, seed: int) -> xr.Dataset:
    """Return a capture of n sources with the pair and m without, one unit per run."""
    draw, (replicas, rho) = np.random.default_rng(seed), kind
    source = np.repeat(np.arange(n + m), replicas)
    values = draw.standard_normal((source.size, runs), np.float32)
    if rho:
        shared = draw.standard_normal((n + m, runs), np.float32)
        values = np.float32(np.sqrt(1 - rho)) * values + np.float32(np.sqrt(rho)) * np.repeat(shared, replicas, axis=0)
    values[: n * replicas] += np.float32(shift)
    columns = {"module": "m", "layer": 0, "direction": "", "quantity": "h"}
    coords = {name: [value] * runs for name, value in columns.items()} | {"index": range(runs)}
    coords["unit"] = [f"m.h.{run}" for run in range(runs)]
    scattered = draw.permutation(10 * (n + m))[source]  # groups must be independent of the side
    tokens = {"sample": scattered, "step": np.tile(np.arange(replicas), n + m), "source": scattered}
    tokens |= {"input": ["a"] * source.size, "output": np.where(source < n, "b", "c")}
    return interp.make_dataset(values, coords, tokens)


def measured(n: int, m: int, kind: tuple[int, float], truth: float, runs: int, seed: int) -> dict[str, np.ndarray]:
    """Return estimates and interval ends of many runs."""
    many = n * kind[0] >= 3_000 and n >= 300
    shift = shift_for(truth, n / (n + m), 32 if many else 16)
    block = BLOCK if (n + m) * kind[0] < 100_000 else BLOCK // 5
    parts = []
    for first in range(0, runs, block):
        acts = drawn(n, m, kind, shift, min(block, runs - first), seed + first)
        parts.append(
            interp.measure("hellinger", acts, pairs=["a=>b"], min_tokens=1, n_permutations=10, seed=seed + first)
        )
    return {
        name: np.concatenate([part[name].values[:, 0] for part in parts]) for name in ("distance", "ci_low", "ci_high")
    }


def line(n: int, m: int, kind: tuple[int, float], runs: int) -> dict[str, float | str]:
    """Return one row of the table."""
    row: dict[str, float | str] = {"sources": f"{n:,} / {m:,}", "tokens": "independent"}
    if kind[0] > 1:
        row["tokens"] = f"{kind[0]} a source, r = {kind[1]:g}".replace("0.", ".")
    for truth in TRUTHS:
        found = measured(n, m, kind, truth, runs, 1000 * n + round(100 * truth))
        row[f"bias {truth:g}"] = float(found["distance"].mean() - truth)
        row[f"cover {truth:g}"] = float(((found["ci_low"] <= truth) & (truth <= found["ci_high"])).mean())
        row[f"best {truth:g}"] = curse(found["distance"]) - truth
    return row


def curse(distance: np.ndarray, family: int = 200, top: int = 10) -> float:
    """Return the mean of the ten largest of 200 units with equal true distance, over families."""
    size = min(family, distance.size)
    families = distance[: distance.size // size * size].reshape(-1, size)
    return float(np.sort(families, axis=1)[:, -top:].mean())


def table(rows: list[dict[str, float | str]], keys: tuple[str, ...]) -> str:
    """Return rows as Markdown, with columns for each true distance."""
    heads = [f"{name} at {truth:g}".replace("0.", ".") for truth in TRUTHS for name in keys]
    lines = ["| sources with / without | tokens | " + " | ".join(heads) + " |", "|---" * (2 + len(heads)) + "|"]
    for row in rows:
        told = [row["sources"], row["tokens"]]
        for truth in TRUTHS:
            told += [shown(name, float(row[f"{name} {truth:g}"])) for name in keys]
        lines.append("| " + " | ".join(map(str, told)) + " |")
    return "\n".join(lines)


def shown(name: str, value: float) -> str:
    """Return a coverage in percent, or a bias with its sign."""
    return f"{100 * value:.1f} %" if name == "cover" else f"{value:+.3f}".replace("0.", ".").replace("-", "−")


def written(name: str, text: str) -> None:
    """Replace the text between the markers of the README."""
    whole = README.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, after = whole[: whole.index(begin) + len(begin)], whole[whole.index(end) :]
    README.write_text(f"{before}\n{text}\n{after}", encoding="utf-8")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--only", type=int, nargs="*", help="rows, 0 to 11; by default all")
    parser.add_argument("--keep", type=Path, help="JSON file that collects rows; all of its rows are printed")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    cases = [(*size, kind) for size in SIZES for kind in KINDS]
    kept = json.loads(chosen.keep.read_text(encoding="utf-8")) if chosen.keep and chosen.keep.exists() else {}
    for number in range(len(cases)) if chosen.only is None else chosen.only:
        kept[str(number)] = line(*cases[number], chosen.runs)
        if chosen.keep:
            chosen.keep.write_text(json.dumps(kept), encoding="utf-8")
    rows = [kept[key] for key in sorted(kept, key=int)]
    best = f"By how much the ten largest of 200 units that are all alike exceed it:\n\n{table(rows, ('best',))}"
    text = f"{table(rows, ('bias', 'cover'))}\n\n{best}"
    print(text)  # noqa: T201
    if chosen.write:
        written("intervals", f"{chosen.runs:,} runs a cell.\n\n{text}")


if __name__ == "__main__":
    main()
