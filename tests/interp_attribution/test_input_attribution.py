"""The probe attribution: one row per token, completeness, padding, and errors."""

import captum.attr
import numpy as np
import pytest
from helpers.edited import LENGTHS, batch, net

import interp


def attribute(model, samples, selection=None, **options):
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    acts = acts if selection is None else interp.select(acts, **selection)
    return interp.measure("attribution", acts, model=model, batches=samples, **{"target": 1, **options})


def test_result_has_one_row_per_token():
    model, samples = net(), batch(packed=False)
    result = attribute(model, samples, baseline="zero", method_options={"n_steps": 60})
    assert result.attribution.dims == ("token", "source_step")
    assert result.sizes == {"token": 24, "source_step": 6}
    kind = captum.attr.IntegratedGradients(model)
    for row in range(24):
        sample, step = divmod(row, 6)
        expected, delta = kind.attribute(samples.inputs[sample : sample + 1], target=(step, 1), n_steps=60,
                                     return_convergence_delta=True)  # fmt: skip
        np.testing.assert_allclose(result.attribution.values[row], expected.detach()[0].sum(1), atol=1e-9)
        assert float(result.convergence_delta[row]) == pytest.approx(float(delta), abs=1e-9)
    assert result.offset.values[7].tolist() == [-1, 0, 1, 2, 3, 4]
    assert result.source_input.values[7].tolist() == list("babbab")
    assert result.attrs["n_tokens"] == 24
    assert result.attrs["n_sources"] == 3


def test_packed_samples_equal_single_samples():
    model, samples = net(), batch()
    result = attribute(model, samples, baseline="zero")
    for sample, n in enumerate(LENGTHS):
        alone = attribute(model, interp.Batch(samples.inputs[0][sample : sample + 1, :n]), baseline="zero")
        own = interp.select(result, sample=sample).attribution.values
        np.testing.assert_allclose(own[:, :n], alone.attribution.values, atol=1e-9)
        assert np.isnan(own[:, n:]).all()


def test_attributions_of_the_armenian_network_are_complete(armenian):
    model, batches, acts = armenian
    for baseline in ("samples", "space"):
        result = interp.measure("attribution", acts, model=model, batches=batches, n_baselines=2, baseline=baseline)
        change = abs(result.target_value - result.baseline_value).values
        assert (abs(result.convergence_delta.values) < np.maximum(0.01 * change, 1e-3)).all()
    share = abs(result.attribution.where(result.offset == 0)).sum() / abs(result.attribution).sum()
    assert float(share) > 0.2  # of the token's own step


def measure(**options):
    model, samples = net(), batch()
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    options = {"target": 1, "baseline": "zero", "batches": samples, **options}
    return interp.measure("attribution", acts, model=model, **options)


ONE_SOURCE = interp.Batch(batch().inputs, batch().lengths, {"source": [1, 1, 1, 1]})


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"method": "IntegratedGradient"}, interp.UnknownNameError, "Did you mean 'IntegratedGradients'"),
        ({"method": "LayerConductance"}, interp.UnknownNameError, "no method 'LayerConductance' for inputs"),
        ({"method_options": {"nsteps": 3}}, interp.OptionError, "no option 'nsteps'. Options: .*n_steps"),
        ({"method": "LRP"}, interp.OptionError, "Captum's LRP can't explain this model"),
        ({"batches": None}, interp.OptionError, "model=, batches="),
        ({"batches": [3]}, interp.OptionError, "got int"),
        ({"baseline": "noise"}, interp.OptionError, "samples, zero, space"),
        ({"baseline": "space"}, interp.OptionError, "a space"),
        ({"baseline": "samples", "batches": ONE_SOURCE}, interp.OptionError, "no sample of another source"),
        ({"n_baselines": 0}, interp.OptionError, "at least 1"),
        ({"target": 5}, interp.OptionError, "output 5; the model has 5, from 0"),
        ({"target": -1}, interp.OptionError, "from 0"),
        ({"target": "input"}, interp.OptionError, "model.symbols"),
        ({"contrast_with": "abc"}, interp.OptionError, "at least two outputs"),
        ({"output": lambda out: out[0]}, interp.OptionError, r"has shape \(6, 5\) for \d+ samples"),
        ({"embedding": "rnn"}, None, ""),
        ({"method": "GradientShap", "sensitivity": 2}, interp.OptionError, "draws new random numbers"),
    ],
)
def test_invalid_options_raise_errors(options, kind, text):
    if kind is None:
        assert "attribution" in measure(**options)
        return
    with pytest.raises(kind, match=text):
        measure(**options)
