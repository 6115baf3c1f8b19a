"""Every quantity of torch's recurrent modules against a float64 reference written from the textbook formulas."""

from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import interp
from interp import recurrence
from interp.capturing import replay, scout

QUANTITIES = {"LSTM": ["h", "c", "i", "f", "g", "o", "c_prev"], "GRU": ["h", "r", "z", "n"], "RNN": ["h"]}
EPS = {torch.float64: 2.0**-52, torch.float32: 2.0**-23, torch.bfloat16: 2.0**-7}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(w, x, h, c, hidden):
    """One step for one sample: Hochreiter & Schmidhuber with a forget gate, gates stacked i, f, g, o."""
    a = w["ih"] @ x + w["bih"] + w["hh"] @ h + w["bhh"]
    i, f, o = sigmoid(a[:hidden]), sigmoid(a[hidden : 2 * hidden]), sigmoid(a[3 * hidden :])
    g = np.tanh(a[2 * hidden : 3 * hidden])
    new = f * c + i * g
    out = o * np.tanh(new)
    return {"h": w["hr"] @ out if "hr" in w else out, "c": new, "i": i, "f": f, "g": g, "o": o, "c_prev": c}


def gru_step(w, x, h, c, hidden):
    """One step for one sample: Cho et al. with the reset after the product, gates stacked r, z, n."""
    a, b = w["ih"] @ x + w["bih"], w["hh"] @ h + w["bhh"]
    r, z = sigmoid(a[:hidden] + b[:hidden]), sigmoid(a[hidden : 2 * hidden] + b[hidden : 2 * hidden])
    n = np.tanh(a[2 * hidden :] + r * b[2 * hidden :])
    return {"h": (1 - z) * n + z * h, "r": r, "z": z, "n": n}


def rnn_step(w, x, h, c, hidden):
    """One step for one sample: Elman."""
    return {"h": np.tanh(w["ih"] @ x + w["bih"] + w["hh"] @ h + w["bhh"])}


def relu_step(w, x, h, c, hidden):
    """One step for one sample: Elman with relu."""
    return {"h": np.maximum(0, w["ih"] @ x + w["bih"] + w["hh"] @ h + w["bhh"])}


def weights_of(module, suffix):
    numbers = {
        name: getattr(module, name + suffix, None)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    }
    w = {
        name.replace("weight_", "").replace("bias_", "b"): value.detach().double().numpy()
        for name, value in numbers.items()
        if value is not None
    }
    return {"bih": 0.0, "bhh": 0.0, **w}


def step_of(module):
    if isinstance(module, nn.RNN | nn.RNNCell):
        return relu_step if module.nonlinearity == "relu" else rnn_step
    return lstm_step if isinstance(module, nn.LSTM | nn.LSTMCell) else gru_step


def reference(module, xs, h0, c0):
    """Return ``[{(layer, direction, quantity): (step, size)}]`` for samples ``xs``; states (row, sample, size)."""
    directions = ("forward", "backward") if module.bidirectional else ("forward",)
    step, found = step_of(module), []
    for sample, x in enumerate(xs):
        values, below = {}, x.detach().double().numpy()
        for layer in range(module.num_layers):
            outs = []
            for side, direction in enumerate(directions):
                w = weights_of(module, f"_l{layer}" + ("_reverse" if side else ""))
                row = layer * len(directions) + side
                h, c = h0[row, sample].double().numpy(), c0[row, sample].double().numpy()
                steps = [None] * len(below)
                for t in range(len(below))[:: -1 if side else 1]:
                    steps[t] = step(w, below[t], h, c, module.hidden_size)
                    h, c = steps[t]["h"], steps[t].get("c", c)
                for name in steps[0]:
                    values[layer, direction, name] = np.stack([s[name] for s in steps])
                outs.append(values[layer, direction, "h"])
            below = np.concatenate(outs, 1)
        found.append(values)
    return found


