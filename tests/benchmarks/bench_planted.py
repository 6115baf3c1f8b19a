"""How often probes find what is planted, and what is not: ``python tests/benchmarks/bench_planted.py [seeds]``.

Prints a Markdown table: recall and false discoveries of ``mutual-information`` at q < .01, without and with the
position given, and the shares of small p among units that know nothing.
"""

import sys

import numpy as np

import interp

SOURCES = (100, 200, 400)


def counted(seed, sources):
    """Yield for each way of measuring: found, to be found, kinds, p."""
    planted = interp.testing.planted(seed, sources=sources)
    acts = interp.capture(planted.model, planted.batches, quantities=["h"], progress=False)
    acts = interp.pick(acts, module="lstm")
    kinds = np.array(list(planted.kinds.values()))
    expected = planted.expectations["mutual-information"]
    for given in ((), ("position",)):
        result = interp.measure("mutual-information", acts, given=given)
        wanted = [expected[kind] is True or (expected[kind] == "given" and not given) for kind in kinds]
        yield given, result.q.values < 0.01, np.array(wanted), kinds, result.p.values


def rows(seeds, sources):
    held = {(): [], ("position",): []}
    for seed in range(seeds):
        for given, *found in counted(seed, sources):
            held[given].append(found)
    for given, runs in held.items():
        recall = np.mean([found[wanted].mean() for found, wanted, _, _ in runs])
        false = np.mean([np.mean(~wanted[found]) for found, wanted, _, _ in runs])
        small = [
            np.mean(np.concatenate([p[kinds == kind] for _, _, kinds, p in runs]) < 0.05) for kind in ("noise", "topic")
        ]
        name = given[0] if given else "nothing"
        yield f"| {sources} | {name} | {recall:.3f} | {false:.3f} | {small[0]:.3f} | {small[1]:.3f} |"


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    head = (
        "| sources | given | recall | false discoveries | p < .05, noise | p < .05, topic |\n|---|---|---|---|---|---|"
    )
    lines = [head, *(row for sources in SOURCES for row in rows(seeds, sources))]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
