"""Recurrent modules without an adapter: their output is read with a warning; requesting their gates is an error."""

import numpy as np
import pytest
import torch
from helpers.nets import capture, values
from torch import nn

import interp

pytestmark = pytest.mark.usefixtures("engine_mode")

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*(deprecated|quantized tensor).*"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]


class Reader(nn.Module):
    """A recurrent module, and a linear layer on its output."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder, self.read = encoder, nn.Linear(4, 2)

    def forward(self, x):
        out = self.encoder(x)
        return self.read(out[0] if isinstance(out, tuple) else out)


class Encoder(nn.Module):
    """A sequence module inside another module; torch.jit.script makes the inner one uncallable on its own."""

    def __init__(self, batch_first: bool = True):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=batch_first)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0]


class Loop(nn.Module):
    """A cell over the steps of samples (sample, step, feature)."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x):
        state, outs = None, []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outs, 1)


class Leaky(nn.Module):
    """A module with a recurrence of its own, called like ``nn.RNN(batch_first=True)``."""

    batch_first = True

    def __init__(self):
        super().__init__()
        self.into = nn.Parameter(torch.randn(3, 4))

    def forward(self, x):
        h, outs = torch.zeros(len(x), 4), []
        for t in range(x.shape[1]):
            h = torch.tanh(x[:, t] @ self.into + 0.9 * h)
            outs.append(h)
        return torch.stack(outs, 1), h


class LeakyRNN(Leaky):
    """The same module with a name that is typical of recurrent modules."""


def quantised(model, *kinds):
    return torch.ao.quantization.quantize_dynamic(model, set(kinds), torch.qint8)


X = torch.randn(5, 7, 3)
UNREADABLE = {  # a model, and the name of its module that can't be read
    "quantised LSTM": (lambda: quantised(Reader(nn.LSTM(3, 4, batch_first=True)), nn.LSTM), "encoder"),
    "quantised GRU": (lambda: quantised(Reader(nn.GRU(3, 4, batch_first=True)), nn.GRU), "encoder"),
    "quantised LSTM cell": (lambda: quantised(Reader(Loop(nn.LSTMCell(3, 4))), nn.LSTMCell), "encoder.cell"),
    "quantised GRU cell": (lambda: quantised(Reader(Loop(nn.GRUCell(3, 4))), nn.GRUCell), "encoder.cell"),
    "scripted part": (lambda: Reader(torch.jit.script(Encoder())), "encoder"),
    "scripted part, time first": (lambda: Reader(torch.jit.script(Encoder(False))), "encoder"),
    "scripted cell": (lambda: Reader(Loop(torch.jit.script(nn.LSTMCell(3, 4)))), "encoder.cell"),
    "scripted model": (lambda: torch.jit.script(Encoder()), "model"),
    "scripted model, time first": (lambda: torch.jit.script(Encoder(False)), "model"),
    "traced part": (lambda: Reader(torch.jit.trace(nn.LSTM(3, 4, batch_first=True), X)), "encoder"),
    "traced model": (lambda: torch.jit.trace(Reader(nn.GRU(3, 4, batch_first=True)), X), "model"),
    "custom sequence": (lambda: Reader(LeakyRNN()), "encoder"),
}


def out_of(model, name):
    """Return the output (token, unit) of the module that can't be read, from a separate call."""
    out = (model if name == "model" else model.encoder)(X)
    out = out[0] if isinstance(out, tuple) else out
    parts = [part for part in model.modules() if hasattr(part, "batch_first")]
    return (out if all(part.batch_first for part in parts) else out.transpose(0, 1)).detach().flatten(0, 1)


def attributes(model):
    """Return the attributes that observing may change: the names of all attributes, and the forward."""
    return {name: (sorted(part.__dict__), part.__dict__.get("forward")) for name, part in model.named_modules()}


@pytest.mark.parametrize("name", UNREADABLE)
def test_the_output_is_read_with_a_warning_that_names_the_hook(name):
    make, module = UNREADABLE[name]
    model = make().eval()
    output = out_of(model, module)
    before = attributes(model)
    with pytest.warns(UserWarning, match="register_adapters") as warned:
        acts = capture(model, X)
    assert [str(warning.message).startswith(f"Only the output of '{module}'") for warning in warned] == [True]
    assert warned[0].filename.endswith("nets.py")  # the caller of interp.capture
    assert set(acts["quantity"].values) == {"out"}
    np.testing.assert_allclose(values(acts, module=module), output, rtol=0, atol=1e-6)
    if module != "model":
        read = model.read(output).detach()
        np.testing.assert_allclose(values(acts, module="read"), read, rtol=0, atol=1e-6)
    assert attributes(model) == before
    torch.testing.assert_close(out_of(model, module), output, rtol=0, atol=0)


