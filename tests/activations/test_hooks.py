"""A capture restores the model and the random state, also after an error."""

import math

import numpy as np
import pytest
import torch
from helpers.nets import Tagger, capture, values
from torch import nn

import interp

pytestmark = pytest.mark.usefixtures("engine_mode")


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.calls = nn.GRU(3, 4), 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 1:
            raise ValueError("no more")
        return self.gru(x)[0]


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called")


def snapshot(model):
    """Return everything about a model that capture must not change."""
    modules = {}
    for name, module in model.named_modules():
        hooks = [dict(getattr(module, kind)) for kind in HOOKS]
        modules[name] = (module.training, hooks, sorted(module.__dict__))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = {name: value.requires_grad for name, value in model.named_parameters()}
    return modules, gradients, torch.is_grad_enabled(), state, torch.get_rng_state()


def same(a, b):
    exact = {"rtol": 0, "atol": 0, "equal_nan": True}
    torch.testing.assert_close(a[3:], b[3:], **exact)
    return a[:3] == b[:3]


def forward(model, x):
    """Return the output of a model for a fixed random seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model(x)


def test_the_model_and_the_random_state_are_restored(tagger, ragged):
    before = snapshot(tagger)
    capture(tagger, ragged)
    assert same(before, snapshot(tagger))
    failing, batches = Failing().eval(), [torch.randn(4, 20, 3), torch.randn(4, 2, 3)]
    before = snapshot(failing)
    with pytest.raises(ValueError, match="no more"):
        capture(failing, batches)
    assert same(before, snapshot(failing))


class TwoAxes(nn.Module):
    """An encoder, and a decoder with a different number of steps."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.LSTM(5, 4, batch_first=True), nn.LSTMCell(5, 4)

    def forward(self, x):
        state = tuple(part[0] for part in self.encoder(x)[1])
        for _ in range(x.shape[1] + 2):
            state = self.decoder(x[:, 0], state)
        return state[0]


def training():
    """Return a tagger whose dropout between the layers is active."""
    model = Tagger(2)
    model.lstm.dropout = 0.5
    return model


def with_nan():
    model = Tagger()
    with torch.no_grad():
        model.lstm.weight_hh_l0[0, 0] = math.nan
    return model


X = torch.randn(2, 4, 5)
BAD_BATCHES = {
    "wrong width": (torch.randn(2, 4, 6), "5.*6"),
    "no samples": (torch.zeros(0, 4, 5), "without samples"),
    "zero length": (interp.Batch((X, torch.tensor([4, 0])), [4, 0]), "Sample 1 .* has length 0"),
    "labels too long": (interp.Batch(X, labels={"input": ["abcd", "abcde"]}), "sample 1 .* has 5 values"),
    "labels too short": (interp.Batch(X, labels={"input": "abcdefg"}), "'input' has 7 values; expected 8"),
    "lengths of other samples": (interp.Batch(X, [4, 4, 4]), "2 samples"),
    "lengths beyond the steps": (interp.Batch(X, [4, 9]), "9 tokens"),
}
FAULTS = {
    "active dropout": (training, {}, r"Dropout is active in 'lstm'.*model\.eval\(\)"),
    "NaN weights": (with_nan, {}, r"'lstm\.weight_hh_l0' have NaN"),
    "two time axes": (TwoAxes, {}, r"(?s)do not share the time axis.*modules=\['encoder'\].*modules=\['decoder'\]"),
    "no such module": (Tagger, {"modules": ["hiddn"]}, r"No module named 'hiddn'\. Did you mean 'hidden'"),
    "no such quantity": (Tagger, {"quantities": ["z"]}, "No quantity named 'z'"),
    "no such unit": (Tagger, {"units": ["lstm.0.forward.h.9"]}, "No unit named"),
    "no such label": (Tagger, {"where": {"letter": "a"}}, "No label named 'letter'"),
    "no such token": (Tagger, {"where": {"step": 99}}, "matches none of the 8 tokens"),
    "a model without a time axis": (lambda: nn.Sequential(nn.ReLU()), {}, "Nothing to read"),
}


def assert_unchanged_by_error(model, batches, message, **options):
    """Assert that a capture fails with this message and does not change the model."""
    before, output = snapshot(model), forward(model, X)
    with pytest.raises(interp.InterpError, match=message):
        capture(model, batches, **options)
    assert same(before, snapshot(model))
    torch.testing.assert_close(forward(model, X), output, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_model_or_option_does_not_change_the_model(name):
    make, options, message = FAULTS[name]
    assert_unchanged_by_error(make(), X, message, **options)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", BAD_BATCHES)
def test_a_faulty_batch_does_not_change_the_model(tagger, name, after):
    batches, message = BAD_BATCHES[name]
    assert_unchanged_by_error(tagger, [torch.randn(3, 4, 5), batches] if after else batches, message)


def test_a_model_in_train_mode_without_dropout_stays_in_it(tagger):
    tagger.train()
    capture(tagger, torch.randn(2, 4, 5))
    assert tagger.training
    assert all(p.requires_grad for p in tagger.parameters())
    tagger(torch.randn(2, 4, 5)).sum().backward()


def test_a_model_that_draws_random_numbers_uses_its_own_random_state():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.read = nn.Linear(3, 3)

        def forward(self, x):
            return self.read(x + torch.randn_like(x))

    model, x = Noisy().eval(), torch.zeros(4, 3, 3)
    before = torch.get_rng_state()
    acts = capture(model, x, batch_size=2)
    assert torch.equal(before, torch.get_rng_state())
    assert not np.allclose(values(acts, sample=[0, 1]), values(acts, sample=[2, 3]))
