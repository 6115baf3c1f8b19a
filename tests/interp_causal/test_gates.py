"""Gates and cells of an LSTM, ablated without running it, against the engine."""

import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp_causal.cells import handed_on

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


def made(cell):
    draw = np.random.default_rng(1)
    letter, sign = draw.integers(0, 2, (40, 6)), draw.integers(0, 2, (40, 6))
    x = np.stack([letter == 0, letter == 1, sign, draw.normal(size=(40, 6))], -1)
    labels = {"input": np.array(list("pq"))[letter].ravel(), "output": np.array(list("xy"))[sign].ravel()}
    batch = interp.Batch(torch.from_numpy(x), [6] * 40, labels | {"source": np.arange(40) // 2})
    torch.manual_seed(0)
    model = Net(cell).double().eval()
    every = {nn.LSTM: ["h", "c", "i", "f", "g", "o", "c_prev"], nn.GRU: ["h", "r", "z", "n"]}[cell]
    return model, batch, interp.capture(model, batch, quantities=every, progress=False, dtype="float64")


@pytest.fixture(scope="module")
def net():
    return made(nn.LSTM)


@pytest.mark.parametrize("to", ["resample", "mean", "zero"])
@pytest.mark.parametrize("name", [name for name in GROUPS if "c_prev" not in GROUPS[name][-1]])
def test_effects_equal_those_of_the_engine(net, name, to):
    model, batch, acts = net
    options = {"model": model, "groups": {name: GROUPS[name]}, "pairs": ["p=>x", "q=>y"], "draws": 2, "to": to}
    quick = interp.measure("ablation-effect", acts, controls=0, elsewhere=0, **options)
    slow = interp.measure("ablation-effect", acts, batches=batch, **options)
    for variable in ("effect", "low", "high", "specificity"):
        np.testing.assert_allclose(quick[variable], slow[variable], rtol=0, atol=2e-6, err_msg=variable)
    assert (quick["effect"] != 0).all()


def test_an_edited_cell_does_not_ask_what_its_gates_are(net):
    model, _, acts = net
    groups = {"all": GROUPS["a cell, its gate and the one before"], "cell": [F + "c.2"]}
    effect = interp.measure("ablation-effect", acts, model=model, groups=groups, pairs=["p=>x"], controls=0).effect
    assert float(effect[0]) == float(effect[1])


def test_controls_are_gates_of_the_same_kind(net):
    model, _, acts = net
    result = interp.measure("ablation-effect", acts, model=model, groups={"p=>x": [F + "g.1"]}, controls=30, draws=2)
    alone = {"model": model, "groups": {F + f"g.{k}": [F + f"g.{k}"] for k in range(5)}, "pairs": ["p=>x"], "draws": 2}
    known = interp.measure("ablation-effect", acts, controls=0, details=False, **alone).effect.values
    assert np.abs(result.control.values.reshape(-1, 1) - known).min(1).max() < 1e-12


def test_without_details_the_effects_are_the_same(net):
    model, _, acts = net
    options = {"model": model, "groups": {"p=>x": [F + "h.1"], "q=>y": ["hidden.out.2"]}, "controls": 9, "draws": 2}
    whole = interp.measure("ablation-effect", acts, **options)
    few = interp.measure("ablation-effect", acts, details=False, **options)
    assert set(whole.data_vars) > set(few.data_vars)
    for name in few.data_vars:
        np.testing.assert_array_equal(few[name], whole[name])


def test_a_gate_that_was_not_captured_is_said(net):
    model, _, acts = net
    part = interp.pick(acts, quantity=["h", "i", "f", "o", "c_prev", "out"])
    with pytest.raises(interp.CaptureError, match=r"lack 'g' of rnn\.0\.forward, neuron 1: .* give batches="):
        interp.measure("ablation-effect", part, model=model, groups={"p=>x": [F + "i.1"]}, controls=0)


def test_cells_that_are_no_lstm_are_said(net):
    model, _, acts = net
    other = acts.copy(deep=True)
    other["activation"].loc[{"unit": F + "i.1"}] *= 1.5  # as if the cell had another formula
    with pytest.raises(interp.CaptureError, match="not what an LSTM makes"):
        interp.measure("ablation-effect", other, model=model, groups={"p=>x": [F + "i.1"]}, controls=0)
    model, _, acts = made(nn.GRU)
    with pytest.raises(interp.OptionError, match="gates of other cells"):
        interp.measure("ablation-effect", acts, model=model, groups={"p=>x": [F + "z.1"]}, controls=0)


def test_what_a_cell_hands_on():
    i, f, g, o, before = (np.array([value]) for value in (1.0, 0.5, 0.2, 2.0, 0.6))
    assert handed_on(i, f, g, o, before) == pytest.approx(2 * np.tanh(0.5))
    assert handed_on(i, f, g, o, before, c=np.array([0.0])) == 0
