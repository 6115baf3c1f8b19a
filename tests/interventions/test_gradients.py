"""Gradients under edits, and with respect to every unit at every token, against finite differences in float64."""

import numpy as np
import pytest
import torch
from helpers.edited import LENGTHS, batch, loop, net
from helpers.steps import QUANTITIES
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import interp

STEP = 1e-6


def number(out, sample=1, step=2):
    """Return a scalar that depends on the outputs of two tokens."""
    return out[sample, step, 0] + 2 * out[3, 4, 1] ** 2


def finite_difference(model, samples, packed, unit, nudge):
    """Return the finite difference of `number` with respect to one unit at one token, from the numpy loop."""
    _, layer, direction, quantity, index = unit.split(".")

    def moved(sample, amount):
        def change(layer_index, side, name, step, value):
            if (layer_index, side, name) == (int(layer), direction, quantity) and (sample, step) == nudge:
                value = value.copy()
                value[int(index)] += amount
            return value

        return change

    def total(amount):
        out = np.zeros((4, 6, 5))
        for sample, n in enumerate(LENGTHS if packed else [6] * 4):
            quantities = loop(model.rnn, samples[sample, :n], moved(sample, amount))
            top = max(key[0] for key in quantities)
            sides = ("forward", "backward")[: 1 + model.rnn.bidirectional]
            h = np.stack([np.concatenate([quantities[top, side, "h", t] for side in sides]) for t in range(n)])
            out[sample, :n] = np.tanh(h @ model.dense.weight.detach().numpy().T + model.dense.bias.detach().numpy())
        return number(out)

    return (total(STEP) - total(-STEP)) / (2 * STEP)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_one_backward_pass_gives_the_gradient_of_every_unit_at_every_token(kind, packed):
    model, samples = net(kind), batch(packed)
    leaves, inputs = (
        interp.adapters.ActivationGradients({"module": "rnn", "quantity": QUANTITIES[kind]}),
        samples.inputs,
    )
    with interp.intervene(model, leaves):
        out = model(*inputs) if packed else model(inputs)
        gradient = leaves.gradient(number(out)).numpy()
    sizes = LENGTHS if packed else [6] * 4
    assert gradient.shape == (sum(sizes), 2 * 2 * 4 * len(QUANTITIES[kind])) == (sum(sizes), len(leaves.names))
    assert leaves.labels["sample"].tolist() == np.repeat(range(4), sizes).tolist()
    rows = list(zip(leaves.labels["sample"].tolist(), leaves.labels["step"].tolist(), strict=True))
    x = (inputs[0] if packed else inputs).numpy()
    draw = np.random.default_rng(0)
    for column in draw.choice(len(leaves.names), min(30, len(leaves.names)), replace=False):
        row = int(draw.integers(len(rows)))
        expected = finite_difference(model, x, packed, leaves.names[column], rows[row])
        assert gradient[row, column] == pytest.approx(expected, rel=1e-6, abs=1e-9), (leaves.names[column], rows[row])
    assert (gradient != 0).mean() > 0.2
    some = torch.tensor([2, 0])
    with interp.intervene(model, leaves):
        out = model(*inputs) if packed else model(inputs)
        assert torch.equal(leaves.value(some), leaves.value()[some])
        assert np.array_equal(leaves.gradient(number(out), tokens=some).numpy(), gradient[[2, 0]])


def test_leaves_change_no_value_and_record_them():
    model, samples = net(), batch()
    leaves = interp.adapters.ActivationGradients()
    with interp.intervene(model, leaves, batch=samples):
        out = model(*samples.inputs)
    names, value = leaves.names, leaves.value().numpy()
    everything = interp.capture(model, samples, edits=(), units=names, progress=False, dtype="float64")
    assert sorted(everything["unit"].values.tolist()) == sorted(names)
    assert np.array_equal(everything.activation.sel(unit=names).values, value)
    assert leaves.labels["input"].tolist() == everything["input"].values.tolist()
    with torch.no_grad(), interp.intervene(model, []):
        assert torch.equal(out, model(*samples.inputs))


def test_leaves_of_outputs_exclude_the_recurrence():
    model, samples = net(layers=1), batch()
    unit = {"module": "rnn", "direction": "forward", "quantity": "h"}
    through, direct_leaves = (
        interp.adapters.ActivationGradients(unit),
        interp.adapters.ActivationGradients(unit, scope="readout"),
    )
    with interp.intervene(model, [through, direct_leaves]):
        out = model(*samples.inputs)
        target = out[1, 4, 2]
        whole = through.gradient(target, retain_graph=True)
        direct = direct_leaves.gradient(target)
    mask = (direct_leaves.labels["sample"] == 1) & (direct_leaves.labels["step"] == 4)
    weight = model.dense.weight[2, :4] * (1 - target**2)
    torch.testing.assert_close(direct[torch.from_numpy(mask)][0], weight.detach(), rtol=1e-12, atol=1e-15)
    assert not direct[torch.from_numpy(~mask)].any()
    before = torch.from_numpy((direct_leaves.labels["sample"] == 1) & (direct_leaves.labels["step"] < 4))
    assert (whole[before] != 0).all()
    torch.testing.assert_close(whole[torch.from_numpy(mask)], direct[torch.from_numpy(mask)])


