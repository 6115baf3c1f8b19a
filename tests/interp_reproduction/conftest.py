"""A small network in place of the trained one, reports of it, and evidence with invented distances."""

import sys

import numpy as np
import pytest
import torch
import xarray as xr

import interp
from interp.cli import main
from interp_models.networks import CharacterBiLSTM
from interp_reproduction import agreeing, causes, evidence, pipeline
from interp_reproduction.evidence import Evidence

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
    """A report with ablations, held against few random groups: every figure drawn, every claim measured."""
    path = tmp_path_factory.mktemp("made") / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "load_model", small_network)
        patch.setattr(causes, "CONTROLS", 19)
        for module in (evidence, agreeing):  # in a half of so few samples
            patch.setattr(module, "ENOUGH", {"minimum": 60, "minimum_sources": 20})
        options = ("--limit", 1000, "--full", "--output", path)
        patch.setattr(sys, "argv", ["interp", *reproduce(*options)])
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


COUNTS = {"n_with": 1234, "n_without": 1234, "sources_with": 321, "sources_without": 321}


class Invented:
    """Evidence whose distances are set by name; without noise, so that its intervals have no width."""

    def __init__(self):
        coords = units()
        size, kinds = len(coords["unit"]), {name: ("unit", values) for name, values in coords.items() if name != "unit"}
        names = {"unit": coords["unit"], **kinds, "pair": ["=>".join(pair) for pair in PAIRS]}
        names |= {f"pair_{side}": ("pair", [pair[at] for pair in PAIRS]) for at, side in enumerate(("input", "output"))}
        data = {"distance": (("unit", "pair"), np.full((size, len(PAIRS)), 0.1))}
        data |= {"knows": (("unit", "pair"), np.zeros((size, len(PAIRS)), bool))}
        self.dist = xr.Dataset(data | {name: ("pair", [n] * len(PAIRS)) for name, n in COUNTS.items()}, names)
        lower = [name for name in coords["unit"] if name.startswith("hidden")]
        upper = [name for name in coords["unit"] if name.startswith("output")]
        shape = ("lower_unit", "upper_unit", "pair")
        self.pushed = xr.Dataset(
            {"contribution": (shape, np.zeros((len(lower), len(upper), 1)))},
            {"lower_unit": lower, "upper_unit": upper, "upper_symbol": ("upper_unit", SYMBOLS), "pair": ["t=>ծ"]},
        )
        self.windows, self.noise = None, 0.0

    def tell(self, pair, unit, distance, knows=False):
        """Set the distance of a unit for a pair."""
        self.dist["distance"].loc[{"unit": unit, "pair": pair}] = distance
        self.dist["knows"].loc[{"unit": unit, "pair": pair}] = knows

    def evidence(self):
        """Return it as evidence."""
        squared = self.dist["distance"] ** 2
        turned = np.random.default_rng(0).normal(0, self.noise, (20, *squared.shape))
        turned -= turned.mean(0)
        without = xr.DataArray(squared.values + turned, dims=("group", "unit", "pair"))
        dist = self.dist.assign(whole=squared, without=without)
        counts = dict.fromkeys(["t=>ծ", "s=>_", "t=>թ", "h=>_", "h=>հ"], tuple(COUNTS.values()))
        known = interp.pick(dist, quantity="h")
        return Evidence(dist, dist, dist, known, self.pushed, self.windows, counts)


@pytest.fixture
def invented():
    """Evidence of a network in which no unit knows anything, to be changed."""
    return Invented()
