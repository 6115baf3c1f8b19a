"""Cost of distributed work and speed-up from one to two workers: the table of the README, between its markers.

python tests/benchmarks/bench_cluster.py [--samples 1500,15000,150000] [--work hellinger,capture] [--readme README.md]

Each row is one call on fresh single-threaded workers, on spellings of the demo corpus with the Armenian network: a
reducer over the stream of all units, or a capture of 200 units into a store. The cost per token is the CPU time of all
processes, including caller and scheduler, after the workers have warmed up. Memory is the peak of the workers and of
the caller in the first and in the second half of the time; equal peaks mean that memory does not grow.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import psutil
import typer
import xarray as xr
from distributed import Client, LocalCluster

import interp

os.environ["OMP_NUM_THREADS"] = "1"  # threads per worker
PIECE = 2**16  # rows per piece
EVERY = 0.5  # seconds between memory samples
FEW = {"modules": ["lstm"], "quantities": ["h", "f"], "units": {"index": [*range(50)]}}  # 200 units
CALLER = "caller"
Peaks = dict[str, tuple[float, float]]


@dataclass
class Watch:
    """Monitor of the processes of a cluster."""

    processes: dict[str, psutil.Process]
    held: dict[str, list[float]] = field(default_factory=dict)

    def look(self) -> None:
        """Record the memory of each process, in MB."""
        for name, process in self.processes.items():
            self.held.setdefault(name, []).append(process.memory_info().rss / 2**20)

    def processor(self) -> dict[str, float]:
        """Return the CPU seconds of each process so far."""
        return {name: sum(process.cpu_times()[:2]) for name, process in self.processes.items()}

    def peaks(self) -> Peaks:
        """Return the peak memory of each process in the first and in the second half."""
        halves = ((name, held[: len(held) // 2 + 1], held[len(held) // 2 :]) for name, held in self.held.items())
        return {name: (max(first), max(second)) for name, first, second in halves}


@contextmanager
def watched(client: Client) -> Iterator[Watch]:
    """Monitor the workers of a client and this process, which runs the scheduler."""
    workers = {f"worker {n}": psutil.Process(pid) for n, pid in enumerate(client.run(os.getpid).values(), 1)}
    watch, ended = Watch(workers | {CALLER: psutil.Process()}), threading.Event()

    def looking() -> None:
        while not ended.wait(EVERY):
            watch.look()

    watch.look()
    thread = threading.Thread(target=looking)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join()
        watch.look()


@dataclass
class Row:
    """Cost of one call."""

    work: str
    workers: int
    tokens: int
    seconds: float
    processor: dict[str, float]
    peaks: Peaks
    size: float  # bytes per token on disk
    digest: str

    def cost(self, *names: str) -> float:
        """Return the CPU seconds per token of some processes, or of all."""
        return sum(self.processor[name] for name in names or self.processor) / self.tokens

    def cells(self) -> list[str]:
        """Return the cells of a table row."""
        workers = [held for name, held in self.peaks.items() if name != CALLER]
        first, second = (max(part) for part in zip(*workers, strict=True))
        return [
            self.work, f"{self.tokens:,}", f"{self.workers}", f"{self.tokens / self.seconds:,.0f}",
            f"{1e6 * self.cost() / 3600:.4f}", f"{self.size * 1e6 / 2**30:.2f}" if self.size else "",
            f"{first:,.0f}, {second:,.0f}", "{:,.0f}, {:,.0f}".format(*self.peaks[CALLER]),
        ]  # fmt: skip


HEAD = [
    "work", "tokens", "workers", "tokens / s", "core-hours / 10^6 tokens", "GB / 10^6 tokens",
    "peak MB of a worker, halves", "of the caller",
]  # fmt: skip


def digest(result: xr.Dataset) -> str:
    """Return a hash of all values of a result, read in pieces."""
    found = sha256()
    for name, held in sorted(result.variables.items(), key=lambda item: str(item[0])):
        found.update(f"{name} {held.dims} {held.shape}".encode())
        for start in range(0, held.shape[0] if held.shape else 1, PIECE):
            found.update(held[start : start + PIECE].values.tobytes() if held.shape else held.values.tobytes())
    return found.hexdigest()


def call(work: str, samples: int, client: Client, folder: Path) -> xr.Dataset:
    """Run the work on a number of samples."""
    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration")
    batches = task.batches("demo", limit=samples)
    if work == "capture":
        return interp.capture(model, batches, store=folder / "acts.zarr", client=client, progress=False, **FEW)
    return interp.measure(work, interp.stream(model, batches, progress=False), client=client, progress=False)


def warm(work: str) -> None:
    """Load and compile in a worker, so that this time is not counted per token."""
    name = "moments" if work == "capture" else work
    model, batches = interp.load_model("armenian-bilstm"), interp.load_task("transliteration").batches("demo", limit=64)
    few = {"min_tokens": 1, "min_sources": 1} if name == "hellinger" else {}
    interp.measure(name, interp.stream(model, batches, progress=False), **few)


def measured(work: str, samples: int, workers: int) -> Row:
    """Return the row of one call on fresh workers."""
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with (
        tempfile.TemporaryDirectory() as name,
        LocalCluster(n_workers=workers, **options) as cluster,
        Client(cluster) as client,
    ):
        folder = Path(name)
        client.run(warm, work)
        with watched(client) as watch:
            before, start = watch.processor(), time.perf_counter()
            result = call(work, samples, client, folder)
            seconds, after = time.perf_counter() - start, watch.processor()
        processor = {name: after[name] - before[name] for name in after}
        store = folder / "acts.zarr"
        size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) if store.exists() else 0
        tokens = result.sizes["token"] if work == "capture" else int(result.attrs["n_tokens"])
        return Row(work, workers, tokens, seconds, processor, watch.peaks(), size / tokens, digest(result))


def table(rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def model_of(rows: list[Row]) -> str:
    """Return the projected cost of 10^9 tokens, at the cost per token of the longest run."""
    row = rows[-1]
    one, caller = row.cost(*(name for name in row.processor if name != CALLER)), row.cost(CALLER)
    disk = f" and {row.size * 1e9 / 2**30:,.0f} GB" if row.size else ""
    grown, hours = row.cost() / rows[0].cost(), 1e9 / 3600
    return (
        f"{row.work}: a token of {row.tokens:,} costs {grown:.2f} times one of {rows[0].tokens:,}. 10^9 tokens would "
        f"take {hours * one:,.0f} core-hours{disk}; caller and scheduler need {1e6 * caller:.2f} s for 10^6 tokens, so "
        f"{hours * caller:.1f} hours are the least, with {one / caller:,.0f} workers."
    )


def insert(path: Path, text: str) -> None:
    """Replace the text between the markers of a document."""
    begin, end = "<!-- cluster:begin -->", "<!-- cluster:end -->"
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    path.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main(
    samples: Annotated[str, typer.Option(help="Numbers of samples, 67 tokens each.")] = "1500,15000,150000",
    work: Annotated[str, typer.Option(help="Names of reducers, or capture.")] = "hellinger,capture",
    pair: Annotated[int, typer.Option(help="Samples for comparing one worker with two.")] = 16_384,
    readme: Annotated[Path | None, typer.Option(help="Document with markers to write the table to.")] = None,
) -> None:
    """Measure, print and write."""
    shown, told = list[Row](), list[str]()
    for kind in work.split(","):
        one, two = measured(kind, pair, 1), measured(kind, pair, 2)
        verdict = "the same to the bit" if one.digest == two.digest else "DIFFERENT"
        told.append(f"{kind}: x {one.seconds / two.seconds:.2f} with two workers, results {verdict}.")
        typer.echo(table([one, two]) + f"\n{told[-1]}")
        rows = [measured(kind, int(number), 2) for number in samples.split(",")]
        told.append(model_of(rows))
        typer.echo(table(rows) + f"\n{told[-1]}")
        shown += [one, two, *rows]
    if readme is not None:
        insert(readme, "\n".join([table(shown), "", *(f"- {line}" for line in told)]))


if __name__ == "__main__":
    typer.run(main)
