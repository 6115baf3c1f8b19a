"""Memory of a long capture and of a long dashboard session.

python tests/benchmarks/soak.py [--samples 150000] [--clicks 150]

Captures 200 units over spellings of the demo corpus into a store (150,000 samples are 10 million tokens), measures a
tenth of it, opens the dashboard on both in a browser, and clicks. The memory of each process is printed for ten parts
of its time; it does not grow if the last part is no larger than the first ones after loading.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer
from bench_dashboard import CHROMIUM_FLAGS, Server, click_times

UNITS = {"index": [*range(50)]}  # of two directions and two quantities: 200 units


class Memory:
    """Monitor that records the memory of a process every second, in MB."""

    def __init__(self, process: int) -> None:
        self.process, self.samples = psutil.Process(process), list[float]()
        self.thread = threading.Thread(target=self.record, daemon=True)
        self.thread.start()

    def record(self) -> None:
        """Record the memory until the process ends."""
        try:
            while self.process.status() != psutil.STATUS_ZOMBIE:
                self.samples.append(self.process.memory_info().rss / 2**20)
                time.sleep(1)
        except psutil.NoSuchProcess:
            return

    def parts(self, number: int = 10) -> str:
        """Return the peak of each part of the time."""
        size = max(1, len(self.samples) // number)
        return ", ".join(
            f"{max(self.samples[start : start + size]):,.0f}" for start in range(0, len(self.samples), size)
        )


def capture(folder: Path, samples: int) -> None:
    """Capture, and measure a part, in a separate process."""
    import interp

    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration")
    options = {"modules": ["lstm"], "quantities": ["h", "f"], "units": UNITS}
    acts = interp.capture(model, task.batches("demo", limit=samples), store=folder / "acts.zarr", **options)
    typer.echo(f"{acts.sizes['token']:,} tokens of {acts.sizes['unit']} units")
    part = acts.isel(token=slice(acts.sizes["token"] // 10))
    dist = interp.measure("hellinger", part, min_tokens=max(20, part.sizes["token"] // 3000))
    interp.save(dist, folder / "dist.zarr")


def main(
    samples: Annotated[int, typer.Option(help="Number of samples, 67 tokens each.")] = 150_000,
    number: Annotated[int, typer.Option("--clicks", help="Number of clicks on pairs, and on units.")] = 150,
    into: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Capture, run the dashboard, and print memory."""
    if into is not None:
        capture(into, samples)
        return
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        command = [sys.executable, __file__, "--samples", str(samples), "--into", name]
        process = subprocess.Popen(command)
        memory = Memory(process.pid)
        if process.wait():
            raise typer.Exit(1)
        typer.echo(f"capture and measure, {time.perf_counter() - start:,.0f} s, MB in use: {memory.parts()}")
        server = Server([f"{name}/acts.zarr", f"{name}/dist.zarr"], "armenian-bilstm")
        memory, start = Memory(server.process.pid), time.perf_counter()
        try:
            count = click_dashboard(server.url, number)
        finally:
            server.stop()
        typer.echo(f"dashboard, {count} clicks, {time.perf_counter() - start:,.0f} s, MB in use: {memory.parts()}")


def click_dashboard(url: str, number: int) -> int:
    """Open the dashboard and click; return the number of clicks."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(url)
        page.locator(".dash[data-settled]").wait_for(timeout=60_000)
        times = click_times(page, number)
        browser.close()
    return sum(map(len, times.values()))


if __name__ == "__main__":
    typer.run(main)
