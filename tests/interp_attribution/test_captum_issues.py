"""Problems that users of Captum reported for recurrent networks: Captum alone fails, the plugin works.

The numbers in the names of tests are those of Captum's issues.
"""

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

import interp


class NoBackward(torch.autograd.Function):
    """cuDNN in eval mode: the forward pass works, the backward pass raises an error."""

    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, slope):
        raise RuntimeError("cudnn RNN backward can only be called in training mode")


@pytest.fixture
def cudnn(monkeypatch):
    """Make torch's fused kernels behave like cuDNN's, on any machine."""

    def without_backward(own):
        def kernel(*args):
            outputs = own(*args)
            packed = isinstance(args[3], list | tuple)
            training = args[-2 if packed else -3]
            return outputs if training else (NoBackward.apply(outputs[0]), *outputs[1:])

        return kernel

    for name in ("lstm", "gru"):
        own = getattr(nn.modules.rnn._VF, name)
        monkeypatch.setattr(nn.modules.rnn._VF, name, without_backward(own))


def tokens(model, samples, **selection):
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    return interp.select(acts, **selection) if selection else acts


def attribute(probe, model, samples, acts, **options):
    options = {"target": 0, "baseline": "zero", **options}
    return interp.measure(probe, acts, model=model, batches=samples, **options)


class Series(nn.Module):
    """Returns a tuple of output and state, and takes two more inputs, as in 564."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.dense = nn.LSTM(5, 4, bidirectional=True, batch_first=True), nn.Linear(8, 1)

    def forward(self, x, fixed, one_hot):
        steps = x.shape[1]
        both = torch.cat([x, fixed[:, None].expand(-1, steps, -1), one_hot[:, None].expand(-1, steps, -1)], -1)
        h, state = self.lstm(both)
        return self.dense(h), state


def test_564_lstm_in_eval_mode_that_returns_a_tuple(cudnn):
    torch.manual_seed(1)
    model, x = Series().double().eval(), torch.randn(3, 7, 2).double()
    more = torch.randn(3, 1).double(), torch.randn(3, 2).double()
    alone = captum.attr.IntegratedGradients(lambda x, *more: model(x, *more)[0][:, -1])
    with pytest.raises(RuntimeError, match="cudnn RNN backward"):
        alone.attribute(x, additional_forward_args=more)
    samples = interp.Batch((x, *more))
    result = attribute("attribution", model, samples, tokens(model, samples, step=6))
    model.train()  # the advice in the issue
    expected = alone.attribute(x, additional_forward_args=more).detach().sum(2)
    np.testing.assert_allclose(result.attribution, expected, atol=1e-9)


@pytest.mark.parametrize("method", ["DeepLiftShap", "DeepLift", "IntegratedGradients"])
def test_328_bidirectional_lstm_in_eval_mode(cudnn, method):
    model = nn.Sequential(Bare(), nn.Linear(8, 2)).double().eval()
    x = torch.randn(3, 5, 3).double()
    with pytest.raises(RuntimeError, match="cudnn RNN backward"):
        getattr(captum.attr, method)(model).attribute(x, baselines=torch.zeros(2, 5, 3).double()[: len(x)] if
                                                      method == "DeepLiftShap" else 0, target=(4, 0))  # fmt: skip
    result = attribute("attribution", model, x, tokens(model, x, step=4), method=method)
    model.train()
    if method == "IntegratedGradients":
        expected = captum.attr.IntegratedGradients(model).attribute(x, target=(4, 0)).detach().sum(2)
        np.testing.assert_allclose(result.attribution, expected, atol=1e-9)
    assert np.isfinite(result.attribution).all()


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm = nn.LSTM(3, 4, bidirectional=True, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0]


def test_1159_results_in_eval_mode_are_reproducible(cudnn):
    model = nn.Sequential(Bare(), nn.Dropout(0.5), nn.Linear(8, 2)).double()
    x = torch.randn(2, 5, 3).double()
    acts = tokens(model.eval(), x, step=4)
    first, second = (attribute("attribution", model, x, acts) for _ in range(2))
    assert first.attribution.equals(second.attribution)
    assert not model.training
    with pytest.raises(interp.OptionError, match=r"model\.eval\(\)"):
        attribute("attribution", model.train(), x, acts)


class Last(nn.Module):
    """A recurrent layer, and a dense layer on its last step."""

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
    result = attribute(
        "unit-attribution", model, x, tokens(model, x, step=4), units={"module": "lstm", "quantity": "h"}
    )

    class Only(nn.Module):  # the advice in the issue
        def __init__(self):
            super().__init__()
            self.rnn = model.lstm

        def forward(self, x):
            return self.rnn(x)[0]

    wrapped = Only()
    alone = captum.attr.NeuronConductance(lambda x: model.dense(wrapped(x)[:, -1]), wrapped)
    for index in range(4):
        expected = alone.attribute(x, (4, index), target=0, n_steps=50, method="gausslegendre").detach().sum((1, 2))
        np.testing.assert_allclose(result.conductance[:, index], expected, atol=1e-9)


def test_1220_lstm_layer_that_returns_a_tuple():
    model, x = Last().double().eval(), torch.randn(3, 5, 3).double()
    with pytest.raises(AttributeError, match="'tuple' object has no attribute 'clone'"):
        captum.attr.LayerIntegratedGradients(model, model.lstm).attribute(x, target=0)
    acts = tokens(model, x, step=4)
    result = attribute(
        "unit-attribution", model, x, acts, units={"module": "lstm", "quantity": "h"}, include_residual=True
    )
    np.testing.assert_allclose(result.conductance.sum("unit"), result.target_value - result.baseline_value, atol=1e-8)
    assert abs(result.residual).max() == 0


class Twins(nn.Module):
    """Takes two dicts with packed codes; one embedding and one LSTM read both, as in 731."""

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
    acts = interp.make_dataset(
        np.zeros((3, 1)),
        {"unit": ["u"], "module": ["u"], "layer": [0], "direction": [""], "quantity": ["out"], "index": [0]},
        {"sample": range(3), "step": [4, 3, 3], "source": range(3)},
    )
    result = attribute("attribution", model, interp.Batch(tuple(sides)), acts)
    assert abs(result.convergence_delta).max() < 1e-9
    for sample, codes in enumerate(left):
        rows = model.embed(codes).detach()

        def alone(x, sample=sample):
            own = model.lstm(x.transpose(0, 1))[1][0][-1]
            other = model.lstm(model.embed(right[sample])[:, None].expand(-1, len(x), -1))[1][0][-1]
            return model.dense(torch.cat([own, other], -1)).squeeze(-1)

        expected = captum.attr.IntegratedGradients(alone).attribute(rows[None]).detach()[0].sum(1)
        np.testing.assert_allclose(result.attribution[sample, : len(codes)], expected, atol=1e-9)


class Steps(nn.Module):
    """An encoder that calls its layers once per step, and a decoder that reads its own output, as in 1236."""

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


def test_1236_layers_called_once_per_step():
    model, x = Steps().double().eval(), torch.randn(2, 4, 3).double()
    layer = captum.attr.LayerIntegratedGradients(model, model.embedding)
    assert layer.attribute(x, target=(2, 0)).shape == (
        2,
        4,
    )  # an error when reported; now the values of one call out of four
    samples = interp.Batch(x, [4, 4])
    acts = interp.capture(model, samples, progress=False, dtype="float64", modules=["encoder"])
    acts = interp.select(acts, step=2)
    result = attribute("unit-attribution", model, samples, acts, units={"module": "embedding"}, offset=[-2, -1, 0, 1],
                      include_residual=True)  # fmt: skip
    assert result.conductance.shape == (2, 4, 4)
    np.testing.assert_allclose(
        result.conductance.sum(("offset", "unit")), result.target_value - result.baseline_value, atol=1e-8
    )
    assert abs(result.convergence_delta).max() < 1e-8
    inputs = attribute("attribution", model, samples, acts)
    expected = captum.attr.IntegratedGradients(model).attribute(x, target=(2, 0)).detach().sum(2)
    np.testing.assert_allclose(inputs.attribution, expected, atol=1e-9)


def test_1205_values_of_a_sequence_have_labels():
    """The issue asked how to read (batch, sequence, features): the result labels every value."""
    model, x = Last().double().eval(), torch.randn(2, 5, 3).double()
    result = attribute("attribution", model, x, tokens(model, x))
    assert result.attribution.dims == ("token", "source_step")
    assert result.offset.sel(source_step=1).values.tolist() == [1, 0, -1, -2, -3] * 2
    table = interp.to_dataframe(result)
    assert {"attribution", "source_step", "offset", "step", "sample"} <= set(table.columns)
    np.testing.assert_allclose(
        result.attribution.sum("source_step"), result.target_value - result.baseline_value, atol=1e-8
    )


class Everything(nn.Module):
    """Packs its input, requires sorted samples and returns a tuple."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.dense = nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True), nn.Linear(8, 2)

    def forward(self, x, lengths):
        packed, state = self.lstm(pack_padded_sequence(x, lengths, batch_first=True))  # requires sorted lengths
        return state, self.dense(pad_packed_sequence(packed, batch_first=True)[0])


