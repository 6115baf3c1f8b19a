"""Attributions to letters: against Captum itself, naive means over sentences, and completeness."""

import captum.attr
import numpy as np
import pytest
import torch
from edited import LENGTHS, LETTERS, batch, net
from torch import nn

import interp


def explained(model, samples, keep=None, **options):
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    acts = acts if keep is None else interp.pick(acts, **keep)
    return interp.measure("attribution", acts, model=model, batches=samples, **{"target": 1, **options})


class Summing(nn.Module):
    """Gives one number a sample and target step, which every method of Captum takes."""

    def __init__(self, model, step):
        super().__init__()
        self.model, self.step = model, step

    def forward(self, x):
        return self.model(x)[:, self.step, 1]


SAME = {
    "IntegratedGradients": {"baselines": 0},
    "InputXGradient": {},
    "Saliency": {},
    "GuidedBackprop": {},
    "DeepLift": {"baselines": 0},
    "FeatureAblation": {"feature_mask": torch.arange(6)[None, :, None].expand(1, 6, 3).contiguous()},
    "ShapleyValueSampling": {"feature_mask": torch.arange(6)[None, :, None].expand(1, 6, 3).contiguous()},
    "KernelShap": {"feature_mask": torch.arange(6)[None, :, None].expand(1, 6, 3).contiguous()},
    "Occlusion": {"sliding_window_shapes": (1, 3)},
}


@pytest.mark.parametrize("method", SAME)
def test_captum_alone_says_the_same_where_it_works(method):
    model, samples = net(), batch(packed=False)
    found = explained(model, samples, {"sample": 1, "step": 4}, method=method, baseline="zero", seed=3)
    torch.manual_seed(3)
    kind = getattr(captum.attr, method)(Summing(model, 4))
    wanted = kind.attribute(samples.inputs[1:2], **SAME[method]).detach()[0]
    wanted = wanted[:, 0] if "feature_mask" in SAME[method] or method == "Occlusion" else wanted.sum(1)
    np.testing.assert_allclose(found.attribution.values[0], wanted, atol=1e-5)
    assert found.value.values[0] == pytest.approx(float(model(samples.inputs)[1, 4, 1]))


def test_every_token_is_a_row_of_its_own():
    model, samples = net(), batch(packed=False)
    found = explained(model, samples, baseline="zero", options={"n_steps": 60})
    assert found.attribution.dims == ("token", "source_step")
    assert found.sizes == {"token": 24, "source_step": 6}
    kind = captum.attr.IntegratedGradients(model)
    for row in range(24):
        sample, step = divmod(row, 6)
        told, delta = kind.attribute(samples.inputs[sample : sample + 1], target=(step, 1), n_steps=60,
                                     return_convergence_delta=True)  # fmt: skip
        np.testing.assert_allclose(found.attribution.values[row], told.detach()[0].sum(1), atol=1e-9)
        assert float(found.delta[row]) == pytest.approx(float(delta), abs=1e-9)
    assert found.offset.values[7].tolist() == [-1, 0, 1, 2, 3, 4]
    assert found.source_input.values[7].tolist() == list("babbab")
    assert found.attrs["n_tokens"] == 24
    assert found.attrs["n_sources"] == 3


def test_packed_samples_are_what_they_are_alone():
    model, samples = net(), batch()
    found = explained(model, samples, baseline="zero")
    for sample, n in enumerate(LENGTHS):
        alone = explained(model, interp.Batch(samples.inputs[0][sample : sample + 1, :n]), baseline="zero")
        mine = interp.pick(found, sample=sample).attribution.values
        np.testing.assert_allclose(mine[:, :n], alone.attribution.values, atol=1e-9)
        assert np.isnan(mine[:, n:]).all()


def sentences(limit=9):
    torch.manual_seed(5)
    lengths = [6, 6, 6, 6, 4, 8, 9, 6, 3][:limit]
    x = torch.randn(len(lengths), max(lengths), 3).double()
    return interp.Batch((x, torch.tensor(lengths)), lengths, {"source": [0, 0, 1, 2, 3, 4, 5, 2, 6]})


