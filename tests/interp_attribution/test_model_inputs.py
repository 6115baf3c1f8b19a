"""Model inputs of every layout: time first, packed, tuples, and integer codes with and without an embedding."""

import captum.attr
import numpy as np
import pytest
import torch
from helpers.edited import batch, net
from torch import nn

import interp


def attribute(model, samples, selection=None, **options):
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    acts = acts if selection is None else interp.select(acts, **selection)
    return interp.measure("attribution", acts, model=model, batches=samples, **{"target": 1, **options})


def test_time_first_tuple_and_packed_inputs_agree():
    model, samples = net(layers=1), batch(packed=False)
    expected = attribute(model, samples, baseline="zero").attribution.values
    time_first = net(layers=1)
    time_first.rnn.batch_first = False
    transposed = interp.Batch(samples.inputs.transpose(0, 1).contiguous(), labels=samples.labels)
    np.testing.assert_allclose(
        attribute(time_first, transposed, baseline="zero").attribution.values, expected, atol=1e-12
    )

    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net(layers=1)

        def forward(self, data):
            rows, state = self.inner.rnn(data)
            return rows._replace(data=self.inner.dense(rows.data).tanh()), state

    lengths = torch.tensor([6, 6, 6, 6])
    data = nn.utils.rnn.pack_padded_sequence(samples.inputs, lengths, batch_first=True, enforce_sorted=False)
    np.testing.assert_allclose(
        attribute(Packed().eval(), data, baseline="zero").attribution.values, expected, atol=1e-12
    )


def test_codes_are_attributed_through_embeddings_and_one_hot_rows():
    class CodeNet(nn.Module):
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
        model = CodeNet(embed).eval()
        result = attribute(model, interp.Batch(codes, labels={"source": [0, 1]}), baseline="samples")
        rows = model.embed(codes).detach() if embed else nn.functional.one_hot(codes, 7).double()
        kind = captum.attr.IntegratedGradients(lambda x, m=model: m.dense(m.lstm(x)[0])[:, 2, 1])
        expected = kind.attribute(rows[:1], rows[1:]).detach()[0].sum(1)
        np.testing.assert_allclose(result.attribution.values[2], expected, atol=1e-9)


class EmbeddingByStep(nn.Module):
    """Embeds one code per step and runs a cell in a loop."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.cell, self.dense = (
            nn.Embedding(7, 3).double(),
            nn.LSTMCell(3, 4).double(),
            nn.Linear(4, 2).double(),
        )

    def forward(self, codes):
        rows = torch.stack([self.embedding(codes[:, step]) for step in range(codes.shape[1])], 1)
        return self.run_cell(rows)

    def run_cell(self, rows):
        state, outs = None, []
        for step in range(rows.shape[1]):
            state = self.cell(rows[:, step], state)
            outs.append(self.dense(state[0]))
        return torch.stack(outs, 1)


def test_codes_embedded_step_by_step():
    model, codes = EmbeddingByStep().eval(), torch.tensor([[0, 3, 6, 2], [5, 5, 1, 0]])
    samples = interp.Batch(codes, [4, 4])
    result = attribute(model, samples, baseline="zero")
    kind = captum.attr.IntegratedGradients(lambda x: model.run_cell(x)[:, 2, 1])
    expected = kind.attribute(model.embedding(codes).detach()).detach().sum(2)
    np.testing.assert_allclose(interp.select(result, step=2).attribution, expected, atol=1e-9)
    acts = interp.select(interp.capture(model, samples, progress=False, dtype="float64"), step=2)
    gates = interp.measure("unit-attribution", acts, model=model, batches=samples, target=1, baseline="zero",
                           include_residual=True,
                           units={"quantity": ["i", "f", "g", "o", "c_prev"]}, offset=-1)  # fmt: skip
    assert abs(gates.convergence_delta).max() < 1e-9
    assert abs(gates.residual).min() > 1e-4  # the input of the token's own step


def test_codes_without_a_usable_embedding_raise_errors():
    class UnusedEmbedding(nn.Module):
        def __init__(self, several):
            super().__init__()
            self.one, self.lstm = nn.Embedding(5, 3), nn.LSTM(3, 4, batch_first=True)
            self.two = nn.Embedding(5, 3) if several else None

        def forward(self, x):
            return self.lstm(self.one(x.clamp(max=2)))[0]

    codes = torch.tensor([[0, 1, 4], [3, 2, 0]])
    for several, options, text in [
        (False, {}, "does not depend on its codes"),
        (True, {}, "several embeddings: one, two"),
        (True, {"embedding": "three"}, "no module 'three'"),
        (True, {"embedding": "two"}, "does not depend on its codes"),
    ]:
        with pytest.raises(interp.InterpError, match=text):
            attribute(UnusedEmbedding(several).eval(), codes, baseline="zero", **options)
