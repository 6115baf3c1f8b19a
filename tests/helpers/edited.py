"""Float64 numpy reference of recurrent modules with edits of any quantity, and a network to compare it with."""

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import interp
from helpers.steps import sigmoid, weights_of


def lstm(w, x, h, c, n, tap):
    c = tap("c_prev", c)
    a = w["ih"] @ x + w["bih"] + w["hh"] @ h + w["bhh"]
    i, f, o = (tap(name, sigmoid(a[k * n : k * n + n])) for name, k in (("i", 0), ("f", 1), ("o", 3)))
    g = tap("g", np.tanh(a[2 * n : 3 * n]))
    c = tap("c", f * c + i * g)
    out = o * np.tanh(c)
    return tap("h", w["hr"] @ out if "hr" in w else out), c


def gru(w, x, h, c, n, tap):
    a, b = w["ih"] @ x + w["bih"], w["hh"] @ h + w["bhh"]
    r, z = tap("r", sigmoid(a[:n] + b[:n])), tap("z", sigmoid(a[n : 2 * n] + b[n : 2 * n]))
    new = tap("n", np.tanh(a[2 * n :] + r * b[2 * n :]))
    return tap("h", (1 - z) * new + z * h), c


def rnn(w, x, h, c, n, tap):
    return tap("h", np.tanh(w["ih"] @ x + w["bih"] + w["hh"] @ h + w["bhh"])), c


STEPS = {"LSTM": lstm, "GRU": gru, "RNN": rnn}


def loop(module, x, state=lambda *_: _[-1], output=None):
    """Return the read-out values ``{(layer, direction, quantity, step): values}`` of one sample (step, feature).

    ``state(layer, direction, quantity, step, value)`` returns the value that the recurrence uses; ``output`` with the
    same arguments is applied afterwards and changes only the read-out value.
    """
    step, n, readout, below = STEPS[type(module).__name__], module.hidden_size, {}, np.asarray(x, float)
    for layer in range(module.num_layers):
        outs = []
        for direction in ("forward", "backward")[: 1 + module.bidirectional]:
            w = weights_of(module, f"_l{layer}" + ("_reverse" if direction == "backward" else ""))
            h, c = np.zeros(w["hh"].shape[1]), np.zeros(n)
            for t in range(len(below))[:: -1 if direction == "backward" else 1]:

                def inner(quantity, value, t=t, layer=layer, direction=direction):
                    return state(layer, direction, quantity, t, value)

                def outer(quantity, value, t=t, layer=layer, direction=direction):
                    value = inner(quantity, value)
                    value = value if output is None else output(layer, direction, quantity, t, value)
                    readout[layer, direction, quantity, t] = value
                    return value

                step(w, below[t], h, c, n, outer)
                h, c = step(w, below[t], h, c, n, inner)
            outs.append(np.stack([readout[layer, direction, "h", t] for t in range(len(below))]))
        below = np.concatenate(outs, 1)
    return readout


class Net(nn.Module):
    """A recurrent module, packed if lengths are given, and a dense layer on its output."""

    def __init__(self, kind, layers=2, bidirectional=True, **options):
        super().__init__()
        self.rnn = getattr(nn, kind)(3, 4, layers, bidirectional=bidirectional, batch_first=True, **options)
        self.dense = nn.Linear((options.get("proj_size") or 4) * (2 if bidirectional else 1), 5)

    def forward(self, x, lengths=None):
        if lengths is None:
            return self.dense(self.rnn(x)[0]).tanh()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.dense(pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0]).tanh()


LENGTHS = [3, 6, 1, 5]
LETTERS = ["aba", "babbab", "b", "abbba"]


def net(kind="LSTM", layers=2, bidirectional=True, **options):
    torch.manual_seed(0)
    return Net(kind, layers, bidirectional, **options).double().eval()


def batch(packed=True):
    """Return four samples of three sources; without packing all are six steps long."""
    torch.manual_seed(1)
    x = torch.randn(4, 6, 3).double()
    if not packed:
        return interp.Batch(x, labels={"source": [1, 2, 2, 3], "input": ["ababab", "babbab", "bbabab", "abbbab"]})
    return interp.Batch((x, torch.tensor(LENGTHS)), LENGTHS, {"source": [1, 2, 2, 3], "input": LETTERS})


def run(model, batches, edits=(), **options):
    return interp.capture(model, batches, edits=edits, **{"progress": False, "dtype": "float64", **options})


def assert_is_loop(acts, model, state=None, output=None):
    """Compare every quantity of a run with `loop`; edits take the sample first: ``(sample, layer, …, value)``."""
    coords = {name: acts[name].values for name in ("module", "layer", "direction", "quantity", "sample", "step")}
    blocks = {}
    for unit in np.flatnonzero(coords["module"] == "rnn"):
        key = (int(coords["layer"][unit]), str(coords["direction"][unit]), str(coords["quantity"][unit]))
        blocks.setdefault(key, []).append(unit)
    for sample in np.unique(coords["sample"]).tolist():
        rows = np.flatnonzero(coords["sample"] == sample)
        readout = loop(model.rnn, INPUTS[sample][: rows.size], *(bound(edit, sample) for edit in (state, output)))
        for key, units in blocks.items():
            expected = np.stack([readout[(*key, step)] for step in coords["step"][rows].tolist()])
            actual = acts.activation.values[np.ix_(rows, units)]
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12, err_msg=f"sample {sample}, {key}")


def bound(edit, sample):
    if edit is None:
        return lambda *args: args[-1]
    return lambda *args: edit(sample, *args)


INPUTS = batch().inputs[0].numpy()
