import numpy as np
import pytest
from laws import small

import interp


def test_shares_of_gates(drawn_acts):
    result = interp.measure("saturation", drawn_acts)
    gates = np.isin(drawn_acts["quantity"].values, ["i", "f", "o"])
    values = drawn_acts.activation.values
    np.testing.assert_allclose(result.above.values[gates], (values > 0.9).mean(axis=0)[gates], rtol=1e-12)
    np.testing.assert_allclose(result.below.values[gates], (values < 0.1).mean(axis=0)[gates], rtol=1e-12)
    assert np.isnan(result.above.values[~gates]).all()
    assert np.isnan(result.below.values[~gates]).all()
    assert result.n == drawn_acts.sizes["token"]


def test_thresholds_are_strict_and_options():
    acts = small(0)
    acts = acts.assign(activation=(("token", "unit"), np.full(acts.activation.shape, 0.5, np.float32)))
    same = interp.measure("saturation", acts, low=0.4, high=0.5)
    assert (same.above == 0).all()
    assert (interp.measure("saturation", acts, low=0.3, high=0.4).above == 1).all()
    assert (interp.measure("saturation", acts, low=0.6, high=0.7).below == 1).all()


def test_other_names_of_gates():
    acts = small(0, quantity="gate")
    assert not np.isnan(interp.measure("saturation", acts, quantities=["gate"]).above).any()
    with pytest.raises(interp.OptionError, match="there are units of gate"):
        interp.measure("saturation", acts)
    with pytest.raises(interp.OptionError, match=r"\['gate'\]"):
        interp.measure("saturation", acts, quantities="gate")
    with pytest.raises(interp.OptionError, match=r"low=0\.9, high=0\.1"):
        interp.measure("saturation", acts, low=0.9, high=0.1)


def test_nan_and_no_tokens_are_no_numbers():
    acts = small(0)
    acts.activation[3, 1] = np.nan
    result = interp.measure("saturation", acts)
    assert np.isnan(result.above.values).tolist() == [False, True, False, False, False]
    none = interp.measure("saturation", acts.isel(token=[]))
    assert np.isnan(none.above).all()
    assert np.isnan(none.below).all()