def test_model_that_packs_sorts_and_returns_a_tuple(cudnn):
    torch.manual_seed(2)
    model, lengths = Everything().double().eval(), [5, 3, 2]
    x = torch.randn(3, 5, 3).double()
    with pytest.raises(RuntimeError):
        captum.attr.IntegratedGradients(lambda *args: model(*args)[1][:, 1, 0]).attribute(
            x, additional_forward_args=torch.tensor(lengths)
        )
    samples = interp.Batch((x, torch.tensor(lengths)), lengths)
    result = attribute("attribution", model, samples, tokens(model, samples), output=lambda out: out[1])
    units = {"module": "lstm", "layer": 1, "quantity": "h"}
    gates = attribute("unit-attribution", model, samples, tokens(model, samples), output=lambda out: out[1],
                      include_residual=True, units=units, scope="readout")  # fmt: skip
    model.train()
    rows = 0
    for sample, n in enumerate(lengths):
        for step in range(n):
            alone = captum.attr.IntegratedGradients(lambda x, n=n, t=step: model(x, [n] * len(x))[1][:, t, 0])
            expected = alone.attribute(x[sample : sample + 1, :n]).detach()[0].sum(1)
            np.testing.assert_allclose(result.attribution[rows, :n], expected, atol=1e-9)
            rows += 1
    assert abs(gates.convergence_delta).max() < 1e-8
