"""Exactness of captured gates: equal to the float64 reference in the row of their token, for many kinds of models."""

import numpy as np
import pytest
import torch
from helpers.nets import Tagger, capture, values
from helpers.steps import QUANTITIES, assert_exact, reference, worst_element
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence

import interp

pytestmark = pytest.mark.usefixtures("engine_mode")

KINDS = ["LSTM", "GRU", "RNN"]


def recurrent(acts, module):
    """Return the units of one recurrent module."""
    return interp.select(acts, module=module)


@pytest.mark.parametrize("batch_size", [2, 64])
def test_three_packed_unsorted_layers_come_in_the_callers_order(batch_size):
    torch.manual_seed(3)
    model, lengths = Tagger(3).double().eval(), [4, 9, 1, 6, 9, 2]
    x = torch.randn(6, 9, 5).double()
    labels = {"place": [[f"{sample}:{step}" for step in range(n)] for sample, n in enumerate(lengths)]}
    batch = interp.Batch((x, torch.tensor(lengths)), lengths, labels)
    acts = capture(model, batch, quantities=QUANTITIES["LSTM"], batch_size=batch_size)
    assert acts["place"].values.tolist() == [place for row in labels["place"] for place in row]
    assert [f"{s}:{t}" for s, t in zip(acts["sample"].values, acts["step"].values, strict=True)] == list(acts["place"])
    assert_exact(recurrent(acts, "lstm"), reference(model.lstm, [row[:n] for row, n in zip(x, lengths, strict=True)]))


@pytest.mark.parametrize("kind", KINDS)
def test_backward_rows_are_those_of_the_reversed_sample_in_reverse(kind):
    torch.manual_seed(4)
    both = getattr(nn, kind)(3, 4, bidirectional=True, batch_first=True).double().eval()
    alone = getattr(nn, kind)(3, 4, batch_first=True).double().eval()
    alone.load_state_dict({name: both.state_dict()[f"{name}_reverse"] for name in alone.state_dict()})
    samples, lengths = [torch.randn(n, 3).double() for n in (5, 2, 7)], torch.tensor([5, 2, 7])
    packed = pack_padded_sequence(nn.utils.rnn.pad_sequence(samples, True), lengths, True, enforce_sorted=False)
    reversed_rows = torch.cat([alone(sample.flip(0))[0].flip(0) for sample in samples]).detach()
    actual = values(capture(both, packed), direction="backward", quantity="h")
    np.testing.assert_allclose(actual, reversed_rows, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_models_of_every_precision(kind, dtype):
    torch.manual_seed(5)
    model = Tagger(2)
    model.lstm = getattr(nn, kind)(5, 4, 2, bidirectional=True, batch_first=True)
    model, x = model.to(dtype).eval(), torch.randn(3, 6, 5, dtype=dtype)
    acts = capture(model, x, quantities=QUANTITIES[kind])
    with torch.no_grad():
        own, out = model.lstm(x)[0].double().flatten(0, 1), model(x).double().flatten(0, 1)
    ref = reference(model.lstm, x)
    assert_exact(recurrent(acts, "lstm"), ref, dtype, worst_element(own.numpy(), ref, [6] * 3))
    np.testing.assert_allclose(values(acts, module="output"), out, rtol=0, atol=8 * torch.finfo(dtype).eps)


NORMS = {
    "weight_norm": lambda module, name: nn.utils.weight_norm(module, name),
    "parametrized": parametrizations.weight_norm,
    "orthogonal": parametrizations.orthogonal,
    "spectral": parametrizations.spectral_norm,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", NORMS)
def test_computed_weights_of_sequences_and_cells(norm, kind):
    torch.manual_seed(6)
    rnn, x = getattr(nn, kind)(3, 4, batch_first=True).double(), torch.randn(2, 5, 3).double()
    NORMS[norm](rnn, "weight_hh_l0")
    acts = capture(rnn.eval(), x, quantities=QUANTITIES[kind])
    assert_exact(acts, reference(rnn, x))

    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = getattr(nn, kind + "Cell")(3, 4)
            NORMS[norm](self.cell, "weight_hh")

        def forward(self, x):
            state = None
            for t in range(x.shape[1]):
                state = self.cell(x[:, t], state)

    loop = Loop().double().eval()
    assert_exact(capture(loop, x, quantities=QUANTITIES[kind]), reference(loop.cell, x))


def compiled(model, where):
    if where == "model":
        return torch.compile(model, backend="eager")
    if where == "module":
        model.lstm = torch.compile(model.lstm, backend="eager")
    elif where == "in place":
        model.compile(backend="eager")
    return model


@pytest.mark.parametrize("where", ["model", "module", "in place"])
@pytest.mark.parametrize("warm", [False, True])
def test_compiled_models(where, warm):
    torch.manual_seed(7)
    plain = Tagger(2).double().eval()
    x = torch.randn(3, 4, 5).double()
    ref, out = reference(plain.lstm, x), plain(x).detach().flatten(0, 1)
    model = compiled(plain, where)
    if warm:
        model(x)
    acts = capture(model, x, quantities=QUANTITIES["LSTM"])
    assert_exact(recurrent(acts, "lstm"), ref)
    np.testing.assert_allclose(values(acts, module="output"), out, rtol=0, atol=1e-12)
    torch.testing.assert_close(model(x).flatten(0, 1), out, rtol=0, atol=1e-12)  # the model still runs compiled


class Calls(nn.Module):
    """A module that is called once per part of its inputs; ``hand_on`` passes the state to the next call."""

    def __init__(self, kind, hand_on):
        super().__init__()
        self.rnn, self.hand_on = getattr(nn, kind)(3, 4, 2, batch_first=True), hand_on

    def forward(self, *parts):
        state = None
        for part in parts:
            _, after = self.rnn(part, state)
            state = after if self.hand_on else None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hand_on", [False, True])
def test_several_calls_are_distinguished_by_call(kind, hand_on):
    torch.manual_seed(8)
    model, parts = Calls(kind, hand_on).double().eval(), [torch.randn(2, n, 3).double() for n in (3, 1, 4)]
    acts = capture(model, interp.Batch(tuple(parts)), quantities=QUANTITIES[kind])
    assert acts["call"].values.tolist() == [0, 0, 0, 1, 2, 2, 2, 2] * 2
    assert acts["step"].values.tolist() == [*range(8)] * 2
    if hand_on:
        assert_exact(acts, reference(model.rnn, torch.cat(parts, 1)))
    else:
        for call, part in enumerate(parts):
            assert_exact(interp.select(acts, call=call), reference(model.rnn, part))
