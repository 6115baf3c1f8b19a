"""Speed and memory of `interp transliterate`: ``python tests/benchmarks/bench_transliterate.py [MEGABYTES]``.

The peer is the network alone on the same lines. Memory is that of the command on files of one and of several megabytes.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import torch
import typer

from interp_transliteration.decoding.transliterator import Transliterator
from interp_transliteration.task import TransliterationTask

THREADS = 2


def typed_lines():
    """Return the demo sentences as typed."""
    task = TransliterationTask()
    return [line for batch in task.batches("demo", limit=1000) for line in batch.typed]


def speed(name, lines, write):
    """Print and return characters per second, the best of three runs."""
    size, best = sum(map(len, lines)), 0.0
    for _ in range(3):
        start = perf_counter()
        write(lines)
        best = max(best, size / (perf_counter() - start))
    typer.echo(f"{name}: {best:,.0f} characters per second")
    return best


def network_only(writer):
    """Return a function that runs only the network, line by line."""

    def run(lines):
        with torch.inference_mode():
            for line in lines:
                writer.network(*writer.task.encode_lines([line])).argmax(-1)

    return run


def peak(path):
    """Return the peak memory of the command on a file, in bytes, and its seconds."""
    start = perf_counter()
    command = [sys.executable, "-c", "from interp.cli.app import main; main()", "transliterate", "--file", str(path)]
    subprocess.run([*command, "--threads", str(THREADS), "--output", str(path) + ".out"], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, perf_counter() - start


def main():
    """Measure speed with two threads, then memory on growing files."""
    torch.set_num_threads(THREADS)
    writer, lines = Transliterator(), typed_lines()
    one = speed("one line at a time", lines[:300], lambda part: [writer([line]) for line in part])
    speed("in batches", lines, writer)
    alone = speed("the network alone, one line at a time", lines[:300], network_only(writer))
    typer.echo(f"one line at a time takes {alone / one:.2f} times as long as the network alone")
    text = "\n".join(lines) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        for megabytes in (1, int(sys.argv[1]) if len(sys.argv) > 1 else 5):
            path = Path(folder) / f"{megabytes}.txt"
            path.write_text(text * (megabytes * 1_000_000 // len(text) + 1), encoding="utf-8")
            memory, seconds = peak(path)
            typer.echo(
                f"{megabytes} MB: peak {memory / 1e6:,.0f} MB, {path.stat().st_size / seconds:,.0f} bytes per second"
            )


if __name__ == "__main__":
    main()
