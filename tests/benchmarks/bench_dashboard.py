"""Speed and memory of the dashboard: time to open and to answer a click, measured in the browser.

``python tests/benchmarks/bench_dashboard.py ACTS.zarr RESULT.zarr --model armenian-bilstm`` prints a row for these
stores; the published figures use 5,000 real sentences. ``--tokens 10000000`` first writes a store of noise with 200
units, and measures that. Targets: page within 2 s of opening, clicks within 300 ms (median) and 1 s (worst), 5,000
nodes and 1.5 MB for all frames; for the long store, opening within 5 s and memory under 1.5 GB.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PORT = 5097
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LETTERS, SOUNDS = list("abdeghiklmnoprstuvyz ,"), list("աբդեգհիկլմնոպրստւ")
HEADS = ["server listens (s)", "first page (s)", "again (s)", "clicks", "pair, median (ms)", "unit, median (ms)"]
HEADS += ["all, median (ms)", "worst (ms)", "nodes", "frames (MB)", "peak memory (MB)"]
ROW = "| {start:.1f} | {open:.2f} | {reopen:.2f} | {clicks} | {pair:.0f} | {unit:.0f} | {median:.0f} | {worst:.0f} "
ROW += "| {nodes:,} | {page:.2f} | {memory:,.0f} |"
SERVE = "import sys; from interp.cli.app import main; sys.argv[0] = 'interp'; main()"


def long_store(folder: Path, tokens: int, units: int = 200) -> list[str]:
    """Write activations of noise and distances for some of them; return their paths."""
    import dask.array as da
    import numpy as np
    import xarray as xr

    import interp

    draw = np.random.default_rng(0)
    sample = np.arange(tokens) // 100
    labels = {"sample": sample, "step": np.arange(tokens) % 100, "source": sample}
    labels |= {name: draw.choice(kind, tokens) for name, kind in (("input", LETTERS), ("output", SOUNDS))}
    names = [interp.plotting.format_unit_name("lstm", "h", at, 0, "forward") for at in range(units)]
    coords = {"unit": names, "module": ["lstm"] * units, "layer": [0] * units, "direction": ["forward"] * units}
    coords |= {"quantity": ["h"] * units, "index": list(range(units))}
    small = interp.make_dataset(np.zeros((1, units), "float32"), coords, {k: v[:1] for k, v in labels.items()})
    noise = da.random.default_rng(0).integers(-64, 65, (tokens, units), chunks=(32_768, units)) / 64
    acts = xr.Dataset(
        {"activation": (("token", "unit"), noise.astype("float32"))},
        {name: coord for name, coord in small.coords.items() if coord.dims == ("unit",)}
        | {name: ("token", held.astype("int32") if held.dtype.kind == "i" else held) for name, held in labels.items()},
        small.attrs,
    )
    interp.save(acts, folder / "acts.zarr")
    part = interp.open(folder / "acts.zarr").isel(token=slice(200_000)).load()
    interp.save(interp.measure("hellinger", part, estimator="raw", bins=20, min_tokens=300), folder / "dist.zarr")
    return [str(folder / "acts.zarr"), str(folder / "dist.zarr")]


class Server:
    """``interp serve`` in a separate process."""

    def __init__(self, stores: list[str], model: str | None) -> None:
        flags = ["--model", model] if model else []
        command = [sys.executable, "-c", SERVE, "serve", *stores, *flags, "--port", str(PORT)]
        start = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("http"):
            raise RuntimeError(f"The server did not start: {line!r}")
        self.seconds = time.perf_counter() - start
        self.url = line.split()[0]

    def peak(self) -> float:
        """Return the peak memory of the process, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024

    def stop(self) -> None:
        """Stop the server."""
        self.process.terminate()
        self.process.wait(10)


def settled(page: Any, act: Any) -> float:
    """Perform an action and return the milliseconds until all linked views are drawn, by the browser's clock."""
    dash = page.locator(".dash")
    before = dash.get_attribute("data-settled")
    act()
    deadline = time.perf_counter() + 20
    while dash.get_attribute("data-settled") == before:
        if time.perf_counter() > deadline:
            raise TimeoutError("nothing was drawn within 20 s")
        time.sleep(0.01)
    return float(dash.get_attribute("data-took"))


def clicks(page: Any, n: int) -> dict[str, list[float]]:
    """Return the milliseconds of selecting pairs, and of clicking units in the graph."""
    found: dict[str, list[float]] = {"pair": [], "unit": []}
    pairs = page.locator("select[aria-label=Pair] option").evaluate_all("all => all.map(o => o.value).filter(Boolean)")
    for at in range(n):
        pair = pairs[(at + 1) % len(pairs)]
        choose = page.locator("select[aria-label=Pair]")
        found["pair"].append(settled(page, lambda choose=choose, pair=pair: choose.select_option(pair)))
        nodes = page.frame_locator("[data-panel=graph] iframe:not(.coming)").locator(".node[data-key*='.h.']")
        node = nodes.nth((3 * at) % nodes.count())
        if node.get_attribute("data-key") == page.locator("input[aria-label=Unit]").input_value():
            continue
        found["unit"].append(settled(page, lambda node=node: node.dispatch_event("click")))
    return found


def measured(stores: list[str], model: str | None, n: int) -> dict[str, float]:
    """Return seconds until the server listens and until the page answers, milliseconds per click, nodes and MB."""
    from playwright.sync_api import sync_playwright

    server = Server(stores, model)
    try:
        with sync_playwright() as playwright:
            path = os.environ.get("INTERP_CHROMIUM") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            opened = []
            for _ in range(3):
                start = time.perf_counter()
                page.goto(server.url)
                page.locator(".dash[data-settled]").wait_for()
                opened.append(time.perf_counter() - start)
            took = clicks(page, n)
            nodes = sum(frame.evaluate("document.querySelectorAll('*').length") for frame in page.frames)
            size = sum(len(frame.content().encode()) for frame in page.frames[1:]) / 2**20
            browser.close()
        every = took["pair"] + took["unit"]
        seconds = {"start": server.seconds, "open": opened[0], "reopen": statistics.median(opened[1:])}
        medians = {name: statistics.median(values) for name, values in (*took.items(), ("median", every))}
        return {**seconds, **medians, "worst": max(every), "clicks": len(every), "nodes": nodes, "page": size,
                "memory": server.peak()}  # fmt: skip
    finally:
        server.stop()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="*")
    parser.add_argument("--model")
    parser.add_argument("--tokens", type=int, help="Write a store of noise with this number of tokens, and measure it.")
    parser.add_argument("--clicks", type=int, default=20, help="Number of clicks on pairs, and on units.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stores = long_store(Path(folder), given.tokens) if given.tokens else given.stores
        row = measured(stores, given.model, given.clicks)
    print("\n".join([f"| {' | '.join(HEADS)} |", "|---:" * len(HEADS) + "|", ROW.format(**row)]))  # noqa: T201


if __name__ == "__main__":
    main()
