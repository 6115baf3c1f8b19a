"""Gates and cells of an LSTM, ablated without running the model, against the engine."""

import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp_causal.lstm_output import lstm_output

F, B = "rnn.0.forward.", "rnn.0.backward."


GROUPS = {
    "one of each gate": [F + "i.0", F + "f.1", B + "g.2", B + "o.3"],
    "two gates of one neuron": [F + "i.0", F + "o.0"],
    "a cell": [B + "c.1"],
    "a cell, its gate and the one before": [F + "c.2", F + "f.2", F + "c_prev.2"],
    "a gate below an edited h": [F + "h.3", F + "g.3"],
    "gates and a hidden unit": [F + "g.1", "hidden.out.0"],
}


class Hidden(nn.Linear):
    def forward(self, x):
        return super().forward(x).tanh()


class Net(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.rnn = cell(4, 5, batch_first=True, bidirectional=True)
        self.hidden, self.output = Hidden(10, 3), nn.Linear(3, 3)
        self.symbols = {"output": ["x", "y", "z"]}

    def forward(self, x):
        return self.output(self.hidden(self.rnn(x)[0]))


def capture_net(cell):
    draw = np.random.default_rng(1)
    letter, sign = draw.integers(0, 2, (40, 6)), draw.integers(0, 2, (40, 6))
    x = np.stack([letter == 0, letter == 1, sign, draw.normal(size=(40, 6))], -1)
    labels = {"input": np.array(list("pq"))[letter].ravel(), "output": np.array(list("xy"))[sign].ravel()}
    batch = interp.Batch(torch.from_numpy(x), [6] * 40, labels | {"source": np.arange(40) // 2})
    torch.manual_seed(0)
    model = Net(cell).double().eval()
    quantities = {nn.LSTM: ["h", "c", "i", "f", "g", "o", "c_prev"], nn.GRU: ["h", "r", "z", "n"]}[cell]
    return model, batch, interp.capture(model, batch, quantities=quantities, progress=False, dtype="float64")


@pytest.fixture(scope="module")
def net():
    return capture_net(nn.LSTM)


@pytest.mark.parametrize("replacement", ["resample", "mean", "zero"])
@pytest.mark.parametrize("name", [name for name in GROUPS if "c_prev" not in GROUPS[name][-1]])
def test_effects_equal_those_of_the_engine(net, name, replacement):
    model, batch, acts = net
    options = {
        "model": model,
        "groups": {name: GROUPS[name]},
        "pairs": ["p=>x", "q=>y"],
        "n_draws": 2,
        "replace_with": replacement,
    }
    linear = interp.measure("ablation-effect", acts, n_controls=0, n_other_tokens=0, **options)
    by_model = interp.measure("ablation-effect", acts, batches=batch, **options)
    for variable in ("effect", "ci_low", "ci_high", "specificity"):
        np.testing.assert_allclose(linear[variable], by_model[variable], rtol=0, atol=2e-6, err_msg=variable)
    assert (linear["effect"] != 0).all()


def test_an_edited_cell_overrides_its_gates(net):
    model, _, acts = net
    groups = {"all": GROUPS["a cell, its gate and the one before"], "cell": [F + "c.2"]}
    effect = interp.measure("ablation-effect", acts, model=model, groups=groups, pairs=["p=>x"], n_controls=0).effect
    assert float(effect[0]) == float(effect[1])


def test_controls_are_gates_of_the_same_kind(net):
    model, _, acts = net
    result = interp.measure(
        "ablation-effect", acts, model=model, groups={"p=>x": [F + "g.1"]}, n_controls=30, n_draws=2
    )
    alone = {
        "model": model,
        "groups": {F + f"g.{k}": [F + f"g.{k}"] for k in range(5)},
        "pairs": ["p=>x"],
        "n_draws": 2,
    }
    single = interp.measure("ablation-effect", acts, n_controls=0, full_output=False, **alone).effect.values
    assert np.abs(result.control_effect.values.reshape(-1, 1) - single).min(1).max() < 1e-12


def test_effects_are_the_same_without_full_output(net):
    model, _, acts = net
    options = {"model": model, "groups": {"p=>x": [F + "h.1"], "q=>y": ["hidden.out.2"]}, "n_controls": 9, "n_draws": 2}
    full = interp.measure("ablation-effect", acts, **options)
    short = interp.measure("ablation-effect", acts, full_output=False, **options)
    assert set(full.data_vars) > set(short.data_vars)
    for name in short.data_vars:
        np.testing.assert_array_equal(short[name], full[name])


def test_missing_gate_raises_an_error(net):
    model, _, acts = net
    part = interp.select(acts, quantity=["h", "i", "f", "o", "c_prev", "out"])
    with pytest.raises(interp.CaptureError, match=r"lack 'g' of rnn\.0\.forward, neuron 1: .* pass batches="):
        interp.measure("ablation-effect", part, model=model, groups={"p=>x": [F + "i.1"]}, n_controls=0)


def test_other_cells_raise_an_error(net):
    model, _, acts = net
    other = acts.copy(deep=True)
    other["activation"].loc[{"unit": F + "i.1"}] *= 1.5  # a cell with another formula
    with pytest.raises(interp.CaptureError, match="not the output of an LSTM"):
        interp.measure("ablation-effect", other, model=model, groups={"p=>x": [F + "i.1"]}, n_controls=0)
    model, _, acts = capture_net(nn.GRU)
    with pytest.raises(interp.OptionError, match="gates of cells other than the LSTM"):
        interp.measure("ablation-effect", acts, model=model, groups={"p=>x": [F + "z.1"]}, n_controls=0)


def test_output_of_a_step():
    i, f, g, o, before = (np.array([value]) for value in (1.0, 0.5, 0.2, 2.0, 0.6))
    assert lstm_output(i, f, g, o, before) == pytest.approx(2 * np.tanh(0.5))
    assert lstm_output(i, f, g, o, before, c=np.array([0.0])) == 0
