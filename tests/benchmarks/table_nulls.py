"""Calibration of p and q of ``hellinger`` under the null, as a Markdown table.

``python tests/benchmarks/table_nulls.py`` permutes the labels of real activations by source (with seeds that the probe
does not use) and measures; and measures units of pure noise with the real labels. One label set, or 200 units of noise,
is a family. ``--write`` puts the table into the plugin's README; ``--only`` and ``--families-file`` run it in parts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import xarray as xr
from table_intervals import write_to_readme

import interp

LETTERS = ("t", "h", "z", "e")
GATES = ["h", "c"]
CASES = ("trained", "untrained", "noise", "noise in sources")
N_NOISE_UNITS = 200


def capture_case(case: str, limit: int) -> xr.Dataset:
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
        rows = np.flatnonzero(acts.input.values == letter)
        options = {"n_permutations": 1, "seed": 10**9 + 10 * seed + number}
        order = next(interp.statistics.permute_sources(acts.source.values[rows], **options))
        output[rows] = output[rows][order]
    return acts.assign_coords(output=("token", output))


def noise(acts: xr.Dataset, seed: int, shared: bool) -> xr.Dataset:
    """Return noise in place of 200 units: independent per token, or mostly constant per source."""
    rng, part = np.random.default_rng(seed), acts.isel(unit=slice(N_NOISE_UNITS))
    n_units = part.sizes["unit"]
    part = part.assign_coords(quantity=("unit", np.full(n_units, "h")))  # one quantity, one null distribution
    _, source = np.unique(acts.source.values, return_inverse=True)
    values = rng.standard_normal(part.activation.shape).astype(np.float32)
    if shared:
        values = 0.5 * values + rng.standard_normal((source.max() + 1, n_units)).astype(np.float32)[source]
    return part.assign(activation=(("token", "unit"), values))


def family(case: str, acts: xr.Dataset, seed: int) -> list[float]:
    """Return the numbers of tests, of p < .05 and of p < .001, and whether any q is < .01."""
    null = noise(acts, seed, case.endswith("sources")) if case.startswith("noise") else permuted(acts, seed)
    result = interp.measure("hellinger", null, seed=seed)
    p = result.p.values
    return [p.size, int((p < 0.05).sum()), int((p < 0.001).sum()), bool((result.q < 0.01).any()), result.sizes["pair"]]


def table(families: dict[str, list[list[float]]], note: str) -> str:
    """Return one row per case."""
    lines = ["| | families | tests | p < .05 | p < .001 | families with a q < .01 |", "|---" * 6 + "|"]
    for case in (case for case in CASES if case in families):
        tests, below_05, below_001, any_q, _ = np.sum(families[case], axis=0)
        count = len(families[case])
        shares = f"{100 * below_05 / tests:.2f} % | {100 * below_001 / tests:.3f} % | {100 * any_q / count:.1f} %"
        lines.append(f"| {case} | {count} | {tests:,.0f} | {shares} |")
    return "\n".join(lines) + f"\n\n{note}"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=[0, 200], help="first seed, and the one after the last")
    parser.add_argument("--limit", type=int, default=1000, help="samples")
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--families-file", type=Path, help="JSON file that collects families")
    parser.add_argument("--write", action="store_true", help="write the table into the plugin's README")
    options = parser.parse_args()
    resume = options.families_file is not None and options.families_file.exists()
    families = json.loads(options.families_file.read_text(encoding="utf-8")) if resume else {}
    for case in options.only:
        acts = capture_case(case, options.limit)
        families[case] = families.get(case, []) + [family(case, acts, seed) for seed in range(*options.seeds)]
        if options.families_file:
            options.families_file.write_text(json.dumps(families), encoding="utf-8")
    report = table(families, f"Letters {', '.join(LETTERS)} of {options.limit:,} sentences of the demo text.")
    print(report)  # noqa: T201
    if options.write:
        write_to_readme("nulls", report)


if __name__ == "__main__":
    main()
