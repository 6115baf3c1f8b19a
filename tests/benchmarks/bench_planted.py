"""Recall and false discoveries of probes on the planted network.

``python tests/benchmarks/bench_planted.py [seeds]`` prints a Markdown table: recall and false discoveries at q < .01 of
``hellinger`` and ``mutual-information``, without and with conditioning on the position, and the fractions of small p
among uninformative units.
"""

import sys

import numpy as np

import interp

SOURCES = (100, 200, 400)
OPTIONS = {"hellinger": {"min_tokens": 100, "min_sources": 50}, "mutual-information": {}}


def counted(seed, sources, probe, given):
    """Return detections (test,), expected detections, kinds and p; a test is a unit, or a unit and a pair."""
    planted = interp.testing.planted_network(seed, sources=sources)
    acts = interp.capture(planted.model, planted.batches, quantities=["h"], progress=False)
    result = interp.measure(probe, interp.select(acts, module="lstm"), strata=given, **OPTIONS[probe])
    kinds = np.array([planted.kinds[name] for name in result.unit.values])
    expected = planted.expectations[probe]
    wanted = np.array([expected[kind] is True or (expected[kind] == "given" and not given) for kind in kinds])
    tests = result.q.transpose("unit", ...)
    each = tests.size // kinds.size
    p = result.p.transpose("unit", ...).values.ravel()
    return tests.values.ravel() < 0.01, np.repeat(wanted, each), np.repeat(kinds, each), p


def row(seeds, sources, probe, given):
    """Return one row of the table."""
    runs = [counted(seed, sources, probe, given) for seed in range(seeds)]
    recall = np.mean([found[wanted].mean() for found, wanted, _, _ in runs])
    false = np.mean([np.mean(~wanted[found]) for found, wanted, _, _ in runs])
    kinds = ("noise", "topic")
    small = [np.mean(np.concatenate([p[names == kind] for _, _, names, p in runs]) < 0.05) for kind in kinds]
    cells = [probe, sources, given[0] if given else "nothing", *(f"{x:.3f}" for x in (recall, false, *small))]
    return f"| {' | '.join(map(str, cells))} |"


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    head = ["probe", "sources", "given", "recall", "false discoveries", "p < .05, noise", "p < .05, topic"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for probe in OPTIONS:
        for sources in SOURCES:
            lines += [row(seeds, sources, probe, given) for given in ((), ("position",))]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
