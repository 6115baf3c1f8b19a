"""Cost of ablating the ten best units, compared with 999 random groups, on the Armenian network and the demo corpus.

``python tests/benchmarks/bench_causal.py`` prints a Markdown table for the four pairs of the article: ten units ranked
by Hellinger distance on one half of the sources, and their effect on the other half. The column ``recurrence`` has the
effect of the same ablation through the recurrence, for h only, computed by running the model. Seconds include the
controls.
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
COLUMNS = ("pair", "top 10 of", "tokens / sources", "effect [95 %]", "specificity", "other inputs", "accuracy",
           "p uniform", "p matched", "Holm", "recurrence [95 %]", "k80", "seconds")  # fmt: skip


def ranked(acts, pair, layer):
    """Return the names of a layer's units, by decreasing distance."""
    distance = interp.plotting.select_pair(
        interp.measure("hellinger", interp.select(acts, **layer), min_tokens=50, pairs=[pair]), pair
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
            order = ranked(even, pair, LAYERS[layer])
            start = time.perf_counter()
            shared = {"model": model, "groups": {pair: order[:10]}}
            result = interp.measure("ablation-effect", odd, n_controls=options.controls, **shared).isel(case=0)
            seconds = time.perf_counter() - start
            recurrence = "" if layer == "hidden" else recurrent_effect(odd, batches, shared)
            curve = interp.measure("ablation-curve", odd, model=model, ranking=order, pair=pair, n_random_orders=0)
            p_values.append(result.p.values.tolist())
            lines.append([pair, layer, f"{int(result.tokens):,} / {int(result.sources)}",
                          f"{float(result.effect):.3f} [{float(result.ci_low):.3f}, {float(result.ci_high):.3f}]",
                          f"{float(result.specificity):.3f}", f"{float(result.effect_other_inputs):.3f}",
                          f"{float(result.accuracy):.3f} to {float(result.accuracy_ablated):.3f}",
                          *(f"{value:.3f}" for value in result.p.values), "", recurrence,
                          f"{int(curve.k80)} of {len(order)}", f"{seconds:.0f}"])  # fmt: skip
            sys.stderr.write(f"{lines[-1]}\n")
    print_table(lines, p_values)


def recurrent_effect(acts, batches, shared):
    """Return the effect of the ablation through the recurrence, with its interval."""
    result = interp.measure("ablation-effect", acts, batches=batches, scope="recurrence", **shared).isel(case=0)
    return f"{float(result.effect):.3f} [{float(result.ci_low):.3f}, {float(result.ci_high):.3f}]"


def print_table(lines, p_values):
    """Print the table, with p against uniform groups adjusted over its rows."""
    adjusted = interp.statistics.holm([value for value, _ in p_values])
    for line, value in zip(lines, adjusted, strict=True):
        line[COLUMNS.index("Holm")] = f"{value:.3f}"
    rows = [COLUMNS, ["---"] * len(COLUMNS), *lines]
    sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    main()
