"""Kill a worker, the scheduler or the client at random moments, and run the same command again.

python tests/benchmarks/kill_cluster.py [--times 20] [--limit 20000] [--seed 0]

Each round runs a capture (odd rounds) or a measurement of a stored capture (even rounds) on a cluster of two
single-threaded workers, kills a random process with SIGKILL after a random time, restarts it, and runs the command
again. The result must equal that of an undisturbed run bit by bit, finished shards must not be computed again, and no
files may be left over.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
import xarray as xr

import interp

MAIN = "from interp.cli.app import main; main()"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}


class Cluster:
    """Scheduler and two workers, each in its own process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.scheduler = self.start_scheduler()
        self.workers = [self.start_worker(), self.start_worker()]

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self) -> subprocess.Popen[str]:
        command = ["scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"]
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", *command[1:]],
            stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=self.folder,
        )  # fmt: skip
        for line in process.stderr:
            match = re.search(r"Scheduler at:\s+tcp://127\.0\.0\.1:(\d+)", line)
            if match:
                self.port = int(match[1])
                break
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        options = ["--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1"]
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", self.address, *options],
            stderr=subprocess.DEVNULL, env=ENVIRONMENT, cwd=self.folder,
        )  # fmt: skip

    def kill(self, target: str) -> None:
        """Kill the scheduler (and its workers) or one worker, and start new ones."""
        if target == "scheduler":
            for process in [self.scheduler, *self.workers]:
                kill(process)
            self.scheduler = self.start_scheduler()
            self.workers = [self.start_worker(), self.start_worker()]
        else:
            kill(self.workers[0])
            self.workers = [self.workers[1], self.start_worker()]

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            kill(process)


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def command(verb: str, folder: Path, output: Path, limit: int, scheduler: str | None) -> list[str]:
    capture = ["capture", "armenian-bilstm", "--limit", str(limit), "--modules", "lstm", "--quantities", "h,f"]
    measure = ["measure", "hellinger", str(folder / "acts.zarr"), "--min-tokens", "50"]
    arguments = capture if verb == "capture" else measure
    options = ["--scheduler", scheduler] if scheduler else []
    return [sys.executable, "-W", "ignore", "-c", MAIN, *arguments, "--output", str(output), *options]


def start_process(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT)


def state_directory(output: Path) -> Path:
    """Return the state directory of a running measurement."""
    return output.with_name(f".{output.name}.states")


def finished_files(output: Path) -> set[Path]:
    """Return the files of finished work."""
    return {*output.glob(".parts/*.json"), *state_directory(output).glob("*/*.npz")}


def wait_for_repeats(process: subprocess.Popen[str], output: Path, finished: set[Path]) -> set[str]:
    """Wait for a command, and return the names of finished work that it repeats."""
    shards = {(path.parent.name, path.stem) for path in finished}  # each pass has its own folder
    repeats: set[str] = set()
    while process.poll() is None:
        for path in [*output.glob(".parts/*.partial"), *state_directory(output).glob("*/*.partial")]:
            if (path.parent.name, path.name.partition(".")[0]) in shards:
                repeats.add(path.name)
        time.sleep(0.005)
    return repeats


def main(
    times: Annotated[int, typer.Option(help="Number of rounds.")] = 20,
    limit: Annotated[int, typer.Option(help="Number of samples.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Random seed of the processes and times.")] = 0,
) -> None:
    """Kill, resume and compare."""
    rng = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="kill-"))
    undisturbed: dict[str, tuple[xr.Dataset, float]] = {}
    cluster = Cluster(folder)
    n_failed = 0
    try:
        for verb in ("capture", "measure"):
            start = time.time()
            output = folder / ("acts.zarr" if verb == "capture" else "result.zarr")
            process = start_process(command(verb, folder, output, limit, cluster.address))
            text = process.communicate()[0]
            assert process.returncode == 0, text
            undisturbed[verb] = interp.open(output), time.time() - start
            typer.echo(f"{verb}: {undisturbed[verb][0].sizes}, {undisturbed[verb][1]:.0f} s undisturbed")
        for number in range(times):
            verb, target = ("capture", "measure")[number % 2], rng.choice(["worker", "scheduler", "client"])
            expected, seconds = undisturbed[verb]
            output = folder / f"{number}.zarr"
            arguments = command(verb, folder, output, limit, cluster.address)
            process = start_process(arguments)
            delay = rng.uniform(2, max(3.0, seconds - 1))
            time.sleep(delay)
            if target == "client":
                kill(process)
            else:
                cluster.kill(target)
            finished = finished_files(output) if target != "worker" else set()
            first_repeats = wait_for_repeats(process, output, finished)
            code, text = process.returncode, process.stdout.read()
            # The result is complete if the client was killed while it deleted the states.
            complete = verb == "measure" and output.exists() and not state_directory(output).exists()
            if code != 0 and not complete:
                finished = finished_files(output)
                process = start_process(arguments)
                repeats = wait_for_repeats(process, output, finished)
                text = process.stdout.read()
            else:
                repeats = first_repeats
            identical = (complete or process.returncode == 0) and interp.open(output).identical(expected)
            leftovers = sorted(path.name for path in folder.glob(f".{output.name}*")) + [
                path.name for path in output.glob(".*") if output.exists()
            ]
            n_failed += not (identical and not repeats and not leftovers)
            typer.echo(
                f"{number + 1}. {verb}, {target} killed after {delay:.1f} s, {len(finished)} shards finished; exit "
                f"code of the first run: {code}; {'identical' if identical else 'DIFFERENT ' + text[-400:]}; repeated: "
                f"{sorted(repeats) or 'nothing'}; leftovers: {leftovers or 'none'}"
            )
            shutil.rmtree(output, ignore_errors=True)
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)
    typer.echo(f"{times - n_failed} of {times} rounds passed")
    raise typer.Exit(n_failed > 0)


if __name__ == "__main__":
    typer.run(main)
