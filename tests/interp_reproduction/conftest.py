"""Small network instead of the trained one, a report on it, and synthetic evidence with given distances."""

import json
import sys

import numpy as np
import pytest
import torch
import xarray as xr

import interp
from interp.cli.app import main
from interp_models.networks import CharacterBiLSTM
from interp_reproduction import pipeline
from interp_reproduction.claims import ablations, agreement, evidence
from interp_reproduction.claims.evidence import Evidence

CELLS, HIDDEN = 15, 20
SYMBOLS = ["_", "ծ", "ց", "տ", "թ", "հ"]
PAIRS = [("t", "ծ"), ("t", "թ"), ("t", "տ"), ("s", "_"), ("h", "_"), ("h", "հ")]


def small_network(name, *, random_init=None):
    """Return a network like the shipped one with few cells."""
    pack = interp.load_task("transliteration").pack
    with torch.random.fork_rng():
        torch.manual_seed(99 if random_init is None else random_init)
        return CharacterBiLSTM(pack.inputs, pack.outputs, cells=CELLS, name=name).eval()


@pytest.fixture
def small(monkeypatch):
    """Let the command run a small network instead of the trained one."""
    monkeypatch.setattr(pipeline, "load_model", small_network)


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """Directory of a report with ablations, few random groups, every figure and every claim."""
    path = tmp_path_factory.mktemp("made") / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "load_model", small_network)
        patch.setattr(ablations, "N_CONTROLS", 19)
        for module in (evidence, agreement):  # in a half of so few samples
            patch.setattr(module, "MINIMA", {"min_tokens": 60, "min_sources": 20})
        patch.setattr(sys, "argv", arguments("--limit", 1000, "--with-ablations", "--output", path))
        assert exit_code() == 0
    return path


@pytest.fixture(scope="session")
def marker(report):
    """Content of the report's ``report.json``."""
    return json.loads((report / "report.json").read_text(encoding="utf-8"))


def arguments(*options):
    return ["interp", "reproduce", *map(str, options)]


def exit_code():
    with pytest.raises(SystemExit) as raised:
        main()
    return raised.value.code


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command with some options; return its exit code, output and errors."""

    def run_command(*options):
        monkeypatch.setattr(sys, "argv", arguments(*options))
        return exit_code(), *capsys.readouterr()

    return run_command


def units():
    """Return the coords of the units of a synthetic network."""
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
    return {"unit": [interp.plotting.format_unit_name(m, q, i, layer, d) for m, layer, d, q, i, _ in rows], **coords}


COUNTS = {"n_target": 1234, "n_rest": 1234, "sources_target": 321, "sources_rest": 321}


class SyntheticEvidence:
    """Evidence whose distances are set by name. Without noise its intervals have no width."""

    def __init__(self):
        coords = units()
        size, kinds = len(coords["unit"]), {name: ("unit", values) for name, values in coords.items() if name != "unit"}
        names = {"unit": coords["unit"], **kinds, "pair": ["=>".join(pair) for pair in PAIRS]}
        names |= {f"pair_{side}": ("pair", [pair[k] for pair in PAIRS]) for k, side in enumerate(("input", "output"))}
        data = {"distance": (("unit", "pair"), np.full((size, len(PAIRS)), 0.1))}
        data |= {"selective": (("unit", "pair"), np.zeros((size, len(PAIRS)), bool))}
        self.dist = xr.Dataset(data | {name: ("pair", [n] * len(PAIRS)) for name, n in COUNTS.items()}, names)
        lower = [name for name in coords["unit"] if name.startswith("hidden")]
        upper = [name for name in coords["unit"] if name.startswith("output")]
        shape = ("lower_unit", "upper_unit", "pair")
        self.contributions = xr.Dataset(
            {"contribution": (shape, np.zeros((len(lower), len(upper), 1)))},
            {"lower_unit": lower, "upper_unit": upper, "upper_symbol": ("upper_unit", SYMBOLS), "pair": ["t=>ծ"]},
        )
        self.windows, self.noise = None, 0.0

    def set(self, pair, unit, distance, selective=False):
        """Set the distance of a unit for a pair."""
        self.dist["distance"].loc[{"unit": unit, "pair": pair}] = distance
        self.dist["selective"].loc[{"unit": unit, "pair": pair}] = selective

    def build(self):
        """Return the evidence."""
        squared = self.dist["distance"] ** 2
        noise = np.random.default_rng(0).normal(0, self.noise, (20, *squared.shape))
        noise -= noise.mean(0)
        leave_out = xr.DataArray(squared.values + noise, dims=("group", "unit", "pair"))
        dist = self.dist.assign(estimate_full=squared, estimate_leave_out=leave_out)
        counts = dict.fromkeys(["t=>ծ", "s=>_", "t=>թ", "h=>_", "h=>հ"], tuple(COUNTS.values()))
        all_pairs = interp.select(dist, quantity="h")
        return Evidence(dist, dist, dist, all_pairs, self.contributions, self.windows, counts)


@pytest.fixture
def synthetic():
    """Evidence of a network in which no unit is selective, to be changed."""
    return SyntheticEvidence()


@pytest.fixture
def suffix_windows(synthetic):
    """Function that returns windows in which given cells fire on the suffix, and others do the opposite."""

    def make(high, low):
        source = np.repeat(np.arange(60), 2)
        suffix = np.tile([True, False], 60)
        cells = interp.select(synthetic.dist, quantity="c")
        values = np.random.default_rng(0).normal(0, 1, (120, cells.sizes["unit"])).astype("float32")
        for names, sign in ((high, 1), (low, -1)):
            values[:, np.isin(cells["unit"].values, names)] = sign * np.where(suffix, 0.9, -0.4)[:, None]
        tokens = {"sample": np.arange(120), "step": np.zeros(120), "source": source, "suffix": suffix}
        coords = ("unit", "module", "layer", "direction", "quantity", "index", "symbol")
        return interp.make_dataset(values, {name: cells[name].values for name in coords}, tokens)

    return make
