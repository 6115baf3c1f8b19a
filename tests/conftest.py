"""Fixtures of several tests: a made-up capture to draw, captures of small models, and a small disk."""

import os
import subprocess

import numpy as np
import pytest
import torch
import xarray as xr
from helpers.nets import Tagger

import interp
from interp.recurrence import engine


def pytest_configure(config):
    """Give each of several workers one thread: more would wait for each other."""
    if hasattr(config, "workerinput"):
        os.environ["OMP_NUM_THREADS"] = "1"  # of what it starts
        torch.set_num_threads(1)


WORDS = [
    ("hnagitutyun", "հնագիտություն"),
    ("lezvabanutyun", "լեզվաբանություն"),
    ("azgagrutyun", "ազգագրություն"),
    ("tsarer", "ծառեր"),
    ("tandzi", "տանձի"),
]
PIECES = {"ts": ("ծ", "_"), "dz": ("ձ", "_"), "u": ("ու",), "ty": ("թ", "յ")}
LATIN = dict(zip("abgdezilkhmnprsvtofyj,_ ", "աբգդեզիլկհմնպրսվտօֆյջ,_ ", strict=True))
OUTPUTS = ["_", "ց", "ծ", "t", "թ", "ճ", "տ", "ու", *"աբգդեզիլկհմնպրսվձյջ, "]
GATES = ("h", "c", "i", "f", "g", "o", "c_prev")


def spell(word):
    """Return a made-up alignment of a Latin word: (letter, output) for each letter."""
    pairs, at = [], 0
    while at < len(word):
        piece = next((piece for piece in PIECES if word.startswith(piece, at)), None)
        if piece:
            pairs += zip(piece, PIECES[piece], strict=True)
            at += len(piece)
        else:
            pairs.append((word[at], LATIN[word[at]]))
            at += 1
    return pairs


def units_of(cells, hidden):
    """Return the coords of the units: both directions, all gates, the hidden layer and the outputs."""
    rows = []
    for direction in ("forward", "backward"):
        for quantity in GATES:
            rows += [("lstm", 0, direction, quantity, index, "") for index in range(cells)]
    rows += [("hidden", 0, "", "out", index, "") for index in range(hidden)]
    rows += [("output", 0, "", "out", index, symbol) for index, symbol in enumerate(OUTPUTS)]
    names = ("module", "layer", "direction", "quantity", "index", "symbol")
    coords = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    unit = [interp.plotting.format_unit_name(m, q, i, layer, d) for m, layer, d, q, i, _ in rows]
    return {"unit": unit, **coords}


