"""Float64 reference of torch's recurrent modules: textbook formulas, one sample and one step at a time."""

import numpy as np
import torch
from torch import nn

import interp

QUANTITIES = {"LSTM": ["h", "c", "i", "f", "g", "o", "c_prev"], "GRU": ["h", "r", "z", "n"], "RNN": ["h"]}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(w, x, h, c, hidden):
    """Return one step of one sample: Hochreiter & Schmidhuber with a forget gate, gates stacked i, f, g, o."""
    a = w["ih"] @ x + w["bih"] + w["hh"] @ h + w["bhh"]
    i, f, o = sigmoid(a[:hidden]), sigmoid(a[hidden : 2 * hidden]), sigmoid(a[3 * hidden :])
    g = np.tanh(a[2 * hidden : 3 * hidden])
    new = f * c + i * g
    out = o * np.tanh(new)
    return {"h": w["hr"] @ out if "hr" in w else out, "c": new, "i": i, "f": f, "g": g, "o": o, "c_prev": c}


def gru_step(w, x, h, c, hidden):
    """Return one step of one sample: Cho et al. with the reset after the product, gates stacked r, z, n."""
    a, b = w["ih"] @ x + w["bih"], w["hh"] @ h + w["bhh"]
    r, z = sigmoid(a[:hidden] + b[:hidden]), sigmoid(a[hidden : 2 * hidden] + b[hidden : 2 * hidden])
    n = np.tanh(a[2 * hidden :] + r * b[2 * hidden :])
    return {"h": (1 - z) * n + z * h, "r": r, "z": z, "n": n}


def rnn_step(w, x, h, c, hidden):
    """Return one step of one sample: Elman."""
    return {"h": np.tanh(w["ih"] @ x + w["bih"] + w["hh"] @ h + w["bhh"])}


def relu_step(w, x, h, c, hidden):
    """Return one step of one sample: Elman with relu."""
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


def reference(module, xs, h0=None, c0=None):
    """Return ``[{(layer, direction, quantity): (step, size)}]`` for samples ``xs``; states (row, sample, size).

    A cell is treated as one layer in one direction that runs over the steps of each sample. States default to zeros.
    """
    cell = isinstance(module, nn.RNNCellBase)
    layers = range(1 if cell else module.num_layers)
    directions = ("forward", "backward") if getattr(module, "bidirectional", False) else ("forward",)
    step, results = step_of(module), []
    for sample, x in enumerate(xs):
        values, below = {}, x.detach().double().numpy()
        for layer in layers:
            outs = []
            for side, direction in enumerate(directions):
                w = weights_of(module, "" if cell else f"_l{layer}" + ("_reverse" if side else ""))
                row = layer * len(directions) + side
                h, c = (None if state is None else state[row, sample].double().numpy() for state in (h0, c0))
                for name, rows in over_steps(step, w, below, h, c, module.hidden_size, backward=side == 1).items():
                    values[layer, direction, name] = rows
                outs.append(values[layer, direction, "h"])
            below = np.concatenate(outs, 1)
        results.append(values)
    return results


def over_steps(step, w, inputs, h, c, hidden, backward):
    """Return ``{quantity: (step, size)}`` of one layer and direction, at the original steps."""
    h = np.zeros(w["hh"].shape[1]) if h is None else h
    c = np.zeros(hidden) if c is None else c
    steps = [None] * len(inputs)
    for t in range(len(inputs))[:: -1 if backward else 1]:
        steps[t] = step(w, inputs[t], h, c, hidden)
        h, c = steps[t]["h"], steps[t].get("c", c)
    return {name: np.stack([values[name] for values in steps]) for name in steps[0]}


def worst_element(own, ref, lengths):
    """Return the largest absolute error of the module's own outputs (token, feature)."""
    layer = max(key[0] for key in ref[0])
    last = [key for key in ref[0] if key[0] == layer and key[2] == "h"]
    expected = [np.concatenate([values[key][:n] for key in last], 1) for values, n in zip(ref, lengths, strict=True)]
    return np.abs(own - np.concatenate(expected)).max()


def assert_exact(acts, ref, dtype=torch.float64, worst=0.0):
    """Compare every quantity of a capture of one recurrent module with the reference.

    Tolerance: 1e-12 in float64; otherwise twice the largest error of the module itself, plus 8 eps times the larger of
    1 and |reference|.
    """
    lengths = np.bincount(acts["sample"].values)
    assert acts.sizes["unit"] == sum(values.shape[1] for values in ref[0].values())
    for layer, direction, quantity in ref[0]:
        rows = [values[layer, direction, quantity][:n] for values, n in zip(ref, lengths, strict=True)]
        expected = np.concatenate(rows)
        actual = interp.select(acts, layer=layer, direction=direction, quantity=quantity).activation.values
        tolerance = 2 * worst + 8 * torch.finfo(dtype).eps * np.maximum(1, np.abs(expected))
        tolerance = 1e-12 if dtype is torch.float64 else tolerance
        difference = np.abs(actual - expected)
        assert (difference <= tolerance).all(), (layer, direction, quantity, difference.max(), worst)
