"""Cost of a capture, as ratios to the plain forward of the same batches, measured alternately in one run.

``python tests/benchmarks/bench_capture.py --write docs/capturing.md`` replaces the table of that document. Columns:
``interp.capture`` with a fresh dataset, all quantities and the default verification; the same with ``verify="all"``; a
plain forward hook, which reads only h of the last layer; a loop of ``nn.LSTMCell`` that stores its gates; TorchLens, if
it is installed, on the fused module (without gates) and on the cell loop. Slow peers run on fewer batches.

The process does not return freed memory to the system, so that fresh arrays use memory that was touched before: on a
virtual machine whose host reclaims free memory, page faults may cost more than the forward itself, and are not part of
the cost of a capture. Their cost is printed below the table; ``--release-memory`` includes it in the measurement.
"""

import argparse
import ctypes
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import interp

WIDTH, CELLS, STEPS = 96, 228, 128
PEERS = (
    "interp",
    'interp, verify="all"',
    "forward hook (h only)",
    "cell loop (gates)",
    "TorchLens (no gates)",
    "TorchLens, cells",
)
Run = Callable[[list[Tensor]], Any]


def build(kind: str, layers: int) -> nn.Module:
    """Return a bidirectional module of the size of the 2017 network."""
    torch.manual_seed(0)
    return getattr(nn, kind)(WIDTH, CELLS, layers, bidirectional=True, batch_first=True).eval()


def plain(module: nn.Module) -> Run:
    """Return a function that runs only the forward."""

    def run(batches: list[Tensor]) -> None:
        with torch.no_grad():
            for x in batches:
                module(x)

    return run


def captured(module: nn.Module, batch: int, **options: Any) -> Run:
    """Return a function that runs the whole call of `interp.capture`."""
    return lambda batches: interp.capture(module, batches, batch_size=batch, progress=False, **options)


def hooked(module: nn.Module) -> Run:
    """Return a function that runs the forward with a hook that stores the output."""

    def run(batches: list[Tensor]) -> None:
        outputs: list[Tensor] = []
        handle = module.register_forward_hook(lambda _module, _args, output: outputs.append(output[0]))
        plain(module)(batches)
        handle.remove()

    return run


