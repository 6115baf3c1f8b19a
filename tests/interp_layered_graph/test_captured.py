"""Graphs of captured networks: edges add up to the values that the network computed."""

import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp import Batch, OptionError, SchemaError

LETTERS, SYMBOLS = "tsan_", ["ծ", "թ", "_", "ա"]


class Network(nn.Module):
    """One-hot letters, a recurrent layer, an optional linear layer, and a linear layer to symbols."""

    def __init__(self, kind=nn.LSTM, hidden=True, linear=True):
        super().__init__()
        torch.manual_seed(0)
        self.symbols = {"output": SYMBOLS} if linear else {}
        self.rnn = kind(len(LETTERS), 6, bidirectional=True, batch_first=True)
        self.hidden = nn.Linear(12, 9) if hidden else None
        self.output = nn.Linear((9 if hidden else 12) + len(LETTERS), len(SYMBOLS)) if linear else None

    def forward(self, x):
        h = self.rnn(x)[0]
        if self.hidden is not None:
            h = self.hidden(h)
        return h if self.output is None else self.output(torch.cat([h, x], -1))


def captured(model, **options):
    generator = np.random.default_rng(0)
    codes = generator.integers(0, len(LETTERS), (60, 20))
    outputs = np.where(codes == 0, generator.integers(0, 2, codes.shape), 2)
    labels = {
        "input": [[LETTERS[c] for c in row] for row in codes],
        "output": [[SYMBOLS[c] for c in row] for row in outputs],
    }
    batch = Batch(nn.functional.one_hot(torch.tensor(codes), len(LETTERS)).float(), labels=labels)
    return interp.capture(model.eval(), batch, progress=False, **options)


@pytest.fixture(scope="module")
def model():
    return Network()


@pytest.fixture(scope="module")
def acts(model):
    return captured(model, quantities=["h", "c", "i", "f", "g", "o", "c_prev"])


@pytest.fixture(scope="module")
def dist(acts):
    return interp.measure("hellinger", acts, estimator="raw", min_tokens=50)


def test_edges_add_up_to_the_logit(model, acts, dist):
    view = interp.draw("layered-graph", acts, dist, model=model, pair=("t", "ծ"), n_hidden=9)
    edges = view.data["edges"]
    tokens = (acts.input.values == "t") & (acts.output.values == "ծ")
    for symbol, name in (("ծ", "output.out.0"), ("թ", "output.out.1")):
        row = SYMBOLS.index(symbol)
        offset = (model.output.bias[row] + model.output.weight[row, 9 + LETTERS.index("t")]).item()
        logit = float(acts.activation.sel(unit=name).values[tokens].mean(dtype=float))
        assert edges[edges["upper_unit"] == name]["contribution"].sum() == pytest.approx(logit - offset, abs=1e-5)


def test_edges_add_up_to_hidden_units(model, acts, dist):
    view = interp.draw("layered-graph", acts, dist, model=model, pair=("t", "ծ"), n_hidden=9, n_units=6)
    tokens = (acts.input.values == "t") & (acts.output.values == "ծ")
    for index in range(9):
        value = float(acts.activation.sel(unit=f"hidden.out.{index}").values[tokens].mean(dtype=float))
        total = view.data["edges"].query(f"upper_unit == 'hidden.out.{index}'")["contribution"].sum()
        assert total == pytest.approx(value - model.hidden.bias[index].item(), abs=1e-5)


def test_another_model_is_refused(acts, dist):
    other = Network()
    with torch.no_grad():
        other.hidden.weight += 1
    with pytest.raises(OptionError, match="other weights than 'Network' had when it was captured"):
        interp.draw("layered-graph", acts, dist, model=other, pair=("t", "ծ"))


def test_activations_without_connectivity_have_no_edges(model, acts, dist):
    unconnected = acts.copy()
    del unconnected.attrs["connectivity"]
    assert not len(interp.draw("layered-graph", unconnected, dist, model=model, pair=("t", "ծ")).data["edges"])


def test_activations_of_other_units_are_refused(model, acts, dist):
    with pytest.raises(SchemaError, match=r"lack units of the result, such as 'rnn\.0\.forward"):
        interp.draw("layered-graph", interp.select(acts, module="hidden"), dist, model=model, pair=("t", "ծ"))


@pytest.mark.parametrize(
    ("network", "rows"),
    [
        (Network(nn.GRU), {"output", "hidden", "h", "r", "z", "n"}),
        (Network(nn.RNN), {"output", "hidden", "h"}),
        (Network(hidden=False), {"output", "h", "o", "c", "i", "g", "f"}),
        (Network(hidden=False, linear=False), {"h", "o", "c", "i", "g", "f"}),
    ],
    ids=["gru", "rnn", "no hidden layer", "no linear layer"],
)
def test_other_networks(network, rows, tmp_path):
    acts = captured(network)
    dist = interp.measure("hellinger", acts, estimator="raw", min_tokens=50)
    view = interp.draw("layered-graph", acts, dist, model=network, pair=("t", "ծ"))
    assert set(view.data["nodes"]["row"]) == rows
    assert bool(len(view.data["edges"])) == ("output" in rows)
    view.save(tmp_path / "a.png")
    view.save(tmp_path / "a.html")


def test_tokens_of_one_letter_are_enough(model, dist):
    tokens = captured(model, where={"input": "t"}, quantities=["h", "c", "i", "f", "g", "o", "c_prev"])
    view = interp.draw("layered-graph", tokens, dist, model=model, pair=("t", "ծ"))
    assert len(view.data["edges"])
