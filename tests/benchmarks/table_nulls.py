"""Calibration of p and q of ``hellinger`` under the null, as a Markdown table.

``python tests/benchmarks/table_nulls.py`` permutes the labels of real activations by source (with seeds that the probe
does not use) and measures; and measures units of pure noise with the real labels. One label set, or 200 units of noise,
is a family. ``--write`` puts the table into the plugin's README; ``--only`` and ``--keep`` run it in pieces.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import xarray as xr
from table_intervals import written

import interp

LETTERS = ("t", "h", "z", "e")
GATES = ["h", "c"]
CASES = ("trained", "untrained", "noise", "noise in sources")
NOISE = 200


def captured(case: str, limit: int) -> xr.Dataset:
    """Return real activations of some letters, or noise with the same labels."""
    task = interp.load_task("transliteration")
    model = interp.load_model("armenian-bilstm", random_init=0 if case == "untrained" else None)
    batches, where = task.batches("demo", limit=limit, seed=0), {"input": list(LETTERS)}
    return interp.capture(model, batches, where=where, quantities=GATES, progress=False)


def permuted(acts: xr.Dataset, seed: int) -> xr.Dataset:
    """Return the activations with outputs shuffled by source within each letter."""
    acts = acts.isel(token=np.lexsort([acts[name].values for name in ("step", "sample", "source")]))
    output = acts.output.values.copy()
    for number, letter in enumerate(LETTERS):
        mine = np.flatnonzero(acts.input.values == letter)
        order = next(
            interp.statistics.permute_sources(
                acts.source.values[mine], n_permutations=1, seed=10**9 + 10 * seed + number
            )
        )
        output[mine] = output[mine][order]
    return acts.assign_coords(output=("token", output))


def noise(acts: xr.Dataset, seed: int, shared: bool) -> xr.Dataset:
    """Return noise in place of 200 units: independent per token, or mostly constant per source."""
    draw, few = np.random.default_rng(seed), acts.isel(unit=slice(NOISE))
    few = few.assign_coords(quantity=("unit", np.full(few.sizes["unit"], "h")))  # they share a null distribution
    _, source = np.unique(acts.source.values, return_inverse=True)
    values = draw.standard_normal(few.activation.shape).astype(np.float32)
    if shared:
        values = 0.5 * values + draw.standard_normal((source.max() + 1, few.sizes["unit"])).astype(np.float32)[source]
    return few.assign(activation=(("token", "unit"), values))


def family(case: str, acts: xr.Dataset, seed: int) -> list[float]:
    """Return the numbers of tests, of p < .05 and of p < .001, and whether any q is < .01."""
    given = noise(acts, seed, case.endswith("sources")) if case.startswith("noise") else permuted(acts, seed)
    found = interp.measure("hellinger", given, seed=seed)
    p = found.p.values
    return [p.size, int((p < 0.05).sum()), int((p < 0.001).sum()), bool((found.q < 0.01).any()), found.sizes["pair"]]


def table(kept: dict[str, list[list[float]]], n: str) -> str:
    """Return one row per case."""
    lines = ["| | families | tests | p < .05 | p < .001 | families with a q < .01 |", "|---" * 6 + "|"]
    for case in (case for case in CASES if case in kept):
        tests, five, one, any_q, _ = np.sum(kept[case], axis=0)
        sets = len(kept[case])
        shares = f"{100 * five / tests:.2f} % | {100 * one / tests:.3f} % | {100 * any_q / sets:.1f} %"
        lines.append(f"| {case} | {sets} | {tests:,.0f} | {shares} |")
    return "\n".join(lines) + f"\n\n{n}"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, nargs=2, default=[0, 200], help="first and last of the families")
    parser.add_argument("--limit", type=int, default=1000, help="samples")
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--keep", type=Path, help="JSON file that collects families")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    kept = json.loads(chosen.keep.read_text(encoding="utf-8")) if chosen.keep and chosen.keep.exists() else {}
    for case in chosen.only:
        acts = captured(case, chosen.limit)
        kept[case] = kept.get(case, []) + [family(case, acts, seed) for seed in range(*chosen.sets)]
        if chosen.keep:
            chosen.keep.write_text(json.dumps(kept), encoding="utf-8")
    said = f"Letters {', '.join(LETTERS)} of {chosen.limit:,} sentences of the demo text."
    print(table(kept, said))  # noqa: T201
    if chosen.write:
        written("nulls", table(kept, said))


if __name__ == "__main__":
    main()
