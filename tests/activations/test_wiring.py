"""Connectivity: columns of linear layers matched bit for bit with captured units."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import interp


class Chain(nn.Module):
    """biLSTM, two dense layers, the second with a skip of the input; ``between`` is applied in the middle."""

    def __init__(self, between=lambda x: x):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True)
        self.hidden, self.output = nn.Linear(8, 5), nn.Linear(5 + 3, 2)
        self.between = between

    def forward(self, x):
        return self.output(torch.cat([self.between(self.hidden(self.lstm(x)[0])), x], -1))


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(6, 9, 3)


def test_concat_chain_and_input_skip(x):
    torch.manual_seed(1)
    model = Chain().eval()
    edges = interp.connectivity(model, x)
    assert edges.weight.dims == ("lower_unit", "upper_unit")
    assert edges.lower_unit.values[[0, 4, -1]].tolist() == ["lstm.1.forward.h.0", "lstm.1.backward.h.0", "hidden.out.4"]
    assert edges.upper_unit.values.tolist() == [f"hidden.out.{k}" for k in range(5)] + ["output.out.0", "output.out.1"]
    weight = edges.weight.values
    assert np.array_equal(weight[:8, :5], model.hidden.weight.detach().numpy().T)
    assert np.array_equal(weight[8:, 5:], model.output.weight[:, :5].detach().numpy().T)
    assert np.isnan(weight[:8, 5:]).all()
    assert np.isnan(weight[8:, :5]).all()
    assert edges.attrs["input"] == "output[5:8]"
    assert edges.attrs["unmatched"] == edges.attrs["ambiguous"] == ""


def test_a_function_between_layers_is_unmatched(x):
    edges = interp.connectivity(Chain(torch.tanh).eval(), x)
    assert edges.attrs["unmatched"] == "output[0:5]"
    assert not any(name.startswith("hidden") for name in edges.lower_unit.values)
    assert "output.out.0" in edges.upper_unit.values


def test_the_segments_are_those_of_the_capture(x):
    model = Chain().eval()
    acts = interp.capture(model, x, progress=False)
    attrs = acts.attrs
    assert interp.connectivity(model, acts).identical(interp.connectivity(model, x))
    part = interp.connectivity(model, interp.select(acts, index=[0, 1]))
    assert part.identical(
        interp.connectivity(model, x).sel(lower_unit=part.lower_unit.values, upper_unit=part.upper_unit.values)
    )
    with pytest.raises(interp.CaptureError, match="'hidden', which this model lacks"):
        interp.connectivity(model.lstm, acts)
    assert json.loads(attrs["connectivity"]) == json.loads(interp.connectivity(model, x).attrs["connectivity"])
    assert json.loads(attrs["connectivity"])[-1] == {
        "module": "output", "start": 5, "stop": 8, "kind": "input", "lower": "input of lstm", "first": 0,
    }  # fmt: skip


def test_a_permuted_concatenation_is_matched(x):
    class Swapped(Chain):
        def forward(self, x):
            h = self.lstm(x)[0]
            return self.hidden(torch.cat([h[..., 4:], h[..., :4].flip(-1)], -1))

    model = Swapped().eval()
    weight = interp.connectivity(model, x).weight
    column = model.hidden.weight.detach().numpy()
    assert np.array_equal(weight.sel(lower_unit="lstm.1.backward.h.1").values, column[:, 1])
    assert np.array_equal(weight.sel(lower_unit="lstm.1.forward.h.0").values, column[:, 7])


def test_equal_units_are_matched_in_order_or_listed_as_ambiguous(x):
    model = Chain().eval()
    with torch.no_grad():
        for name in ("weight", "bias"):
            getattr(model.hidden, name)[[1, 3]] = 0  # two units that are always 0
    assert interp.connectivity(model, x).attrs["ambiguous"] == ""

    class Scattered(Chain):
        def forward(self, x):
            hidden = self.hidden(self.lstm(x)[0])
            return self.output(torch.cat([hidden[..., [1, 0, 3, 2, 4]], x], -1))

    torch.manual_seed(1)
    scattered = Scattered().eval()
    with torch.no_grad():
        for name in ("weight", "bias"):
            getattr(scattered.hidden, name)[[1, 3]] = 0
    assert interp.connectivity(scattered, x).attrs["ambiguous"] == "output[0:1], output[2:3]"


def test_a_unit_that_is_read_twice_has_the_sum(x):
    class Twice(Chain):
        def forward(self, x):
            h = self.lstm(x)[0][..., :4]
            return self.hidden(torch.cat([h, h], -1))

    model = Twice().eval()
    weight = model.hidden.weight.detach().numpy()
    np.testing.assert_allclose(
        interp.connectivity(model, x).weight.values, (weight[:, :4] + weight[:, 4:]).T, atol=1e-7
    )


class Decoder(nn.Module):
    """A cell in a loop, with a linear layer on h and c."""

    def __init__(self):
        super().__init__()
        self.cell, self.read = nn.LSTMCell(3, 4), nn.Linear(8, 2)

    def forward(self, x):
        state, outs = None, []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outs.append(self.read(torch.cat(state, -1)))
        return torch.stack(outs, 1)


def test_h_and_c_of_a_cell_are_matched(x):
    segments = json.loads(interp.connectivity(Decoder().eval(), x).attrs["connectivity"])
    assert [(part["lower"], part["stop"]) for part in segments] == [("cell.0.forward.h", 4), ("cell.0.forward.c", 8)]


def test_a_model_without_linear_layers_has_no_connections(x):
    edges = interp.connectivity(nn.GRU(3, 4, batch_first=True).eval(), x)
    assert edges.sizes == {"lower_unit": 0, "upper_unit": 0}
    with pytest.raises(interp.CaptureError, match="batches= is empty"):
        interp.connectivity(Chain().eval(), [])


SIDES = [f"lstm.0.{side}.h.{k}" for side in ("forward", "backward") for k in range(228)]
HIDDEN = [f"hidden.out.{k}" for k in range(228)]


@pytest.fixture(scope="module")
def armenian():
    """Return the network of 2017, a capture of it, and its connectivity."""
    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration", language="hy")
    acts = interp.capture(model, task.batches("demo", limit=20), progress=False)
    return model, acts, interp.connectivity(model, acts)


def test_the_armenian_network_reads_both_directions_then_hidden_and_the_input(armenian):
    _, _, edges = armenian
    assert edges.lower_unit.values.tolist() == [*SIDES, *HIDDEN]
    assert edges.attrs["input"] == "output[228:335]"
    assert edges.attrs["unmatched"] == edges.attrs["ambiguous"] == ""


def test_the_weights_reproduce_the_values_of_the_network(armenian):
    model, acts, edges = armenian
    values, weight = acts.activation, edges.weight
    sums = values.sel(unit=SIDES).values @ weight.sel(lower_unit=SIDES, upper_unit=HIDDEN).values
    hidden = values.sel(unit=HIDDEN).values
    np.testing.assert_allclose(np.tanh(sums + model.hidden.bias.detach().numpy()), hidden, atol=1e-5)
    outputs = acts.unit.values[acts.module.values == "output"]
    residual = values.sel(unit=outputs).values - hidden @ weight.sel(lower_unit=HIDDEN, upper_unit=outputs).values
    for letter in "tsa":  # without the share of hidden, the bias and the weight of the letter itself remain
        rows = residual[acts.input.values == letter]
        np.testing.assert_allclose(rows, np.broadcast_to(rows[0], rows.shape), atol=2e-4)
