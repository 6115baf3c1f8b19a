"""Saturation of gates, against numpy."""

import numpy as np
import pytest
from helpers.laws import small

import interp


def test_shares_of_gates(drawn_acts):
    result = interp.measure("saturation", drawn_acts)
    gates = np.isin(drawn_acts["quantity"].values, ["i", "f", "o"])
    values = drawn_acts.activation.values
    np.testing.assert_allclose(result.frac_saturated_high.values[gates], (values > 0.9).mean(axis=0)[gates], rtol=1e-12)
    np.testing.assert_allclose(result.frac_saturated_low.values[gates], (values < 0.1).mean(axis=0)[gates], rtol=1e-12)
    assert np.isnan(result.frac_saturated_high.values[~gates]).all()
    assert np.isnan(result.frac_saturated_low.values[~gates]).all()
    assert result.n == drawn_acts.sizes["token"]


def test_thresholds_are_strict():
    acts = small(0)
    acts = acts.assign(activation=(("token", "unit"), np.full(acts.activation.shape, 0.5, np.float32)))
    same = interp.measure("saturation", acts, low=0.4, high=0.5)
    assert (same.frac_saturated_high == 0).all()
    assert (interp.measure("saturation", acts, low=0.3, high=0.4).frac_saturated_high == 1).all()
    assert (interp.measure("saturation", acts, low=0.6, high=0.7).frac_saturated_low == 1).all()


def test_gates_with_other_names():
    acts = small(0, quantity="gate")
    assert not np.isnan(interp.measure("saturation", acts, quantities=["gate"]).frac_saturated_high).any()
    with pytest.raises(interp.OptionError, match="only units of gate"):
        interp.measure("saturation", acts)
    with pytest.raises(interp.OptionError, match=r"\['gate'\]"):
        interp.measure("saturation", acts, quantities="gate")
    with pytest.raises(interp.OptionError, match=r"low=0\.9, high=0\.1"):
        interp.measure("saturation", acts, low=0.9, high=0.1)


def test_nan_and_no_tokens_give_nan():
    acts = small(0)
    acts.activation[3, 1] = np.nan
    result = interp.measure("saturation", acts)
    assert np.isnan(result.frac_saturated_high.values).tolist() == [False, True, False, False, False]
    empty = interp.measure("saturation", acts.isel(token=[]))
    assert np.isnan(empty.frac_saturated_high).all()
    assert np.isnan(empty.frac_saturated_low).all()
