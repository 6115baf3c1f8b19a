"""What users of Captum report of recurrent networks, each as Captum alone fails and as the plugin works.

Numbers are those of Captum's issues.
"""

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

import interp


class Refusing(torch.autograd.Function):
    """What cuDNN does in eval mode: the forward runs, and there is no backward."""

    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, slope):
        raise RuntimeError("cudnn RNN backward can only be called in training mode")


@pytest.fixture
def cudnn(monkeypatch):
    """Have torch's fused kernels behave as cuDNN's, on any machine."""

    def refusing(own, place):
        def kernel(*args):
            found = own(*args)
            packed = isinstance(args[3], list | tuple)
            training = args[-2 if packed else -3]
            return found if training else (Refusing.apply(found[0]), *found[1:])

        return kernel

    for name in ("lstm", "gru"):
        own = getattr(nn.modules.rnn._VF, name)
        monkeypatch.setattr(nn.modules.rnn._VF, name, refusing(own, name))


def tokens(model, samples, **keep):
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    return interp.pick(acts, **keep) if keep else acts


def explained(probe, model, samples, acts, **options):
    options = {"target": 0, "baseline": "zero", **options}
    return interp.measure(probe, acts, model=model, batches=samples, **options)


class Series(nn.Module):
    """Returns a tuple: a series, and the state. Takes two more inputs, as in 564."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.dense = nn.LSTM(5, 4, bidirectional=True, batch_first=True), nn.Linear(8, 1)

    def forward(self, x, fixed, one_hot):
        steps = x.shape[1]
        both = torch.cat([x, fixed[:, None].expand(-1, steps, -1), one_hot[:, None].expand(-1, steps, -1)], -1)
        h, state = self.lstm(both)
        return self.dense(h), state


def test_564_a_trained_lstm_in_eval_mode_that_returns_a_tuple(cudnn):
    torch.manual_seed(1)
    model, x = Series().double().eval(), torch.randn(3, 7, 2).double()
    more = torch.randn(3, 1).double(), torch.randn(3, 2).double()
    alone = captum.attr.IntegratedGradients(lambda x, *more: model(x, *more)[0][:, -1])
    with pytest.raises(RuntimeError, match="cudnn RNN backward"):
        alone.attribute(x, additional_forward_args=more)
    samples = interp.Batch((x, *more))
    found = explained("attribution", model, samples, tokens(model, samples, step=6))
    model.train()  # what users were told to do
    wanted = alone.attribute(x, additional_forward_args=more).detach().sum(2)
    np.testing.assert_allclose(found.attribution, wanted, atol=1e-9)


@pytest.mark.parametrize("method", ["DeepLiftShap", "DeepLift", "IntegratedGradients"])
def test_328_a_bidirectional_lstm_in_eval_mode(cudnn, method):
    model = nn.Sequential(Bare(), nn.Linear(8, 2)).double().eval()
    x = torch.randn(3, 5, 3).double()
    with pytest.raises(RuntimeError, match="cudnn RNN backward"):
        getattr(captum.attr, method)(model).attribute(x, baselines=torch.zeros(2, 5, 3).double()[: len(x)] if
                                                      method == "DeepLiftShap" else 0, target=(4, 0))  # fmt: skip
    found = explained("attribution", model, x, tokens(model, x, step=4), method=method)
    model.train()
    if method == "IntegratedGradients":
        wanted = captum.attr.IntegratedGradients(model).attribute(x, target=(4, 0)).detach().sum(2)
        np.testing.assert_allclose(found.attribution, wanted, atol=1e-9)
    assert np.isfinite(found.attribution).all()


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm = nn.LSTM(3, 4, bidirectional=True, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0]


def test_1159_results_in_eval_mode_repeat_and_dropout_stays_off(cudnn):
    model = nn.Sequential(Bare(), nn.Dropout(0.5), nn.Linear(8, 2)).double()
    x = torch.randn(2, 5, 3).double()
    acts = tokens(model.eval(), x, step=4)
    one, two = (explained("attribution", model, x, acts) for _ in range(2))
    assert one.attribution.equals(two.attribution)
    assert not model.training
    with pytest.raises(interp.OptionError, match=r"model\.eval\(\)"):
        explained("attribution", model.train(), x, acts)


class Last(nn.Module):
    """A recurrent layer, its last step, a dense layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.dense = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        h, _ = self.lstm(x, (x.new_zeros(1, len(x), 4), x.new_zeros(1, len(x), 4)))
        return self.dense(h[:, -1])


