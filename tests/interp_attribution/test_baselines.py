"""Baselines: attributions are means over samples of other sources, of the same length first."""

import captum.attr
import numpy as np
import torch
from helpers.edited import batch, net

import interp


def attribute(model, samples, selection=None, probe="attribution", **options):
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    acts = acts if selection is None else interp.select(acts, **selection)
    return interp.measure(probe, acts, model=model, batches=samples, **{"target": 1, **options})


def several_lengths(limit=9):
    torch.manual_seed(5)
    lengths = [6, 6, 6, 6, 4, 8, 9, 6, 3][:limit]
    x = torch.randn(len(lengths), max(lengths), 3).double()
    return interp.Batch((x, torch.tensor(lengths)), lengths, {"source": [0, 0, 1, 2, 3, 4, 5, 2, 6]})


def test_samples_of_other_sources_with_the_same_length_come_first():
    model, samples = net(), several_lengths()
    result = attribute(model, samples, {"sample": 0, "step": 3}, n_baselines=3)
    x = samples.inputs[0]
    kind, expected = captum.attr.IntegratedGradients(lambda rows: model(rows)[:, 3, 1]), {}
    for other in (2, 3, 7, 5):
        expected[other] = kind.attribute(x[:1, :6], x[other : other + 1, :6]).detach()[0].sum(1).numpy()
    means = [
        np.mean([expected[2], expected[same], expected[5]], 0) for same in (3, 7)
    ]  # only one of the two samples of source 2
    assert any(np.allclose(result.attribution.values[0, :6], mean, atol=1e-8) for mean in means)
    assert int(result.n_baselines[0]) == 3
    assert int(attribute(model, samples, {"sample": 0, "step": 3}, n_baselines=20).n_baselines[0]) == 6
    alone = attribute(model, samples, {"sample": 0, "step": 3}, n_baselines=1, baseline_pool=interp.Batch(x[2:3, :6]))
    np.testing.assert_allclose(alone.attribution.values[0, :6], expected[2], atol=1e-8)
    short = attribute(model, samples, {"sample": 0, "step": 3}, baseline_pool=interp.Batch(x[4:5, :4]))
    repeated = kind.attribute(x[:1, :6], torch.cat([x[4:5, :4], x[4:5, :2]], 1)).detach()[0].sum(1)
    np.testing.assert_allclose(short.attribution.values[0, :6], repeated, atol=1e-8)


def test_conductance_is_a_mean_over_baselines():
    model, samples = net(layers=1), batch(packed=False)
    options = {"probe": "unit-attribution", "units": {"module": "rnn"}, "baseline": "samples"}
    both = attribute(model, samples, {"sample": 1}, **options)
    singles = [
        attribute(model, samples, {"sample": 1}, baseline_pool=interp.Batch(samples.inputs[k : k + 1]), **options)
        for k in (0, 3)
    ]
    np.testing.assert_allclose(both.conductance, (singles[0].conductance + singles[1].conductance) / 2, atol=1e-12)
    assert both.n_baselines.values.tolist() == [2] * 6