@pytest.mark.parametrize("options", [{"quantities": ["f"]}, {"quantities": ["h", "z"]}])
@pytest.mark.parametrize("name", UNREADABLE)
def test_requesting_gates_by_name_is_an_error(name, options):
    make, module = UNREADABLE[name]
    with pytest.raises(interp.CaptureError, match=f"gates of '{module}' can't be read.*register_adapters"):
        capture(make().eval(), X, **options)


def test_requesting_gates_of_a_module_without_a_recurrent_name_is_an_error():
    model = Reader(Leaky()).eval()
    with pytest.raises(interp.CaptureError, match=r"\['f'\].*no module whose gates.*register_adapters"):
        capture(model, X, quantities=["f"])
    assert set(capture(model, X, modules=["encoder"])["unit"].values) == {f"encoder.out.{k}" for k in range(4)}


def test_the_parts_of_a_scripted_model_are_not_called():
    with pytest.raises(interp.CaptureError, match="did not call 'lstm'"):
        capture(torch.jit.script(Encoder()), X, modules=["lstm"])


def test_dropout_in_a_scripted_or_quantised_module_is_detected():
    scripted = torch.jit.script(nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5)))
    with pytest.raises(interp.CaptureError, match=r"'1'.*model\.eval\(\)"):
        capture(scripted, X)
    with pytest.raises(interp.CaptureError, match=r"'encoder'.*model\.eval\(\)"):
        capture(quantised(Reader(nn.LSTM(3, 4, 2, dropout=0.5)), nn.LSTM).train(), X)


def test_a_frozen_model_can_be_read_by_name():
    frozen = torch.jit.freeze(torch.jit.script(Encoder().eval()))
    acts = capture(frozen, X, modules=["model"])
    np.testing.assert_allclose(acts.activation, frozen(X).detach().flatten(0, 1), rtol=0, atol=1e-6)


class Custom(nn.Module):
    """A recurrent cell without an adapter."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x, state):
        return torch.tanh(x @ self.weight + state)


class CustomLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Custom()

    def forward(self, x):
        state, outs = torch.zeros(len(x), 4), []
        for t in range(x.shape[1]):
            state = self.inner(x[:, t], state)
            outs.append(state)
        return torch.stack(outs, 1)


def test_an_unknown_recurrent_module_gives_its_output_and_a_warning():
    model, x = nn.Sequential(CustomLSTM(), nn.Linear(4, 2)).eval(), torch.randn(2, 3, 4)
    with pytest.warns(UserWarning, match="register_adapters"):
        acts = capture(model, x)
    np.testing.assert_allclose(values(acts, module="0"), model[0](x).detach().reshape(6, 4), atol=1e-6)
    with pytest.raises(interp.CaptureError, match="register_adapters"):
        capture(model, x, modules=["0"], quantities=["h"])


def test_a_traced_module_gives_its_output_and_a_warning():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = torch.jit.trace(nn.LSTM(3, 4, batch_first=True), torch.randn(2, 5, 3))

        def forward(self, x):
            return self.rnn(x)[0]

    x = torch.randn(2, 5, 3)
    with pytest.warns(UserWarning, match="Only the output of 'rnn' is read"):
        acts = interp.capture(Net().eval(), x, progress=False)
    assert set(acts["quantity"].values) == {"out"}
    with pytest.raises(interp.CaptureError, match="gates of 'rnn' can't be read"):
        interp.capture(Net().eval(), x, quantities=["f"], progress=False)


def test_a_quantised_module_gives_its_output_and_a_warning():
    quantised = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.LSTM(3, 4, batch_first=True)), {nn.LSTM}, torch.qint8
    )
    with pytest.warns(UserWarning, match="register_adapters"):
        acts = interp.capture(quantised.eval(), torch.randn(2, 5, 3), progress=False)
    assert acts.sizes == {"token": 10, "unit": 4}


def test_an_lstm_subclass_with_its_own_forward_is_not_read_as_an_lstm():
    class Odd(nn.LSTM):
        def forward(self, x, hx=None):
            return super().forward(2 * x, hx)

    class Plain(nn.LSTM):
        pass

    with pytest.warns(UserWarning, match="no adapter knows"):
        assert set(capture(Odd(3, 4).eval(), torch.randn(5, 2, 3))["quantity"].values) == {"out"}
    assert "f" in capture(Plain(3, 4).eval(), torch.randn(5, 2, 3))["quantity"].values