def test_815_conductance_of_an_lstm_layer():
    model, x = Last().double().eval(), torch.randn(3, 5, 3).double()
    with pytest.raises(AssertionError, match=r"Given input is not a torch\.Tensor"):
        captum.attr.LayerConductance(model, model.lstm).attribute(x, target=0)
    found = explained("unit-attribution", model, x, tokens(model, x, step=4), units={"module": "lstm", "quantity": "h"})

    class Only(nn.Module):  # what users were told to write
        def __init__(self):
            super().__init__()
            self.rnn = model.lstm

        def forward(self, x):
            return self.rnn(x)[0]

    wrapped = Only()
    alone = captum.attr.NeuronConductance(lambda x: model.dense(wrapped(x)[:, -1]), wrapped)
    for index in range(4):
        wanted = alone.attribute(x, (4, index), target=0, n_steps=50, method="gausslegendre").detach().sum((1, 2))
        np.testing.assert_allclose(found.conductance[:, index], wanted, atol=1e-9)


def test_1220_attribution_to_an_lstm_layer_that_returns_a_tuple():
    model, x = Last().double().eval(), torch.randn(3, 5, 3).double()
    with pytest.raises(AttributeError, match="'tuple' object has no attribute 'clone'"):
        captum.attr.LayerIntegratedGradients(model, model.lstm).attribute(x, target=0)
    acts = tokens(model, x, step=4)
    found = explained("unit-attribution", model, x, acts, units={"module": "lstm", "quantity": "h"}, rest=True)
    np.testing.assert_allclose(found.conductance.sum("unit"), found.value - found.baseline_value, atol=1e-8)
    assert abs(found.rest).max() == 0


class Twins(nn.Module):
    """Takes two dicts with packed letters; one embedding and one LSTM read both, as in 731."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.lstm, self.dense = nn.Embedding(9, 3), nn.LSTM(3, 4), nn.Linear(8, 1)

    def side(self, data):
        seq = data["seq"]
        h = self.lstm(PackedSequence(self.embed(seq.data), seq.batch_sizes))[1][0][-1]
        return h if seq.unsorted_indices is None else h[seq.unsorted_indices]

    def forward(self, left, right):
        return self.dense(torch.cat([self.side(left), self.side(right)], -1)).squeeze(-1)


def test_731_packed_sequences_in_dicts_through_one_lstm_twice():
    draw = np.random.default_rng(0)
    left, right = ([torch.from_numpy(draw.integers(0, 9, n)) for n in lengths] for lengths in ([5, 4, 4], [3, 6, 2]))
    model = Twins().double().eval()
    sides = [{"seq": pack_sequence(side, enforce_sorted=False)} for side in (left, right)]
    with pytest.raises((AssertionError, AttributeError, TypeError)):
        captum.attr.IntegratedGradients(model).attribute(tuple(sides))
    acts = interp.dataset(
        np.zeros((3, 1)),
        {"unit": ["u"], "module": ["u"], "layer": [0], "direction": [""], "quantity": ["out"], "index": [0]},
        {"sample": range(3), "step": [4, 3, 3], "source": range(3)},
    )
    found = explained("attribution", model, interp.Batch(tuple(sides)), acts)
    assert abs(found.delta).max() < 1e-9
    for sample, letters in enumerate(left):
        rows = model.embed(letters).detach()

        def alone(x, letters=letters, sample=sample):
            own = model.lstm(x.transpose(0, 1))[1][0][-1]
            other = model.lstm(model.embed(right[sample])[:, None].expand(-1, len(x), -1))[1][0][-1]
            return model.dense(torch.cat([own, other], -1)).squeeze(-1)

        wanted = captum.attr.IntegratedGradients(alone).attribute(rows[None]).detach()[0].sum(1)
        np.testing.assert_allclose(found.attribution[sample, : len(letters)], wanted, atol=1e-9)


class Steps(nn.Module):
    """An encoder that calls its layers once a step, and a decoder that feeds itself, as in 1236."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.encoder, self.decoder = nn.Linear(3, 4), nn.GRUCell(4, 5), nn.GRUCell(2, 5)
        self.out = nn.Linear(5, 2)

    def forward(self, x):
        h = x.new_zeros(len(x), 5)
        for step in range(x.shape[1]):
            h = self.encoder(self.embedding(x[:, step]).tanh(), h)
        last, outs = x.new_zeros(len(x), 2), []
        for _ in range(x.shape[1]):
            h = self.decoder(last, h)
            last = self.out(h)
            outs.append(last)
        return torch.stack(outs, 1)


