"""Recall and false discoveries of probes on the planted network.

``python tests/benchmarks/bench_planted.py [seeds]`` prints a Markdown table: recall and false discoveries at q < .01 of
``hellinger`` and ``mutual-information``, without strata and with strata by position, and the fractions of small p among
uninformative units.
"""

import sys

import numpy as np

import interp

SOURCES = (100, 200, 400)
OPTIONS = {"hellinger": {"min_tokens": 100, "min_sources": 50}, "mutual-information": {}}


def count_detections(seed, sources, probe, strata):
    """Return detections (test,), expected detections, kinds and p; a test is a unit, or a unit and a pair."""
    planted = interp.testing.planted_network(seed, sources=sources)
    acts = interp.capture(planted.model, planted.batches, quantities=["h"], progress=False)
    result = interp.measure(probe, interp.select(acts, module="lstm"), strata=strata, **OPTIONS[probe])
    kinds = np.array([planted.kinds[name] for name in result.unit.values])
    expected = planted.expectations[probe]
    informative = np.array([expected[kind] is True or (expected[kind] == "given" and not strata) for kind in kinds])
    q = result.q.transpose("unit", ...)
    tests_per_unit = q.size // kinds.size
    p = result.p.transpose("unit", ...).values.ravel()
    return q.values.ravel() < 0.01, np.repeat(informative, tests_per_unit), np.repeat(kinds, tests_per_unit), p


def row(seeds, sources, probe, strata):
    """Return one row of the table."""
    runs = [count_detections(seed, sources, probe, strata) for seed in range(seeds)]
    recall = np.mean([detected[expected].mean() for detected, expected, _, _ in runs])
    false = np.mean([np.mean(~expected[detected]) for detected, expected, _, _ in runs])
    kinds = ("noise", "topic")
    small = [np.mean(np.concatenate([p[names == kind] for _, _, names, p in runs]) < 0.05) for kind in kinds]
    cells = [probe, sources, strata[0] if strata else "none", *(f"{x:.3f}" for x in (recall, false, *small))]
    return f"| {' | '.join(map(str, cells))} |"


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    head = ["probe", "sources", "strata", "recall", "false discoveries", "p < .05, noise", "p < .05, topic"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for probe in OPTIONS:
        for sources in SOURCES:
            lines += [row(seeds, sources, probe, strata) for strata in ((), ("position",))]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
