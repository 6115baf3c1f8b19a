"""Captum's methods through the probe: equal to Captum alone where it works, checked, and reproducible."""

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


class AtStep(nn.Module):
    """Returns one value per sample, at a fixed step, as every Captum method accepts."""

    def __init__(self, model, step):
        super().__init__()
        self.model, self.step = model, step

    def forward(self, x):
        return self.model(x)[:, self.step, 1]


OPTIONS_OF_CAPTUM = {
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


@pytest.mark.parametrize("method", OPTIONS_OF_CAPTUM)
def test_equals_captum_alone(method):
    model, samples = net(), batch(packed=False)
    result = attribute(model, samples, {"sample": 1, "step": 4}, method=method, baseline="zero", seed=3)
    torch.manual_seed(3)
    kind = getattr(captum.attr, method)(AtStep(model, 4))
    expected = kind.attribute(samples.inputs[1:2], **OPTIONS_OF_CAPTUM[method]).detach()[0]
    expected = (
        expected[:, 0] if "feature_mask" in OPTIONS_OF_CAPTUM[method] or method == "Occlusion" else expected.sum(1)
    )
    np.testing.assert_allclose(result.attribution.values[0], expected, atol=1e-5)
    assert result.target_value.values[0] == pytest.approx(float(model(samples.inputs)[1, 4, 1]))


def test_infidelity_and_sensitivity_of_a_linear_network_are_zero():
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
    options = {"baseline": "zero", "infidelity": 10, "sensitivity": 5, "selection": {"sample": [0, 1]}}
    result = attribute(Linear().eval(), samples, **options)
    assert abs(result.infidelity.values).max() < 1e-15
    constant = attribute(Linear().eval(), samples, method="Saliency", **options)
    assert abs(constant.sensitivity.values).max() == 0
    assert constant.infidelity.values.min() > 1e-3
    curved = attribute(net(), samples, method="InputXGradient", **options)
    assert curved.infidelity.values.min() > 0
    assert 0 < curved.sensitivity.values.max() < 1


def several_lengths(limit=9):
    torch.manual_seed(5)
    lengths = [6, 6, 6, 6, 4, 8, 9, 6, 3][:limit]
    x = torch.randn(len(lengths), max(lengths), 3).double()
    return interp.Batch((x, torch.tensor(lengths)), lengths, {"source": [0, 0, 1, 2, 3, 4, 5, 2, 6]})


@pytest.mark.parametrize("method", ["GradientShap", "ShapleyValueSampling", "DeepLiftShap"])
def test_same_seed_gives_same_bytes_and_generators_are_restored(method):
    model, samples = net(), several_lengths()
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (
        attribute(model, samples, {"sample": 0, "step": 3}, method=method, n_baselines=3) for _ in range(2)
    )
    assert first.attribution.equals(second.attribution)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert not any(hasattr(part.__dict__.get("forward"), "interp_edits") for part in model.modules())
