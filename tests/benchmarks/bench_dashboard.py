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
CHROMIUM_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
INPUTS, OUTPUTS = list("abdeghiklmnoprstuvyz ,"), list("աբդեգհիկլմնոպրստւ")
HEADS = ["server listens (s)", "first page (s)", "again (s)", "clicks", "pair, median (ms)", "unit, median (ms)"]
HEADS += ["all, median (ms)", "worst (ms)", "nodes", "frames (MB)", "peak memory (MB)"]
ROW_FORMAT = (
    "| {start:.1f} | {open:.2f} | {reopen:.2f} | {clicks} | {pair:.0f} | {unit:.0f} | {median:.0f} | {worst:.0f} "
)
ROW_FORMAT += "| {nodes:,} | {page:.2f} | {memory:,.0f} |"
SERVE = "import sys; from interp.cli.app import main; sys.argv[0] = 'interp'; main()"


def long_store(folder: Path, tokens: int, units: int = 200) -> list[str]:
    """Write activations of noise, and the distances of the first 200,000 tokens; return the paths of both stores."""
    import dask.array as da
    import numpy as np
    import xarray as xr

    import interp

    rng = np.random.default_rng(0)
    sample = np.arange(tokens) // 100
    labels = {"sample": sample, "step": np.arange(tokens) % 100, "source": sample}
    labels |= {name: rng.choice(symbols, tokens) for name, symbols in (("input", INPUTS), ("output", OUTPUTS))}
    names = [interp.plotting.format_unit_name("lstm", "h", index, 0, "forward") for index in range(units)]
    coords = {"unit": names, "module": ["lstm"] * units, "layer": [0] * units, "direction": ["forward"] * units}
    coords |= {"quantity": ["h"] * units, "index": list(range(units))}
    template = interp.make_dataset(np.zeros((1, units), "float32"), coords, {k: v[:1] for k, v in labels.items()})
    noise = da.random.default_rng(0).integers(-64, 65, (tokens, units), chunks=(32_768, units)) / 64
    acts = xr.Dataset(
        {"activation": (("token", "unit"), noise.astype("float32"))},
        {name: coord for name, coord in template.coords.items() if coord.dims == ("unit",)}
        | {name: ("token", x.astype("int32") if x.dtype.kind == "i" else x) for name, x in labels.items()},
        template.attrs,
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


def milliseconds_until_drawn(page: Any, act: Any) -> float:
    """Perform an action and return the milliseconds until all linked views are drawn, by the browser's clock."""
    dash = page.locator(".dash")
    before = dash.get_attribute("data-settled")
    act()
    deadline = time.perf_counter() + 20
    while dash.get_attribute("data-settled") == before:
        if time.perf_counter() > deadline:
            raise TimeoutError("The views were not drawn within 20 s.")
        time.sleep(0.01)
    return float(dash.get_attribute("data-took"))


def click_times(page: Any, n: int) -> dict[str, list[float]]:
    """Return the milliseconds of selecting pairs, and of clicking units in the graph."""
    times: dict[str, list[float]] = {"pair": [], "unit": []}
    pairs = page.locator("select[aria-label=Pair] option").evaluate_all("all => all.map(o => o.value).filter(Boolean)")
    for i in range(n):
        pair = pairs[(i + 1) % len(pairs)]
        menu = page.locator("select[aria-label=Pair]")
        times["pair"].append(milliseconds_until_drawn(page, lambda menu=menu, pair=pair: menu.select_option(pair)))
        nodes = page.frame_locator("[data-panel=graph] iframe:not(.coming)").locator(".node[data-key*='.h.']")
        node = nodes.nth((3 * i) % nodes.count())
        if node.get_attribute("data-key") == page.locator("input[aria-label=Unit]").input_value():
            continue
        times["unit"].append(milliseconds_until_drawn(page, lambda node=node: node.dispatch_event("click")))
    return times


def measure_dashboard(stores: list[str], model: str | None, n: int) -> dict[str, float]:
    """Return seconds until the server listens and until the page answers, milliseconds per click, nodes and MB."""
    from playwright.sync_api import sync_playwright

    server = Server(stores, model)
    try:
        with sync_playwright() as playwright:
            path = os.environ.get("INTERP_CHROMIUM") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            opened = []
            for _ in range(3):
                start = time.perf_counter()
                page.goto(server.url)
                page.locator(".dash[data-settled]").wait_for()
                opened.append(time.perf_counter() - start)
            times = click_times(page, n)
            nodes = sum(frame.evaluate("document.querySelectorAll('*').length") for frame in page.frames)
            size = sum(len(frame.content().encode()) for frame in page.frames[1:]) / 2**20
            browser.close()
        all_times = times["pair"] + times["unit"]
        seconds = {"start": server.seconds, "open": opened[0], "reopen": statistics.median(opened[1:])}
        medians = {name: statistics.median(values) for name, values in (*times.items(), ("median", all_times))}
        return {**seconds, **medians, "worst": max(all_times), "clicks": len(all_times), "nodes": nodes, "page": size,
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
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stores = long_store(Path(folder), options.tokens) if options.tokens else options.stores
        row = measure_dashboard(stores, options.model, options.clicks)
    print("\n".join([f"| {' | '.join(HEADS)} |", "|---:" * len(HEADS) + "|", ROW_FORMAT.format(**row)]))  # noqa: T201


if __name__ == "__main__":
    main()
