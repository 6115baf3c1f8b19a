"""The core without extras: it captures, measures, intervenes and stores, and names the extra of everything else.

Run it with the Python of an environment in which only ``pip install .`` was typed: ``.ci/core`` does.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch

import interp

OPTIONAL = ("bokeh", "captum", "dask", "holoviews", "matplotlib", "mwxml", "panel", "rapidfuzz", "sklearn")
INTERP = (sys.executable, "-W", "ignore", "-c", "from interp.cli.app import main; main()")


def check_core(folder: Path) -> None:
    """Capture, intervene, measure, save and open."""
    model = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration", language="hy").batches("demo", limit=60, seed=0)
    acts = interp.capture(model, batches, where={"input": "t"}, progress=False)
    edit = interp.Clamp("lstm.0.forward.h.3", 0.0)
    edited = interp.capture(model, batches, edits=edit, modules=["output"], progress=False)
    with interp.intervene(model, edit):
        inside = interp.capture(model, batches, modules=["output"], progress=False)
    assert (inside.activation.values == edited.activation.values).all()
    units = interp.select(acts, module="hidden")
    assert "mean" in interp.measure("moments", units, progress=False)
    dist = interp.measure("hellinger", units, min_tokens=10, min_sources=5, progress=False)
    assert dist.sizes["pair"]
    for name, dataset in (("acts", units), ("dist", dist)):
        path = interp.save(dataset, folder / f"{name}.zarr")
        assert interp.open(path).load().drop_attrs().identical(dataset.load().drop_attrs())


def expect_extra(extra: str, call: Callable[[], object]) -> None:
    """Check that a call names an extra."""
    message = message_of(call)
    assert f"pip install 'interp[{extra}]'" in message, message


def message_of(call: Callable[[], object]) -> str:
    """Return the message of the error that a call raises."""
    try:
        call()
    except interp.InterpError as error:
        return str(error)
    return "no error"


def expect_extra_of_command(extra: str, *words: str) -> None:
    """Check that a command fails with a sentence that names an extra."""
    done = subprocess.run([*INTERP, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1, (words, done.stdout, done.stderr)
    assert f"pip install 'interp[{extra}]'" in done.stderr, done.stderr


def check_extras(folder: Path) -> None:
    """Check that everything else names its extra."""
    model, batch = torch.nn.LSTM(3, 4, batch_first=True).eval(), torch.randn(4, 6, 3)
    acts = interp.open(folder / "acts.zarr")
    network = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration", language="hy").batches("demo", limit=4, seed=0)
    whole = interp.capture(network, batches, progress=False)
    expect_extra("attribution", lambda: interp.measure("attribution", whole, model=network, batches=batches))
    expect_extra("probes", lambda: interp.measure("classifier", acts, min_tokens=5, min_sources=2))
    expect_extra("cluster", lambda: interp.capture(model, batch, store=folder / "cluster.zarr", client=object()))
    expect_extra("cluster", lambda: interp.measure("moments", acts, basis="rotated"))
    dump = folder / "dump.xml"
    dump.write_text("<mediawiki></mediawiki>", encoding="utf-8")
    task = interp.load_task("transliteration", language="hy", corpus=dump)
    expect_extra("text", lambda: interp.capture(network, task.batches("test", limit=4, seed=0), progress=False))
    expect_extra_of_command("dashboard", "serve", str(folder / "acts.zarr"))
    expect_extra_of_command("cluster", "measure", "moments", str(folder / "acts.zarr"), "--scheduler",
                            "tcp://127.0.0.1:9", "--output", str(folder / "moments.zarr"))  # fmt: skip


if __name__ == "__main__":
    installed = [name for name in OPTIONAL if find_spec(name)]
    assert not installed, f"not an environment without extras: {installed}"
    with tempfile.TemporaryDirectory() as name:
        check_core(Path(name))
        check_extras(Path(name))
    sys.stdout.write("The core works without extras, and names them.\n")