def test_the_baseline_is_a_mean_over_sentences_of_other_sources_of_the_same_length_first():
    model, samples = net(), sentences()
    found = explained(model, samples, {"sample": 0, "step": 3}, sentences=3)
    x = samples.inputs[0]
    kind, told = captum.attr.IntegratedGradients(lambda rows: model(rows)[:, 3, 1]), {}
    for other in (2, 3, 7, 5):
        told[other] = kind.attribute(x[:1, :6], x[other : other + 1, :6]).detach()[0].sum(1).numpy()
    means = [np.mean([told[2], told[same], told[5]], 0) for same in (3, 7)]  # one of the two samples of source 2
    assert any(np.allclose(found.attribution.values[0, :6], mean, atol=1e-8) for mean in means)
    assert int(found.baselines[0]) == 3
    assert int(explained(model, samples, {"sample": 0, "step": 3}, sentences=20).baselines[0]) == 6
    alone = explained(model, samples, {"sample": 0, "step": 3}, sentences=1, pool=interp.Batch(x[2:3, :6]))
    np.testing.assert_allclose(alone.attribution.values[0, :6], told[2], atol=1e-8)
    short = explained(model, samples, {"sample": 0, "step": 3}, pool=interp.Batch(x[4:5, :4]))  # continued by itself
    wanted = kind.attribute(x[:1, :6], torch.cat([x[4:5, :4], x[4:5, :2]], 1)).detach()[0].sum(1)
    np.testing.assert_allclose(short.attribution.values[0, :6], wanted, atol=1e-8)


def test_time_first_tuple_and_packed_inputs_agree():
    first, samples = net(layers=1), batch(packed=False)
    wanted = explained(first, samples, baseline="zero").attribution.values
    other = net(layers=1)
    other.rnn.batch_first = False
    turned = interp.Batch(samples.inputs.transpose(0, 1).contiguous(), labels=samples.labels)
    np.testing.assert_allclose(explained(other, turned, baseline="zero").attribution.values, wanted, atol=1e-12)

    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net(layers=1)

        def forward(self, data):
            rows, state = self.inner.rnn(data)
            return rows._replace(data=self.inner.dense(rows.data).tanh()), state

    lengths = torch.tensor([6, 6, 6, 6])
    data = nn.utils.rnn.pack_padded_sequence(samples.inputs, lengths, batch_first=True, enforce_sorted=False)
    np.testing.assert_allclose(explained(Packed().eval(), data, baseline="zero").attribution.values, wanted, atol=1e-12)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_log_odds_are_attributed_completely(kind):
    model, samples = net(kind), batch()
    model.symbols = {"dense": list("abcde")}
    found = explained(model, samples, target="input", against=["a", "b", "c"], baseline="zero")
    logits = model(*samples.inputs).detach().numpy()
    rows = 0
    for sample, n in enumerate(LENGTHS):
        for step in range(n):
            place = "abc".index(LETTERS[sample][step])
            others = np.delete(logits[sample, step, :3], place)
            wanted = logits[sample, step, place] - np.log(np.exp(others).sum())
            assert float(found.value[rows]) == pytest.approx(wanted)
            rows += 1
    assert abs(found.delta.values).max() < 1e-6


def test_letters_are_attributed_through_embeddings_and_one_hot_rows():
    class Letters(nn.Module):
        def __init__(self, embed):
            super().__init__()
            torch.manual_seed(0)
            self.embed = nn.Embedding(7, 3).double() if embed else None
            self.lstm, self.dense = nn.LSTM(3 if embed else 7, 4, batch_first=True).double(), nn.Linear(4, 2).double()

        def forward(self, x):
            rows = self.embed(x) if self.embed else x if x.is_floating_point() else nn.functional.one_hot(x, 7).double()
            return self.dense(self.lstm(rows)[0])

    codes = torch.tensor([[0, 3, 6, 2], [5, 5, 1, 0]])
    for embed in (True, False):
        model = Letters(embed).eval()
        found = explained(model, interp.Batch(codes, labels={"source": [0, 1]}), baseline="sentences")
        rows = model.embed(codes).detach() if embed else nn.functional.one_hot(codes, 7).double()
        kind = captum.attr.IntegratedGradients(lambda x, m=model: m.dense(m.lstm(x)[0])[:, 2, 1])
        told = kind.attribute(rows[:1], rows[1:]).detach()[0].sum(1)
        np.testing.assert_allclose(found.attribution.values[2], told, atol=1e-9)