class Loop(nn.Module):
    """A cell in a loop over steps, with a dense layer at each step."""

    def __init__(self, kind):
        super().__init__()
        self.cell, self.read = getattr(nn, kind)(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        state, outs = None, []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outs.append(self.read(state[0] if isinstance(state, tuple) else state))
        return torch.stack(outs, 1)


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_leaves_of_cells_are_those_of_the_sequence_module(kind):
    torch.manual_seed(0)
    model, x = Loop(kind).double().eval(), torch.randn(3, 5, 3).double()
    whole = getattr(nn, kind.removesuffix("Cell"))(3, 4, batch_first=True).double()
    whole.load_state_dict({f"{name}_l0": value for name, value in model.cell.state_dict().items()})
    leaves, other = interp.adapters.ActivationGradients(), interp.adapters.ActivationGradients()
    with interp.intervene(model, leaves):
        actual = leaves.gradient(model(x)[1, 3].sum())
    with interp.intervene(whole, other):
        expected = other.gradient(model.read(whole(x)[0])[1, 3].sum())
    assert leaves.labels["step"].tolist() == [*range(5)] * 3
    torch.testing.assert_close(actual[:, :-2], expected, rtol=1e-12, atol=1e-15)
    ones = torch.zeros(15, 2).double()
    ones[8] = 1
    assert torch.equal(actual[:, -2:], ones)


def test_gradients_flow_into_clamped_values_inputs_and_weights():
    model, samples = net(), batch()
    value = torch.randn(4, 1, 2).double().requires_grad_()
    x = samples.inputs[0].clone().requires_grad_()
    edits = [
        interp.Clamp(["rnn.0.forward.h.1", "rnn.0.backward.o.0"], value),
        interp.Clamp({"module": "rnn", "quantity": "f", "index": 2}, 0.5, at=[1], scope="readout"),
    ]

    def total(x, value):
        edits[0].value = value
        with interp.intervene(model, edits):
            return number(model(x, samples.inputs[1]))

    assert torch.autograd.gradcheck(total, (x, value), eps=1e-6, atol=1e-7, fast_mode=True)
    weight = model.rnn.weight_hh_l0
    (slope,) = torch.autograd.grad(total(x, value), weight)
    with torch.no_grad():
        for place in [(0, 0), (5, 1), (14, 3)]:
            ends = []
            for sign in (1, -1):
                weight[place] += sign * STEP
                ends.append(float(total(x, value)))
                weight[place] -= sign * STEP
            assert float(slope[place]) == pytest.approx((ends[0] - ends[1]) / (2 * STEP), rel=1e-6, abs=1e-9)


def test_no_edit_has_the_modules_gradients():
    model, samples = net(), batch()
    x = samples.inputs[0].clone().requires_grad_()

    def slope():
        data = pack_padded_sequence(x, LENGTHS, True, enforce_sorted=False)
        return torch.autograd.grad(model.rnn(data)[0].data.pow(2).sum(), x)[0]

    own = slope()
    with interp.intervene(model, []):
        actual = slope()
    torch.testing.assert_close(actual, own, rtol=1e-12, atol=1e-14)


def test_leaves_without_gradients_raise_clear_errors():
    model, samples = net(), batch()
    leaves = interp.adapters.ActivationGradients()
    with pytest.raises(interp.CaptureError, match="call the model inside"):
        leaves.gradient(torch.zeros(()))
    with pytest.raises(interp.CaptureError, match="no_grad"), torch.no_grad(), interp.intervene(model, leaves):
        model(*samples.inputs)
    with pytest.raises(interp.CaptureError, match=r"inside interp\.intervene"):
        interp.capture(model, samples, edits=leaves, progress=False)


def test_without_a_check_the_modules_own_forward_is_not_called(monkeypatch):
    model, samples = net(), batch(packed=False)
    calls = []
    monkeypatch.setattr(model.rnn, "forward", lambda *args, own=model.rnn.forward: (calls.append(1), own(*args))[1])
    with interp.intervene(model, [], verify="none"):
        out = model(samples.inputs)
    assert not calls
    with interp.intervene(model, []):
        assert torch.equal(out, model(samples.inputs))
    assert calls == [1]
    with pytest.raises(interp.OptionError, match="verify="), interp.intervene(model, [], verify="some"):
        pass