class Cells(nn.Module):
    """One layer in both directions as an unrolled loop of LSTM cells, which stores its gates."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.gates = module, []  # type: ignore[var-annotated]

    def forward(self, x: Tensor) -> Tensor:
        outs = []
        for suffix in ("_l0", "_l0_reverse"):
            h = c = x.new_zeros(len(x), CELLS)
            steps = range(x.shape[1]) if suffix == "_l0" else reversed(range(x.shape[1]))
            hs = []
            for t in steps:
                h, c = self.cell(suffix, x[:, t], h, c)
                hs.append(h)
            outs.append(torch.stack(hs, 1))
        return torch.cat(outs, 2)

    def cell(self, suffix: str, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Compute one step and store its gates."""
        part = {name: getattr(self.module, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        a = nn.functional.linear(x, part["weight_ih"], part["bias_ih"])
        i, f, g, o = (a + nn.functional.linear(h, part["weight_hh"], part["bias_hh"])).chunk(4, 1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        self.gates.append((i, f, g, o, c))
        return o * c.tanh(), c


def lens(module: nn.Module) -> Run:
    """Return a function that runs TorchLens on a module and saves every operation."""
    import torchlens

    return lambda batches: [torchlens.trace(module, x) for x in batches]


def peers(kind: str, layers: int, batch: int) -> Iterator[tuple[str, Run, int]]:
    """Yield (name, function to run, maximal number of batches)."""
    module = build(kind, layers)
    yield PEERS[0], captured(module, batch), 10**9
    yield PEERS[1], captured(module, batch, verify="all"), 10**9
    yield PEERS[2], hooked(module), 10**9
    if kind == "LSTM" and layers == 1:
        yield PEERS[3], plain(Cells(module)), 2
    if importlib.util.find_spec("torchlens") is not None:
        yield PEERS[4], lens(module), 2
        if kind == "LSTM" and layers == 1:
            yield PEERS[5], lens(Cells(module)), 1


def keep_freed_memory() -> None:
    """Prevent the allocator from returning memory to the system."""
    never_map, never_trim = (-4, 0), (-1, 2**31 - 1)  # M_MMAP_MAX, M_TRIM_THRESHOLD
    libc = ctypes.CDLL(None)
    for parameter, value in (never_map, never_trim):
        if not libc.mallopt(parameter, value):
            raise OSError("The C library does not support these options; measure with --release-memory.")


def page_fault_seconds(wait: float) -> float:
    """Return the seconds per GB to touch fresh memory that has been free for ``wait`` seconds."""
    code = f"""
import time, numpy as np
np.empty(2**28, np.float32)[::1024] = 0
time.sleep({wait})
start = time.perf_counter()
np.empty(2**28, np.float32)[::1024] = 0
print(time.perf_counter() - start)
"""
    return float(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout)


def seconds(run: Run, batches: list[Tensor]) -> float:
    """Return the duration of a run in seconds."""
    start = time.perf_counter()
    run(batches)
    return time.perf_counter() - start


def ratios(kind: str, layers: int, batch: int, sequences: int, repeat: int) -> dict[str, float]:
    """Return the median ratio of each peer to the plain forward, measured alternately."""
    batches = [torch.randn(batch, STEPS, WIDTH) for _ in range(max(1, sequences // batch))]
    base, medians = plain(build(kind, layers)), {}
    for name, run, max_batches in peers(kind, layers, batch):
        part = batches[:max_batches]
        for warm_up in (base, run):
            warm_up(part)  # a full run, which touches all memory first
        medians[name] = statistics.median(seconds(run, part) / seconds(base, part) for _ in range(repeat))
    return medians


def table(rows: list[tuple[str, dict[str, float]]]) -> str:
    """Return the ratios as a Markdown table."""
    names = [name for name in PEERS if any(name in medians for _, medians in rows)]
    lines = ["| x plain forward | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for title, medians in rows:
        cells = [f"{medians[name]:,.{2 if medians[name] < 20 else 0}f}" if name in medians else "" for name in names]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def insert(path: Path, report: str) -> None:
    """Replace the text between the markers of a document."""
    head, _, rest = path.read_text(encoding="utf-8").partition("<!-- speed:begin -->")
    tail = rest.partition("<!-- speed:end -->")[2]
    path.write_text(f"{head}<!-- speed:begin -->\n{report}\n<!-- speed:end -->{tail}", encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", nargs="+", default=["LSTM", "GRU"])
    parser.add_argument("--layers", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8, 64, 256])
    parser.add_argument("--sequences", type=int, default=1024, help="sequences per call; a quarter with several layers")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", type=Path, help="document in which to replace the table")
    parser.add_argument("--release-memory", action="store_true", help="return freed memory to the system")
    options = parser.parse_args()
    warm, cold = page_fault_seconds(0), page_fault_seconds(8)
    if not options.release_memory:
        keep_freed_memory()
    rows = []
    for kind, layers, batch in product(options.kind, options.layers, options.batch):
        medians = ratios(kind, layers, batch, options.sequences // (1 if layers == 1 else 4), options.repeat)
        rows.append((f"{kind}, {layers} layer{'s' * (layers > 1)}, batch {batch}", medians))
        print(*rows[-1], file=sys.stderr, flush=True)  # noqa: T201
    memory = f"{warm:.2f} s per GB if the memory was freed recently, {cold:.2f} s per GB if it was freed 8 s ago"
    report = f"{table(rows)}\n\nThe table excludes first-touch page faults: {memory}."
    print(report)  # noqa: T201
    if options.write:
        insert(options.write, report)


if __name__ == "__main__":
    main()
