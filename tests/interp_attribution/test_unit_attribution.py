"""The probe unit-attribution: labels, means over sources, and errors."""

import numpy as np
import pytest
import torch
from helpers.edited import batch, net
from torch import nn

import interp


def test_units_have_labels_and_means_over_sources(armenian):
    model, batches, acts = armenian
    hidden = interp.select(acts, module="hidden", index=range(3))
    result = interp.measure("unit-attribution", hidden, model=model, batches=batches, n_baselines=1, n_steps=20)
    assert result.conductance.dims == ("token", "unit")
    assert result["unit"].values.tolist() == ["hidden.out.0", "hidden.out.1", "hidden.out.2"]
    assert result.module.values.tolist() == ["hidden"] * 3
    assert result["mean"].dims == ("unit",)
    means = result.conductance.groupby("source").mean().mean("source")
    np.testing.assert_allclose(result["mean"], means)
    assert int(result.offset) == 0


def measure(**options):
    model, samples = net(), batch()
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    options = {"target": 1, "baseline": "zero", "batches": samples, **options}
    return interp.measure("unit-attribution", acts, model=model, **options)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"units": ["rnn.0.forward.q.1"]}, interp.UnknownNameError, "No unit named 'rnn.0.forward.q.1'"),
        ({"units": {"module": "lstm"}}, interp.CaptureError, "matches none of the"),
        ({"units": "rnn.0.forward.h.99"}, interp.UnknownNameError, "rnn.0.forward.h.99"),
        ({"offset": 6}, interp.OptionError, "no token has a step at this offset; the tokens are at steps 0 to 5"),
        ({"offset": [0, 0]}, interp.OptionError, "several different ones"),
        ({"offset": 0.5}, interp.OptionError, "whole number of steps"),
        ({"n_steps": 1}, interp.OptionError, "at least 2"),
        ({"scope": "all"}, interp.OptionError, "scope="),
    ],
)
def test_unknown_units_and_steps_raise_errors(options, kind, text):
    with pytest.raises(kind, match=text):
        measure(**options)


class CustomRecurrence(nn.Module):
    """Recurrent layer without an adapter."""

    def __init__(self):
        super().__init__()
        self.inner, self.hidden_size = nn.Linear(7, 4), 4

    def forward(self, x, state=None):
        h, outs = x.new_zeros(len(x), 4), []
        for step in range(x.shape[1]):
            h = self.inner(torch.cat([x[:, step], h], -1)).tanh()
            outs.append(h)
        return torch.stack(outs, 1), h


class CustomRNN(CustomRecurrence):
    pass


class UnreadableNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.dense = CustomRNN(), nn.Linear(4, 5)

    def forward(self, x):
        return self.dense(self.rnn(x)[0])


def test_unreadable_module_has_no_gates_but_its_inputs_have_attributions():
    model, samples = UnreadableNet().double().eval(), batch(packed=False)
    acts = interp.capture(model, samples, modules=["dense"], progress=False, dtype="float64")
    options = {"model": model, "batches": samples, "target": 1, "baseline": "zero"}
    with pytest.raises(interp.CaptureError, match=r"gates of 'rnn' can't be edited"):
        interp.measure("unit-attribution", acts, units=["rnn.0.forward.h.1"], **options)
    assert abs(interp.measure("attribution", acts, **options).convergence_delta).max() < 1e-8