class Net(nn.Module):
    """A recurrent module with or without packing inside."""

    def __init__(self, rnn, packing):
        super().__init__()
        self.rnn, self.packing = rnn, packing

    def forward(self, x, lengths=None, state=None):
        if self.packing is None:
            return self.rnn(x, state)
        first = self.rnn.batch_first
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=first, enforce_sorted=self.packing == "sorted")
        return pad_packed_sequence(self.rnn(packed, state)[0], batch_first=first)


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(["LSTM", "GRU", "RNN"]))
    layers, hidden, width = draw(st.integers(1, 3)), draw(st.integers(2, 5)), draw(st.integers(1, 4))
    options = {"bias": draw(st.booleans()), "batch_first": draw(st.booleans()), "bidirectional": draw(st.booleans())}
    if kind == "LSTM":
        options["proj_size"] = draw(st.integers(0, hidden - 1))
    if kind == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    packing = draw(st.sampled_from([None, "sorted", "unsorted"]))
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=6))
    return {
        "kind": kind, "sizes": (width, hidden, layers), "options": options, "packing": packing,
        "lengths": sorted(lengths, reverse=True) if packing == "sorted" else lengths,
        "dtype": draw(st.sampled_from([torch.float64, torch.float32, torch.bfloat16])),
        "state": draw(st.booleans()), "batch_size": draw(st.integers(1, 8)), "seed": draw(st.integers(0, 99)),
    }  # fmt: skip


def build(case):
    """Return (module, padded samples, states) of a case."""
    torch.manual_seed(case["seed"])
    module = getattr(nn, case["kind"])(*case["sizes"], **case["options"]).to(case["dtype"]).eval()
    lengths, count = case["lengths"], len(case["lengths"])
    x = torch.randn(count, max(lengths), case["sizes"][0], dtype=case["dtype"])
    rows = case["sizes"][2] * (2 if module.bidirectional else 1)
    scale = 1 if case["state"] else 0
    h0 = scale * torch.randn(rows, count, getattr(module, "proj_size", 0) or module.hidden_size, dtype=case["dtype"])
    c0 = scale * torch.randn(rows, count, module.hidden_size, dtype=case["dtype"])
    return module, x, h0, c0


def state_of(module, h0, c0):
    return (h0, c0) if isinstance(module, nn.LSTM) else h0


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases(), way=st.sampled_from(["stepping", "replay"]), block=st.integers(1, 40))
def test_every_quantity_equals_the_float64_reference(case, way, block):
    with (
        mock.patch.multiple(replay, SMALL=0 if way == "stepping" else 99, ROWS=block),
        mock.patch.object(recurrence, "ROWS", block),
    ):
        module, ref, own, acts = captured(case)
    directions = ("forward", "backward") if module.bidirectional else ("forward",)
    rows = list(zip(ref, case["lengths"], strict=True))
    last = [np.concatenate([r[module.num_layers - 1, side, "h"][:n] for side in directions], 1) for r, n in rows]
    worst = np.abs(own - np.concatenate(last)).max()
    assert acts.sizes["unit"] == sum(values.shape[1] for values in ref[0].values())
    for layer, direction, quantity in ref[0]:
        wanted = np.concatenate([r[layer, direction, quantity][:n] for r, n in rows])
        got = interp.pick(acts, layer=layer, direction=direction, quantity=quantity).activation.values
        limit = 2 * worst + 8 * EPS[case["dtype"]] * np.maximum(1, np.abs(wanted))
        limit = 1e-12 if case["dtype"] is torch.float64 else limit
        assert (np.abs(got - wanted) <= limit).all(), (layer, direction, quantity, np.abs(got - wanted).max(), worst)


def captured(case):
    """Return (module, reference, what the module itself gives, capture) of a case."""
    note(case)
    module, x, h0, c0 = build(case)
    lengths = torch.tensor(case["lengths"])
    data = x if module.batch_first else x.transpose(0, 1)
    inputs = (data, lengths, state_of(module, h0, c0)) if case["state"] else (data, lengths)
    acts = interp.capture(
        Net(module, case["packing"]), interp.Batch(inputs, lengths=lengths), quantities=QUANTITIES[case["kind"]],
        batch_size=case["batch_size"], dtype="float64", progress=False,
    )  # fmt: skip
    steps = case["lengths"] if case["packing"] else [x.shape[1]] * len(x)
    ref = reference(module, [x[s, :n] for s, n in enumerate(steps)], h0, c0)
    return module, ref, module_output(module, x, h0, c0, case), acts


def module_output(module, x, h0, c0, case):
    """Return what the module itself gives, token by token."""
    lengths = torch.tensor(case["lengths"])
    data = x if module.batch_first else x.transpose(0, 1)
    with torch.no_grad():
        out = Net(module, case["packing"])(data, lengths, state_of(module, h0, c0))[0]
    out = out if module.batch_first else out.transpose(0, 1)
    return np.concatenate([out[s, :n].double().numpy() for s, n in enumerate(case["lengths"])])


