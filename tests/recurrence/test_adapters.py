"""Adapters of custom cells, and the choice of the adapter of a module."""

import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp.activations import inspection as scout


class PeepholeCell(nn.Module):
    """An LSTM cell whose gates read the cell state (Gers & Schmidhuber 2000)."""

    def __init__(self, width, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.inner, self.outer = nn.Linear(hidden_size, 4 * hidden_size), nn.Linear(width, 4 * hidden_size)
        self.peep = nn.Parameter(torch.randn(3, hidden_size))

    def forward(self, x, state=None):
        h, c = state if state is not None else (x.new_zeros(len(x), self.hidden_size),) * 2
        i, f, g, o = (self.outer(x) + self.inner(h)).chunk(4, 1)
        i, f = torch.sigmoid(i + self.peep[0] * c), torch.sigmoid(f + self.peep[1] * c)
        c = f * c + i * torch.tanh(g)
        return torch.sigmoid(o + self.peep[2] * c) * torch.tanh(c), c


class Peephole(interp.Adapter):
    """Adapter of `PeepholeCell`."""

    name, module, cell = "peephole", f"{__name__}.PeepholeCell", True
    quantities, state = ("h", "c", "i", "f", "g", "o"), ("h", "c")

    def step(self, weights, x, state, tap):
        h, c = state
        i, f, g, o = (weights.outer(x) + weights.inner(h)).chunk(4, 1)
        i, f = tap("i", torch.sigmoid, i + weights.peep[0] * c), tap("f", torch.sigmoid, f + weights.peep[1] * c)
        c = tap("c", f * c + i * tap("g", torch.tanh, g))
        return tap("h", torch.mul, tap("o", torch.sigmoid, o + weights.peep[2] * c), torch.tanh(c)), c


class PeepholeLSTM(nn.Module):
    """The same cell over a sequence, called like ``nn.LSTM(batch_first=True)``."""

    batch_first = True

    def __init__(self, width, hidden_size):
        super().__init__()
        self.hidden_size, self.cell = hidden_size, PeepholeCell(width, hidden_size)

    def forward(self, x, state=None):
        state = None if state is None else (state[0][0], state[1][0])
        outs = []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outs.append(state[0])
        return torch.stack(outs, 1), (state[0][None], state[1][None])


class PeepholeSequence(Peephole):
    name, module, cell = "peephole-sequence", f"{__name__}.PeepholeLSTM", False

    def weights(self, module, layer, direction):
        return module.cell


@pytest.fixture
def register(monkeypatch):
    """Return a function that registers adapters, as a plugin would."""

    def register_adapters(*adapters):
        registered = scout.registered_adapters()
        monkeypatch.setattr(scout, "registered_adapters", lambda: [*registered, *adapters])

    return register_adapters


def step_by_step(cell, x):
    state, rows = (torch.zeros(len(x), cell.hidden_size),) * 2, []
    for t in range(x.shape[1]):
        i, f = ((cell.outer(x[:, t]) + cell.inner(state[0])).chunk(4, 1)[k] + cell.peep[k] * state[1] for k in (0, 1))
        state = cell(x[:, t], state)
        rows.append(torch.cat([*state, i.sigmoid(), f.sigmoid()], 1))
    return torch.stack(rows, 1).flatten(0, 1).detach().numpy()


@pytest.mark.parametrize("adapter", [Peephole(), PeepholeSequence()])
def test_a_custom_cell_is_read_by_a_ten_line_adapter(register, adapter):
    register(adapter)
    torch.manual_seed(0)
    model, x = PeepholeLSTM(3, 5).eval(), torch.randn(4, 6, 3)
    acts = interp.capture(model, x, progress=False)
    assert set(acts["module"].values) == {"cell" if adapter.cell else "model"}
    assert list(dict.fromkeys(acts["quantity"].values)) == ["h", "c", "i", "f", "g", "o"]
    np.testing.assert_allclose(
        interp.select(acts, quantity=["h", "c", "i", "f"]).activation, step_by_step(model.cell, x), atol=1e-6
    )
    assert acts.attrs["verification_rows"] > 0


def test_a_wrong_adapter_is_detected(register):
    class Wrong(Peephole):
        def step(self, weights, x, state, tap):
            return super().step(weights, x, (state[0], state[1] + 0.01), tap)

    register(Wrong())
    with pytest.raises(interp.CaptureError, match="its adapter may compute a different formula"):
        interp.capture(PeepholeLSTM(3, 5).eval(), torch.randn(4, 6, 3), progress=False)


def test_a_module_of_torch_is_recognised_by_either_of_its_names(monkeypatch):
    class Public(Peephole):
        name, module = "public", "torch.nn.LSTMCell"

    monkeypatch.setattr(scout, "registered_adapters", lambda: [Public()])
    assert scout.find_adapter(nn.LSTMCell(2, 3), scout.registered_adapters()).name == "public"
    assert scout.find_adapter(nn.GRUCell(2, 3), scout.registered_adapters()) is None