class ByStep(nn.Module):
    """Looks a letter up at each step, time first, in a loop over a cell."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.look, self.cell, self.dense = (
            nn.Embedding(7, 3).double(),
            nn.LSTMCell(3, 4).double(),
            nn.Linear(4, 2).double(),
        )

    def forward(self, codes):
        rows = torch.stack([self.look(codes[:, step]) for step in range(codes.shape[1])], 1)
        return self.over(rows)

    def over(self, rows):
        state, outs = None, []
        for step in range(rows.shape[1]):
            state = self.cell(rows[:, step], state)
            outs.append(self.dense(state[0]))
        return torch.stack(outs, 1)


def test_letters_that_are_looked_up_step_by_step():
    model, codes = ByStep().eval(), torch.tensor([[0, 3, 6, 2], [5, 5, 1, 0]])
    samples = interp.Batch(codes, [4, 4])
    found = explained(model, samples, baseline="zero")
    kind = captum.attr.IntegratedGradients(lambda x: model.over(x)[:, 2, 1])
    told = kind.attribute(model.look(codes).detach()).detach().sum(2)
    np.testing.assert_allclose(interp.pick(found, step=2).attribution, told, atol=1e-9)
    acts = interp.pick(interp.capture(model, samples, progress=False, dtype="float64"), step=2)
    gates = interp.measure("unit-attribution", acts, model=model, batches=samples, target=1, baseline="zero", rest=True,
                           units={"quantity": ["i", "f", "g", "o", "c_prev"]}, offset=-1)  # fmt: skip
    assert abs(gates.delta).max() < 1e-9
    assert abs(gates.rest).min() > 1e-4  # the letter at the step itself


def test_the_armenian_network_is_explained_completely(armenian):
    model, batches, acts = armenian
    for baseline in ("sentences", "space"):
        found = interp.measure("attribution", acts, model=model, batches=batches, sentences=2, baseline=baseline)
        change = abs(found.value - found.baseline_value).values
        assert (abs(found.delta.values) < np.maximum(0.01 * change, 1e-3)).all()
    reach = abs(found.attribution.where(found.offset == 0)).sum() / abs(found.attribution).sum()
    assert float(reach) > 0.2  # the letter itself


def test_infidelity_and_sensitivity_are_those_of_a_linear_network():
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.dense = (
                nn.RNN(3, 2, nonlinearity="relu", batch_first=True).double(),
                nn.Linear(3, 2).double(),
            )

        def forward(self, x):
            return self.dense(x).cumsum(1) + 0 * self.rnn(x)[0]

    samples = batch(packed=False)
    options = {"baseline": "zero", "infidelity": 10, "sensitivity": 5, "keep": {"sample": [0, 1]}}
    found = explained(Linear().eval(), samples, **options)
    assert abs(found.infidelity.values).max() < 1e-15
    same = explained(Linear().eval(), samples, method="Saliency", **options)
    assert abs(same.sensitivity.values).max() == 0
    assert same.infidelity.values.min() > 1e-3
    curved = explained(net(), samples, method="InputXGradient", **options)
    assert curved.infidelity.values.min() > 0
    assert 0 < curved.sensitivity.values.max() < 1


@pytest.mark.parametrize("method", ["GradientShap", "ShapleyValueSampling", "DeepLiftShap"])
def test_the_same_seed_gives_the_same_bytes_and_leaves_generators_alone(method):
    model, samples = net(), sentences()
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = (explained(model, samples, {"sample": 0, "step": 3}, method=method, sentences=3) for _ in range(2))
    assert one.attribution.equals(two.attribution)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert not any(hasattr(part.__dict__.get("forward"), "interp_edits") for part in model.modules())