def test_1236_layers_that_are_called_once_a_step():
    model, x = Steps().double().eval(), torch.randn(2, 4, 3).double()
    layer = captum.attr.LayerIntegratedGradients(model, model.embedding)
    assert layer.attribute(x, target=(2, 0)).shape == (2, 4)  # an error then; now values of one call, of four
    samples = interp.Batch(x, [4, 4])
    acts = interp.capture(model, samples, progress=False, dtype="float64", modules=["encoder"])
    acts = interp.pick(acts, step=2)
    found = explained("unit-attribution", model, samples, acts, units={"module": "embedding"}, offset=[-2, -1, 0, 1],
                      rest=True)  # fmt: skip
    assert found.conductance.shape == (2, 4, 4)
    np.testing.assert_allclose(found.conductance.sum(("offset", "unit")), found.value - found.baseline_value, atol=1e-8)
    assert abs(found.delta).max() < 1e-8
    inputs = explained("attribution", model, samples, acts)
    wanted = captum.attr.IntegratedGradients(model).attribute(x, target=(2, 0)).detach().sum(2)
    np.testing.assert_allclose(inputs.attribution, wanted, atol=1e-9)


def test_1205_what_the_numbers_of_a_sequence_mean():
    """The question was how to read (batch, sequence, features): here every number says what it belongs to."""
    model, x = Last().double().eval(), torch.randn(2, 5, 3).double()
    found = explained("attribution", model, x, tokens(model, x))
    assert found.attribution.dims == ("token", "source_step")
    assert found.offset.sel(source_step=1).values.tolist() == [1, 0, -1, -2, -3] * 2
    table = interp.table(found)
    assert {"attribution", "source_step", "offset", "step", "sample"} <= set(table.columns)
    np.testing.assert_allclose(found.attribution.sum("source_step"), found.value - found.baseline_value, atol=1e-8)


class Everything(nn.Module):
    """Packed inside, batch_first, sorted by its own rule, a tuple outside."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.dense = nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True), nn.Linear(8, 2)

    def forward(self, x, lengths):
        packed, state = self.lstm(pack_padded_sequence(x, lengths, batch_first=True))  # wants them sorted
        return state, self.dense(pad_packed_sequence(packed, batch_first=True)[0])


def test_a_packed_tuple_returning_batch_first_model(cudnn):
    torch.manual_seed(2)
    model, lengths = Everything().double().eval(), [5, 3, 2]
    x = torch.randn(3, 5, 3).double()
    with pytest.raises(RuntimeError):
        captum.attr.IntegratedGradients(lambda *args: model(*args)[1][:, 1, 0]).attribute(
            x, additional_forward_args=torch.tensor(lengths)
        )
    samples = interp.Batch((x, torch.tensor(lengths)), lengths)
    found = explained("attribution", model, samples, tokens(model, samples), output=lambda out: out[1])
    gates = explained("unit-attribution", model, samples, tokens(model, samples), output=lambda out: out[1], rest=True,
                      units={"module": "lstm", "layer": 1, "quantity": "h"}, seen_by="output")  # fmt: skip
    model.train()
    rows = 0
    for sample, n in enumerate(lengths):
        for step in range(n):
            alone = captum.attr.IntegratedGradients(lambda x, n=n, t=step: model(x, [n] * len(x))[1][:, t, 0])
            wanted = alone.attribute(x[sample : sample + 1, :n]).detach()[0].sum(1)
            np.testing.assert_allclose(found.attribution[rows, :n], wanted, atol=1e-9)
            rows += 1
    assert abs(gates.delta).max() < 1e-8
