"""Layouts of the time axis: unbatched, time first, packed, flattened, cells in a loop, several calls."""

import numpy as np
import pytest
import torch
from helpers.nets import capture, values
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

import interp

pytestmark = pytest.mark.usefixtures("engine_mode")


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_the_model_may_be_the_module_itself_and_unbatched(kind):
    torch.manual_seed(0)
    rnn = getattr(nn, kind)(3, 4, 2, bidirectional=True).double().eval()
    x = torch.randn(6, 3).double()
    acts = capture(rnn, x)
    assert acts["module"].values[0] == "model"
    assert acts["sample"].values.tolist() == [0] * 6
    np.testing.assert_allclose(values(acts, layer=1, quantity="h"), rnn(x)[0].detach(), atol=1e-14)


def test_time_first_tensors_are_cut_along_the_samples():
    torch.manual_seed(0)
    rnn = nn.LSTM(3, 4)
    x = torch.randn(4, 20, 3)
    acts = capture(rnn, x, batch_size=7)
    assert acts["sample"].values.max() == 19
    np.testing.assert_allclose(
        values(acts, quantity="h").reshape(20, 4, 4), rnn(x)[0].detach().transpose(0, 1), atol=1e-6
    )


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("batch_size", [2, 64])
def test_a_packed_sequence_is_a_batch(enforce_sorted, batch_size):
    torch.manual_seed(0)
    gru = nn.GRU(3, 4, bidirectional=True).eval()
    parts = [torch.randn(n, 3) for n in ((6, 4, 4, 2) if enforce_sorted else (4, 6, 2, 4))]
    acts = capture(gru, pack_sequence(parts, enforce_sorted=enforce_sorted), batch_size=batch_size)
    rows = torch.cat([gru(part)[0] for part in parts]).detach()
    np.testing.assert_allclose(values(acts, quantity="h"), rows, atol=1e-6)


class PackedRows(nn.Module):
    """A linear layer on the rows of a PackedSequence, and one on flattened rows."""

    def __init__(self):
        super().__init__()
        self.gru, self.packed, self.flat = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x, lengths):
        out = self.gru(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[0]
        self.packed(out.data)
        padded = pad_packed_sequence(out, batch_first=True)[0]
        return self.flat(padded.reshape(-1, 4))


def test_linear_layers_on_packed_and_on_flattened_rows():
    torch.manual_seed(0)
    model, lengths = PackedRows().eval(), [2, 5, 3]
    acts = capture(model, interp.Batch((torch.randn(3, 5, 3), torch.tensor(lengths)), lengths))
    h = torch.from_numpy(values(acts, quantity="h")).float()
    np.testing.assert_allclose(values(acts, module="packed"), model.packed(h).detach(), atol=1e-6)
    np.testing.assert_allclose(values(acts, module="flat"), model.flat(h).detach(), atol=1e-6)


class Loop(nn.Module):
    """A cell in a loop, with a linear layer on the output of each step."""

    def __init__(self, kind, lengths=None):
        super().__init__()
        self.cell, self.read = getattr(nn, kind)(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        state, outs = None, []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outs.append(self.read(state[0] if isinstance(state, tuple) else state))
        return torch.stack(outs, 1)


@pytest.mark.parametrize(("cell", "kind"), [("LSTMCell", "LSTM"), ("GRUCell", "GRU"), ("RNNCell", "RNN")])
def test_cells_in_a_loop_equal_the_sequence_module(cell, kind):
    torch.manual_seed(0)
    model, x = Loop(cell).eval(), torch.randn(3, 5, 3)
    same = getattr(nn, kind)(3, 4, batch_first=True)
    same.load_state_dict({f"{name}_l0": value for name, value in model.cell.state_dict().items()})
    acts, expected = capture(model, x, batch_size=2), capture(same, x)
    assert acts["module"].values[0] == "cell"
    np.testing.assert_allclose(values(acts, module="cell"), expected.activation, atol=1e-6)
    np.testing.assert_allclose(values(acts, module="read"), model(x).detach().reshape(15, 2), atol=1e-6)
    part = capture(model, x, where=lambda labels: labels["step"] == 2)
    assert np.array_equal(part.activation, values(capture(model, x), step=2))


class Chunks(nn.Module):
    """An LSTM that is called with one step at a time, and a linear layer on packed rows of two calls."""

    def __init__(self, packed=False):
        super().__init__()
        self.lstm, self.read, self.packed = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2), packed

    def forward(self, x, lengths=None):
        state, outs = None, []
        for part in (x[:, :2], x[:, 2:]) if self.packed else x.split(1, 1):
            if self.packed:
                part = pack_padded_sequence(part, lengths, batch_first=True, enforce_sorted=False)
            out, state = self.lstm(part, state)
            outs.append(self.read(out.data if self.packed else out))
        return outs


def test_a_sequence_module_called_step_by_step():
    torch.manual_seed(0)
    model, x = Chunks().eval(), torch.randn(3, 5, 3)
    acts = capture(model, interp.Batch(x, labels={"letter": ["abcde"] * 3}), batch_size=2)
    assert acts["call"].values.tolist() == [*range(5)] * 3
    h = model.lstm(x)[0].detach()
    np.testing.assert_allclose(values(acts, quantity="h"), h.reshape(15, 4), atol=1e-6)
    np.testing.assert_allclose(values(acts, module="read"), model.read(h).detach().reshape(15, 2), atol=1e-6)


def test_packed_rows_of_several_calls():
    torch.manual_seed(0)
    model, x, lengths = Chunks(packed=True).eval(), torch.randn(2, 4, 3), torch.tensor([1, 2])
    acts = capture(model, interp.Batch((x, lengths)))
    assert acts["call"].values.tolist() == [0, 1, 0, 0, 1, 1]
    rows = [x[0, :1], x[0, 2:3], x[1, :2], x[1, 2:]]
    np.testing.assert_allclose(
        values(acts, step=0, quantity="i"), values(capture(model.lstm, x[:, :1]), quantity="i"), atol=1e-6
    )
    assert sum(len(part) for part in rows) == acts.sizes["token"]
    h = torch.from_numpy(values(acts, quantity="h")).float()
    np.testing.assert_allclose(values(acts, module="read"), model.read(h).detach(), atol=1e-6)


class Twice(nn.Module):
    """A module that is called twice in one forward."""

    def __init__(self):
        super().__init__()
        self.gru, self.read = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x, y):
        return self.read(self.gru(x)[0]), self.read(self.gru(y)[0])


def test_a_module_called_twice_adds_its_steps_in_call_order():
    torch.manual_seed(0)
    model, x, y = Twice().eval(), torch.randn(2, 3, 3), torch.randn(2, 4, 3)
    acts = capture(model, interp.Batch((x, y), labels={"letter": ["abcdefg", "hijklmn"]}))
    assert acts["call"].values.tolist() == [0, 0, 0, 1, 1, 1, 1] * 2
    assert acts["step"].values.tolist() == [*range(7)] * 2
    assert "".join(acts["letter"].values) == "abcdefghijklmn"
    h = torch.cat([model.gru(x)[0], model.gru(y)[0]], 1).detach()
    np.testing.assert_allclose(values(acts, quantity="h"), h.reshape(14, 4), atol=1e-6)
    np.testing.assert_allclose(values(acts, module="read"), model.read(h).detach().reshape(14, 2), atol=1e-6)