def tokens_of(samples, seed):
    """Return the coords of the tokens: sentences of random words."""
    draw = np.random.default_rng(seed)
    rows = []
    for sample in range(samples):
        text = ", ".join(WORDS[draw.integers(len(WORDS))][0] for _ in range(5))
        rows += [(sample, step, sample // 2, a, b) for step, (a, b) in enumerate(spell(text))]
    columns = dict(
        zip(("sample", "step", "source", "input", "output"), map(list, zip(*rows, strict=True)), strict=True)
    )
    wrong = draw.random(len(rows)) < 0.02
    predicted = [("ա" if bad else right) for bad, right in zip(wrong, columns["output"], strict=True)]
    return {**columns, "predicted": predicted}


def made_up(cells=24, hidden=30, samples=200, seed=0):
    """Return a capture of noise with some units that know the output."""
    units, tokens = units_of(cells, hidden), tokens_of(samples, seed)
    draw = np.random.default_rng(seed + 1)
    n = len(tokens["step"])
    noise = draw.normal(0, 0.5, (n, len(units["unit"])))
    kinds = np.unique(tokens["output"], return_inverse=True)[1]
    strength = draw.random(noise.shape[1]) ** 2 * (1 + 2 * (np.array(units["direction"]) == "backward"))
    noise += draw.normal(size=(kinds.max() + 1, noise.shape[1]))[kinds] * strength
    gate = np.isin(units["quantity"], ["i", "f", "o"])
    values = np.where(gate, 1 / (1 + np.exp(-noise)), np.tanh(noise)).astype("float32")
    attrs = {"model": "made-up-bilstm", "task": "transliteration"}
    return interp.make_dataset(values, units, tokens, attrs)


def distances(acts, pairs):
    """Return Hellinger distances with 40 bins, one unit and pair at a time."""
    values, columns, counts = acts.activation.values.astype(float), [], []
    edges = [np.linspace(column.min(), column.max(), 41) for column in values.T]
    for a, b in pairs:
        among = acts.input.values == a
        here = among & (acts.output.values == b)
        sides = (here, among & ~here)
        shares = [
            [np.histogram(column[side], e)[0] / max(side.sum(), 1) for side in sides]
            for column, e in zip(values.T, edges, strict=True)
        ]
        columns.append([np.sqrt(0.5 * ((np.sqrt(p) - np.sqrt(q)) ** 2).sum()) for p, q in shares])
        counts.append([n for side in sides for n in (side.sum(), len(np.unique(acts.source.values[side])))])
    names = [f"{a}=>{b}" for a, b in pairs]
    numbers = dict(zip(("n_target", "sources_target", "n_rest", "sources_rest"), np.array(counts).T, strict=True))
    unit_coords = {name: coord for name, coord in acts.coords.items() if coord.dims == ("unit",)}
    return xr.Dataset(
        {"distance": (("unit", "pair"), np.array(columns).T), **{name: ("pair", n) for name, n in numbers.items()}},
        {
            **unit_coords,
            "pair": names,
            "pair_input": ("pair", [a for a, _ in pairs]),
            "pair_output": ("pair", [b for _, b in pairs]),
        },
        {
            "schema": "interp.result",
            "probe": "hellinger",
            "options": "{}",
            "model": "made-up-bilstm",
            "task": "transliteration",
        },
    )


def links(acts, seed=2):
    """Return a made-up connectivity: h feeds hidden, hidden feeds outputs."""
    draw = np.random.default_rng(seed)
    module, quantity = acts.module.values, acts.quantity.values
    h, hidden, out = (np.flatnonzero(mask) for mask in (quantity == "h", module == "hidden", module == "output"))
    lower, upper = np.concatenate([h, hidden]), np.concatenate([hidden, out])
    weight = np.full((lower.size, upper.size), np.nan)
    weight[: h.size, : hidden.size] = draw.normal(0, 0.4, (h.size, hidden.size))
    weight[h.size :, hidden.size :] = draw.normal(0, 0.6, (hidden.size, out.size))
    names = acts.unit.values
    return xr.Dataset(
        {"weight": (("lower_unit", "upper_unit"), weight)}, {"lower_unit": names[lower], "upper_unit": names[upper]}
    )


PAIRS = [("t", "ծ"), ("t", "թ"), ("t", "տ"), ("s", "_"), ("d", "ձ")]


@pytest.fixture(scope="session")
def drawn_acts():
    """A made-up capture with labels input, output and predicted."""
    return made_up()


@pytest.fixture(scope="session")
def drawn_dist(drawn_acts):
    """Distances of `drawn_acts` for five pairs."""
    return distances(drawn_acts, PAIRS)


@pytest.fixture(scope="session")
def drawn_links(drawn_acts):
    """A connectivity of `drawn_acts`."""
    return links(drawn_acts)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 96 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs the rights of root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(params=["stepping", "compiled"])
def engine_mode(request, monkeypatch):
    """Run a test in both modes of the engine: step by step, and in the compiled loops."""
    if request.param == "stepping":
        monkeypatch.setattr(engine.DirectionPass, "compiled_loop", lambda _: None)


@pytest.fixture
def tagger():
    """Return a small tagger in eval mode."""
    torch.manual_seed(0)
    return Tagger().eval()


@pytest.fixture
def ragged():
    """Return a batch of five samples of different lengths, with labels."""
    torch.manual_seed(1)
    lengths = [3, 7, 1, 7, 5]
    words = ["abc", "abcdefg", "x", "gfedcba", "hello"]
    labels = {
        "input": list("".join(words)),
        "output": [list(word.upper()) for word in words],
        "source": [7, 8, 7, 9, 9],
    }

    def decode(output):
        return [["abc"[k] for k in row[:n]] for row, n in zip(output.argmax(-1).tolist(), lengths, strict=True)]

    return interp.Batch((torch.randn(5, 7, 5), torch.tensor(lengths)), lengths, labels, decode=decode)
