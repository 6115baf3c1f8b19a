"""Cost of distributed work, and speed-up from one to two workers.

python tests/benchmarks/bench_cluster.py --work moments,capture --write docs/scaling.md

This command replaces the table of docs/scaling.md. Each row is one call on fresh single-threaded workers, on spellings
of the demo corpus with the Armenian network: a reducer over the stream of all units, or a capture of 200 units into a
store. The cost per token is the CPU time of all processes, including caller and scheduler, after the workers have
warmed up. Memory is the peak of the workers and of the caller in the first and in the second half of the run; if the
two are equal, memory does not grow.
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
ROWS_PER_READ = 2**16
SAMPLING_INTERVAL = 0.5  # seconds between memory samples
CAPTURE_OPTIONS = {"modules": ["lstm"], "quantities": ["h", "f"], "units": {"index": [*range(50)]}}  # 200 units
CALLER = "caller"
Peaks = dict[str, tuple[float, float]]


@dataclass
class Monitor:
    """Monitor of the processes of a cluster."""

    processes: dict[str, psutil.Process]
    memory: dict[str, list[float]] = field(default_factory=dict)

    def record(self) -> None:
        """Record the memory of each process, in MB."""
        for name, process in self.processes.items():
            self.memory.setdefault(name, []).append(process.memory_info().rss / 2**20)

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds of each process so far."""
        return {name: sum(process.cpu_times()[:2]) for name, process in self.processes.items()}

    def peaks(self) -> Peaks:
        """Return the peak memory of each process in the first and in the second half."""
        halves = ((name, mb[: len(mb) // 2 + 1], mb[len(mb) // 2 :]) for name, mb in self.memory.items())
        return {name: (max(first), max(second)) for name, first, second in halves}


@contextmanager
def monitored(client: Client) -> Iterator[Monitor]:
    """Monitor the workers of a client and this process, which runs the scheduler."""
    workers = {f"worker {n}": psutil.Process(pid) for n, pid in enumerate(client.run(os.getpid).values(), 1)}
    monitor, ended = Monitor(workers | {CALLER: psutil.Process()}), threading.Event()

    def record_until_ended() -> None:
        while not ended.wait(SAMPLING_INTERVAL):
            monitor.record()

    monitor.record()
    thread = threading.Thread(target=record_until_ended)
    thread.start()
    try:
        yield monitor
    finally:
        ended.set()
        thread.join()
        monitor.record()


@dataclass
class Row:
    """Cost of one call."""

    work: str
    workers: int
    tokens: int
    seconds: float
    cpu_seconds: dict[str, float]
    peaks: Peaks
    size: float  # bytes per token on disk
    digest: str

    def cost(self, *names: str) -> float:
        """Return the CPU seconds per token of some processes, or of all."""
        return sum(self.cpu_seconds[name] for name in names or self.cpu_seconds) / self.tokens

    def cells(self) -> list[str]:
        """Return the cells of a table row."""
        workers = [peaks for name, peaks in self.peaks.items() if name != CALLER]
        first, second = (max(part) for part in zip(*workers, strict=True))
        return [
            self.work, f"{self.tokens:,}", f"{self.workers}", f"{self.tokens / self.seconds:,.0f}",
            f"{1e6 * self.cost() / 3600:.4f}", f"{self.size * 1e6 / 2**30:.2f}" if self.size else "",
            f"{first:,.0f}, {second:,.0f}", "{:,.0f}, {:,.0f}".format(*self.peaks[CALLER]),
        ]  # fmt: skip


HEAD = [
    "work", "tokens", "workers", "tokens / s", "core-hours / 10^6 tokens", "GB / 10^6 tokens",
    "peak MB per worker, halves", "peak MB of the caller",
]  # fmt: skip


def digest(result: xr.Dataset) -> str:
    """Return a hash of all values of a result, read in blocks of rows."""
    hasher = sha256()
    for name, variable in sorted(result.variables.items(), key=lambda item: str(item[0])):
        hasher.update(f"{name} {variable.dims} {variable.shape}".encode())
        for start in range(0, variable.shape[0] if variable.shape else 1, ROWS_PER_READ):
            block = variable[start : start + ROWS_PER_READ] if variable.shape else variable
            hasher.update(block.values.tobytes())
    return hasher.hexdigest()


def run_work(work: str, samples: int, client: Client, folder: Path) -> xr.Dataset:
    """Run the work on a number of samples."""
    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration")
    batches = task.batches("demo", limit=samples)
    if work == "capture":
        return interp.capture(
            model, batches, store=folder / "acts.zarr", client=client, progress=False, **CAPTURE_OPTIONS
        )
    return interp.measure(work, interp.stream(model, batches, progress=False), client=client, progress=False)


def warm_up(work: str) -> None:
    """Load and compile in a worker, so that the cost per token does not include this time."""
    name = "moments" if work == "capture" else work
    model, batches = interp.load_model("armenian-bilstm"), interp.load_task("transliteration").batches("demo", limit=64)
    options = {"min_tokens": 1, "min_sources": 1} if name == "hellinger" else {}
    interp.measure(name, interp.stream(model, batches, progress=False), **options)


def measure_row(work: str, samples: int, workers: int) -> Row:
    """Return the row of one call on fresh workers."""
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with (
        tempfile.TemporaryDirectory() as name,
        LocalCluster(n_workers=workers, **options) as cluster,
        Client(cluster) as client,
    ):
        folder = Path(name)
        client.run(warm_up, work)
        with monitored(client) as monitor:
            before, start = monitor.cpu_seconds(), time.perf_counter()
            result = run_work(work, samples, client, folder)
            seconds, after = time.perf_counter() - start, monitor.cpu_seconds()
        cpu_seconds = {name: after[name] - before[name] for name in after}
        store = folder / "acts.zarr"
        size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) if store.exists() else 0
        tokens = result.sizes["token"] if work == "capture" else int(result.attrs["n_tokens"])
        return Row(work, workers, tokens, seconds, cpu_seconds, monitor.peaks(), size / tokens, digest(result))


def table(rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def projection(rows: list[Row]) -> str:
    """Return the projected cost of 10^9 tokens, at the cost per token of the longest run."""
    row = rows[-1]
    workers, caller = row.cost(*(name for name in row.cpu_seconds if name != CALLER)), row.cost(CALLER)
    disk = f" and {row.size * 1e9 / 2**30:,.0f} GB" if row.size else ""
    ratio, hours, caller_seconds = row.cost() / rows[0].cost(), 1e9 / 3600, 1e6 * caller
    return (
        f"{row.work}: the cost per token with {row.tokens:,} tokens is {ratio:.2f} times that with {rows[0].tokens:,}. "
        f"10^9 tokens would take {hours * workers:,.0f} core-hours{disk}; caller and scheduler need "
        f"{caller_seconds:.2f} s per 10^6 tokens, so the minimum is {hours * caller:.1f} hours, with "
        f"{workers / caller:,.0f} workers."
    )


def insert(path: Path, text: str) -> None:
    """Replace the text between the markers of a document."""
    begin, end = "<!-- cluster:begin -->", "<!-- cluster:end -->"
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    path.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main(
    samples: Annotated[
        str, typer.Option(help="Comma-separated numbers of samples (67 tokens each).")
    ] = "1500,15000,150000",
    work: Annotated[str, typer.Option(help="Comma-separated names of reducers, or capture.")] = "hellinger,capture",
    pair: Annotated[int, typer.Option(help="Number of samples for comparing one worker with two.")] = 16_384,
    write: Annotated[Path | None, typer.Option(help="Document in which to replace the table.")] = None,
) -> None:
    """Measure, print and write."""
    all_rows, notes = list[Row](), list[str]()
    for kind in work.split(","):
        one, two = measure_row(kind, pair, 1), measure_row(kind, pair, 2)
        verdict = "equal to the bit" if one.digest == two.digest else "DIFFERENT"
        ratio = one.seconds / two.seconds
        notes.append(f"{kind}: {ratio:.2f} times as fast with two workers; the results are {verdict}.")
        typer.echo(table([one, two]) + f"\n{notes[-1]}")
        rows = [measure_row(kind, int(number), 2) for number in samples.split(",")]
        notes.append(projection(rows))
        typer.echo(table(rows) + f"\n{notes[-1]}")
        all_rows += [one, two, *rows]
    if write is not None:
        insert(write, "\n".join([table(all_rows), "", *(f"- {line}" for line in notes)]))


if __name__ == "__main__":
    typer.run(main)
