"""Time and memory of viewers and the probe ``hypothesis`` on a long store that is opened lazily.

``python tests/benchmarks/bench_store.py`` writes a store of noise, 10 million tokens x 200 units, and prints a table;
each row runs in its own process. Targets: opening within 5 s, and less than 1.5 GB of memory for opening and drawing.
The peak is that of the whole process, including libraries.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_dashboard import long_store

NAMES = ["open", "overview", "cell-strips", "cell-strips around", "histogram-pair", "unit-card", "hypothesis"]
NAMES += ["hypothesis, regex"]


def row_function(name: str, acts: Any, dist: Any) -> Callable[[], Any]:
    """Return the function that does the work of a row on an open store."""
    import interp

    units, span = acts["unit"].values[:8].tolist(), {"span": (5, 10, 11), "quantile": 0.3}
    pair = str(dist["pair"].values[0])
    functions: dict[str, Callable[[], Any]] = {
        "open": lambda: None,
        "overview": lambda: interp.draw("overview", dist).html(),
        "cell-strips": lambda: interp.draw("cell-strips", acts, units=units).html(),
        "cell-strips around": lambda: interp.draw("cell-strips", acts, units=units[:1], around="ba").html(),
        "histogram-pair": lambda: interp.draw("histogram-pair", acts, dist, unit=units[0], pair=pair).html(),
        "unit-card": lambda: interp.draw("unit-card", acts, dist, unit=units[0]).html(),
        "hypothesis": lambda: interp.measure("hypothesis", acts, **span),
        "hypothesis, regex": lambda: interp.measure("hypothesis", acts, regex="ba", **span),
    }
    return functions[name]


def measure_row(name: str, folder: Path) -> dict[str, float]:
    """Return the seconds to open, the seconds of the work, and the peak memory of this process in MB."""
    import interp

    start = time.perf_counter()
    acts, dist = interp.open(folder / "acts.zarr"), interp.open(folder / "dist.zarr")
    opened = time.perf_counter() - start
    row_function(name, acts, dist)()
    seconds = time.perf_counter() - start - opened
    status = Path("/proc/self/status").read_text(encoding="ascii")  # getrusage includes the peak of the parent process
    return {"open": opened, "seconds": seconds, "peak": int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024}


def measure_in_subprocess(name: str, folder: Path) -> str:
    """Return a row of the table, measured in a separate process."""
    command = [sys.executable, __file__, "--one", name, "--folder", str(folder)]
    row = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return f"| {name} | {row['open']:.2f} | {row['seconds']:.2f} | {row['peak']:,.0f} |"


def main() -> None:
    """Write the store, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=10_000_000)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument(
        "--folder",
        type=Path,
        help="folder of the stores; temporary by default",
    )
    parser.add_argument("--only", nargs="*", default=NAMES, help="rows to measure")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure_row(options.one, options.folder)))  # noqa: T201
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "dist.zarr").exists():
            long_store(folder, options.tokens, options.units)
        print("| | opened (s) | then (s) | peak (MB) |", "|---|---|---|---|", sep="\n")  # noqa: T201
        for name in options.only:
            print(measure_in_subprocess(name, folder), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
