"""Memory and speed of a capture, in memory and into a store; each row runs in its own process.

``python tests/benchmarks/bench_memory.py`` prints two tables for the Armenian network on spellings of the demo corpus.
Targets: in memory, the peak above the initial memory is under 1.15 times the matrix + 100 MB; with ``store=``, ten
times the tokens raise the peak of the process by at most 5 %. Seconds are those of the whole call.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MB = 2**20
Row = dict[str, float]


def resident() -> float:
    """Return the current memory of the process, in MB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmRSS in /proc/self/status")


class Spellings:
    """Samples of the demo corpus, generated in parts, so that the corpus needs constant memory."""

    PART = 600

    def __init__(self, limit: int) -> None:
        import interp

        self.task, self.limit = interp.load_task("transliteration"), limit

    def __iter__(self) -> Iterator[Any]:
        for seed, start in enumerate(range(0, self.limit, self.PART)):
            yield from self.task.batches("demo", limit=min(self.PART, self.limit - start), seed=seed)


def measure_capture(limit: int, store: str | None, quantities: list[str] | None) -> Row:
    """Return tokens, units, MB of the matrix, MB before, peak MB and seconds of one capture in this process."""
    import interp

    model = interp.load_model("armenian-bilstm")
    batches = Spellings(limit)
    next(iter(batches))  # read the corpus
    interp.capture(model, next(iter(batches)), modules=["output"], progress=False)  # load all modules
    before, start = resident(), time.perf_counter()
    acts = interp.capture(model, batches, quantities=quantities or "all", store=store, progress=False)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = acts.sizes["token"] * acts.sizes["unit"] * 4 / MB
    return {**acts.sizes, "matrix": size, "before": before, "peak": peak, "seconds": seconds}


def measure_in_subprocess(limit: int, store: bool, quantities: list[str]) -> Row:
    """Return the measurements of a separate process."""
    with tempfile.TemporaryDirectory() as folder:
        output = ["--into", f"{folder}/acts.zarr"] if store else []
        names = ["--quantities", *quantities] if quantities else []
        command = [sys.executable, __file__, "--one", str(limit), *output, *names]
        process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(process.stdout)  # type: ignore[no-any-return]


def table(rows: list[Row], last_column: str, last_cells: dict[int, str]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        f"| tokens | units | matrix MB | initial MB | peak MB | seconds | MB/s | {last_column} |",
        "|---" * 8 + "|",
    ]
    for position, row in enumerate(rows):
        numbers = [row[name] for name in ("token", "unit", "matrix", "before", "peak")]
        cells = [*(f"{number:,.0f}" for number in numbers), f"{row['seconds']:.1f}"]
        lines.append("| " + " | ".join([*cells, f"{row['matrix'] / row['seconds']:.0f}", last_cells[position]]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", nargs="*", type=int, default=[2000, 5000], help="samples to keep in memory")
    parser.add_argument("--store", nargs="*", type=int, default=[600, 6000], help="samples to stream to a store")
    parser.add_argument("--quantities", nargs="*", default=[], help="quantities; all by default")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--into", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure_capture(options.one, options.into, options.quantities)))  # noqa: T201
        return
    for store, limits in ((False, options.memory), (True, options.store)):
        rows = [measure_in_subprocess(limit, store, options.quantities) for limit in limits]
        if store:
            last = [f"{row['peak'] / rows[0]['peak']:.3f}" for row in rows]
        else:
            last = [f"{row['peak'] - row['before']:.0f} of {1.15 * row['matrix'] + 100:.0f}" for row in rows]
        column = "x first row" if store else "peak - initial, of the target"
        print(table(rows, column, dict(enumerate(last))), "\n")  # noqa: T201


if __name__ == "__main__":
    main()
