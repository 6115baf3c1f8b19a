"""Backends of ablations: rotated directions, and models whose paths to the logits are unknown."""

import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp_causal.ablation_backends import layer_rotations


def test_layer_rotations_equal_interp_rotate(net):
    _, _, acts = net
    layer = interp.select(acts, module="rnn", quantity="h")
    columns, rotation = next((c, r) for c, r in layer_rotations(acts, 3) if acts["quantity"].values[c[0]] == "h")
    assert (acts["unit"].values[columns] == layer["unit"].values).all()
    np.testing.assert_allclose(
        layer["activation"].values @ rotation, interp.rotate_basis(layer, 3)["activation"].values, atol=1e-9
    )


def test_unknown_paths_to_the_logits_require_batches(make_planted, capture):
    class ReluAfterLSTM(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.output = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)
            self.symbols = {"output": ["x", "y", "z"]}

        def forward(self, x):
            return self.output(self.rnn(x)[0].relu())

    torch.manual_seed(0)
    model, batch = ReluAfterLSTM().double().eval(), make_planted(samples=8)[1]
    samples = interp.Batch(batch.inputs, labels=batch.labels)
    acts = capture(model, samples)
    options = {"model": model, "groups": {"p=>x": ["rnn.0.forward.h.0"]}, "n_draws": 2}
    with pytest.raises(interp.CaptureError, match=r"output\[0:5\] is .*Pass batches="):
        interp.measure("ablation-effect", acts, **options)
    for scope in ("recurrence", "readout"):
        result = interp.measure("ablation-effect", acts, batches=samples, scope=scope, n_controls=3, **options)
        assert np.isfinite(result.effect.values).all()
    network, other = make_planted(samples=8)
    acts = capture(network, other)
    with pytest.raises(interp.InterpError, match="no unit"):
        interp.measure("ablation-effect", acts, **{**options, "groups": {"p=>x": ["rnn.0.forward.c.0"]}})