# --- the engine by itself: gradients and edits


class Keep(recurrence.Watch):
    """Keeps every value, after an edit."""

    def __init__(self, edit=lambda quantity, step, value: value):
        self.edit, self.kept = edit, {}

    def begin(self, step, samples):
        self.step = step

    def __call__(self, quantity, function, *args):
        value = self.edit(quantity, self.step, super().__call__(quantity, function, *args))
        self.kept[quantity, self.step] = value
        return value


def lstm(**options):
    torch.manual_seed(0)
    return nn.LSTM(3, 4, **{"num_layers": 2, "bidirectional": True, **options}).double().eval()


def adapter_for(module):
    return scout.adapter_of(module, scout.adapters())


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("packed", [False, True])
def test_gradients_are_those_of_the_module(kind, packed):
    torch.manual_seed(0)
    module = getattr(nn, kind)(3, 4, 2, bidirectional=True).double().eval()
    x = torch.randn(5, 3, 3).double().requires_grad_()
    data = pack_padded_sequence(x, [2, 5, 3], enforce_sorted=False) if packed else x
    mine = gradients(recurrence.run(adapter_for(module), module, data, None, lambda *_: recurrence.Watch()), x, module)
    for a, b in zip(mine, gradients(module(data), x, module), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def gradients(result, x, module):
    """Return the gradients of something that depends on the output and the final state."""
    out, state = result
    rows = out if isinstance(out, torch.Tensor) else out.data
    total = rows.pow(2).sum() + sum(part.sum() for part in (state if isinstance(state, tuple) else (state,)))
    return torch.autograd.grad(total, [x, *module.parameters()], retain_graph=True)


def test_an_edit_goes_through_the_recurrence():
    module = lstm(num_layers=1, bidirectional=False)
    freeze = {"f": 1.0, "i": 0.0}
    watch = Keep(
        lambda quantity, step, value: torch.full_like(value, freeze[quantity]) if quantity in freeze else value
    )
    state = tuple(torch.randn(1, 2, 4).double() for _ in range(2))
    _, (_, c) = recurrence.run(adapter_for(module), module, torch.randn(6, 2, 3).double(), state, lambda *_: watch)
    assert torch.equal(c, state[1])


def test_edits_for_readers_leave_the_recurrence_alone():
    module = lstm(num_layers=1, bidirectional=False)
    x = torch.randn(6, 2, 3).double()
    plain = Keep()
    plain.readers = Keep(lambda quantity, step, value: value * 0 if quantity == "o" and step == 2 else value)
    out, state = recurrence.run(adapter_for(module), module, x, None, lambda *_: plain)
    own, own_state = module(x)
    assert not out[2].any()
    torch.testing.assert_close(out[[0, 1, 3, 4, 5]], own[[0, 1, 3, 4, 5]], rtol=0, atol=1e-14)
    torch.testing.assert_close(state, own_state, rtol=0, atol=1e-14)


def test_leaves_at_every_gate_get_gradients():
    module, leaves = lstm(), []

    def perturb(quantity, step, value):
        leaves.append(torch.zeros_like(value, requires_grad=True))
        return value + leaves[-1]

    x = torch.randn(4, 2, 3).double()
    out, _ = recurrence.run(adapter_for(module), module, x, None, lambda *_: Keep(perturb))
    out[2, 0, 0].backward()
    assert len(leaves) == 2 * 2 * 4 * 8  # layers, directions, steps, quantities and tanh c
    assert sum(leaf.grad is not None and bool(leaf.grad.any()) for leaf in leaves) > 50


def test_wrong_states_say_what_was_expected():
    module, state = lstm(), (torch.zeros(1, 2, 4),) * 2
    with pytest.raises(interp.CaptureError, match=r"expects an initial state of shape \[\(4, 2, 4\), \(4, 2, 4\)\]"):
        recurrence.run(adapter_for(module), module, torch.randn(5, 2, 3).double(), state, None)
    with pytest.raises(interp.CaptureError, match="expects inputs of 3 features"):
        recurrence.run(adapter_for(module), module, torch.randn(5, 2, 4).double(), None, None)
