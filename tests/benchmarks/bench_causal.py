"""Cost of ablating the ten best units, compared with 999 random groups, on the Armenian network and the demo corpus.

``python tests/benchmarks/bench_causal.py`` prints a Markdown table for the four pairs of the article: ten units ranked
by Hellinger distance on one half of the sources, and their effect on the other half. ``state`` is the same ablation
through the recurrence, for h only, computed by running the model. Seconds include the controls.
"""

import argparse
import sys
import time

import interp

PAIRS = ("t=>ծ", "s=>_", "t=>թ", "h=>_")
LAYERS = {
    "hidden": {"module": "hidden"},
    "h backward": {"module": "lstm", "quantity": "h", "direction": "backward"},
    "h forward": {"module": "lstm", "quantity": "h", "direction": "forward"},
}
COLUMNS = ("pair", "top 10 of", "tokens / sources", "effect [95 %]", "specificity", "elsewhere", "accuracy",
           "p uniform", "p matched", "Holm", "state [95 %]", "k80", "seconds")  # fmt: skip


def ranked(even, pair, layer):
    """Return the names of a layer's units, best first."""
    distance = interp.plotting.select_pair(
        interp.measure("hellinger", interp.select(even, **layer), min_tokens=50, pairs=[pair]), pair
    )
    return distance.sortby("distance", ascending=False)["unit"].values.tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=1000, help="samples")
    parser.add_argument("--controls", type=int, default=999)
    parser.add_argument("--pairs", nargs="+", default=PAIRS)
    parser.add_argument("--layers", nargs="+", default=list(LAYERS))
    options = parser.parse_args()
    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration", language="hy")
    batches = list(task.batches("demo", limit=options.limit, seed=0))
    even, odd = interp.split_by_source(interp.capture(model, batches, quantities=["h"], progress=False))
    lines, p_values = [], []
    for pair in options.pairs:
        for layer in options.layers:
            picked = LAYERS[layer]
            order = ranked(even, pair, picked)
            start = time.perf_counter()
            shared = {"model": model, "groups": {pair: order[:10]}}
            found = interp.measure("ablation-effect", odd, n_controls=options.controls, **shared).isel(case=0)
            seconds = time.perf_counter() - start
            state = "" if layer == "hidden" else through(odd, batches, shared)
            curve = interp.measure("ablation-curve", odd, model=model, ranking=order, pair=pair, n_random_orders=0)
            p_values.append(found.p.values.tolist())
            lines.append([pair, layer, f"{int(found.tokens):,} / {int(found.sources)}",
                          f"{float(found.effect):.3f} [{float(found.ci_low):.3f}, {float(found.ci_high):.3f}]",
                          f"{float(found.specificity):.3f}", f"{float(found.effect_other_inputs):.3f}",
                          f"{float(found.accuracy):.3f} to {float(found.accuracy_ablated):.3f}",
                          *(f"{value:.3f}" for value in found.p.values), "", state,
                          f"{int(curve.k80)} of {len(order)}", f"{seconds:.0f}"])  # fmt: skip
            sys.stderr.write(f"{lines[-1]}\n")
    show(lines, p_values)


def through(odd, batches, shared):
    """Return the effect through the recurrence."""
    found = interp.measure("ablation-effect", odd, batches=batches, scope="recurrence", **shared).isel(case=0)
    return f"{float(found.effect):.3f} [{float(found.ci_low):.3f}, {float(found.ci_high):.3f}]"


def show(lines, p_values):
    """Print the table, with p against uniform groups adjusted over its rows."""
    from interp.statistics import holm

    for line, value in zip(lines, holm([value for value, _ in p_values]), strict=True):
        line[COLUMNS.index("Holm")] = f"{value:.3f}"
    rows = [COLUMNS, ["---"] * len(COLUMNS), *lines]
    sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    main()
