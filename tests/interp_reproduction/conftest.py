"""A small network in place of the trained one, a report of it, and runs with invented distances."""

import sys

import numpy as np
import pytest
import torch
import xarray as xr

import interp
from interp.cli import main
from interp_models.networks import CharacterBiLSTM
from interp_reproduction import pipeline
from interp_reproduction.runs import Run

CELLS, HIDDEN = 15, 20
SYMBOLS = ["_", "ծ", "ց", "տ", "թ", "հ"]
PAIRS = [("t", "ծ"), ("t", "թ"), ("t", "տ"), ("s", "_"), ("h", "_"), ("h", "հ")]


def small_network(name, *, untrained=None):
    """Return a network like the shipped one with few cells."""
    pack = interp.load_task("transliteration").pack
    with torch.random.fork_rng():
        torch.manual_seed(99 if untrained is None else untrained)
        return CharacterBiLSTM(pack.inputs, pack.outputs, cells=CELLS, name=name).eval()


@pytest.fixture
def small(monkeypatch):
    """The verb runs a small network instead of the trained one."""
    monkeypatch.setattr(pipeline, "load_model", small_network)


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """A report in which every figure could be drawn."""
    path = tmp_path_factory.mktemp("made") / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "load_model", small_network)
        patch.setattr(sys, "argv", ["interp", *reproduce("--limit", 1100, "--control-limit", 1000, "--output", path)])
        main_ends(0)
    return path


def reproduce(*options):
    return ["reproduce", *map(str, options)]


def main_ends(code):
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code


@pytest.fixture
def command(monkeypatch, capsys):
    """``command(*options)`` runs the verb and returns its exit code, output and errors."""

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["interp", *reproduce(*options)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


def units():
    """Return the coords of the units of an invented network."""
    rows = [
        ("lstm", 0, direction, quantity, index, "")
        for direction in ("forward", "backward")
        for quantity in ("h", "c", "i", "f", "g", "o", "c_prev")
        for index in range(CELLS)
    ]
    rows += [("hidden", 0, "", "out", index, "") for index in range(HIDDEN)]
    rows += [("output", 0, "", "out", index, symbol) for index, symbol in enumerate(SYMBOLS)]
    names = ("module", "layer", "direction", "quantity", "index", "symbol")
    coords = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return {"unit": [interp.unit_name(m, q, i, layer, d) for m, layer, d, q, i, _ in rows], **coords}


class Invented:
    """A run whose distances and activations are set by name."""

    def __init__(self):
        coords = units()
        tokens = [(a, b) for a, b in PAIRS for _ in range(4)]
        labels = {"sample": range(len(tokens)), "step": [0] * len(tokens), "source": range(len(tokens))}
        labels |= {"input": [a for a, _ in tokens], "output": [b for _, b in tokens]}
        size = len(coords["unit"])
        self.acts = interp.dataset(np.zeros((len(tokens), size), "float32"), coords, labels, {"model": "invented"})
        names = {"pair": ["=>".join(pair) for pair in PAIRS]}
        names |= {f"pair_{side}": ("pair", [pair[at] for pair in PAIRS]) for at, side in enumerate(("input", "output"))}
        counts = {name: ("pair", [1234] * len(PAIRS)) for name in ("n_with", "n_without")}
        counts |= {name: ("pair", [321] * len(PAIRS)) for name in ("sources_with", "sources_without")}
        self.dist = xr.Dataset({"distance": (("unit", "pair"), np.full((size, len(PAIRS)), 0.1)), **counts}, names)
        self.dist = self.dist.assign_coords(self.acts.drop_vars("activation").drop_dims("token").coords)
        lower = [name for name in coords["unit"] if name.startswith("hidden")]
        upper = [name for name in coords["unit"] if name.startswith("output")]
        weight = (("lower_unit", "upper_unit"), np.zeros((len(lower), len(upper))))
        self.wiring = xr.Dataset({"weight": weight}, {"lower_unit": lower, "upper_unit": upper})
        self.windows = None

    def tell(self, pair, unit, distance):
        """Set the distance of a unit for a pair."""
        self.dist["distance"].loc[{"unit": unit, "pair": pair}] = distance

    def run(self):
        """Return it as a run."""
        known = {"model": None, "strips": self.acts, "chosen": None, "measured": None, "score": {}}
        sizes = {"samples": 10, "tokens": 100, "sources": 5}
        return Run(dist=self.dist, acts=self.acts, windows=self.windows, wiring=self.wiring, **known, **sizes)


@pytest.fixture
def invented():
    """A run in which no unit knows anything, to be changed."""
    return Invented()
