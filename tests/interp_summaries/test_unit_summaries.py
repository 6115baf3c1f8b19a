"""Range, moments and histogram of units, against numpy."""

import numpy as np
import pytest

import interp


def test_range(drawn_acts):
    values = drawn_acts.activation.values
    result = interp.measure("range", drawn_acts)
    np.testing.assert_array_equal(result.minimum, values.min(axis=0))
    np.testing.assert_array_equal(result.maximum, values.max(axis=0))


def test_moments(drawn_acts):
    values = drawn_acts.activation.values.astype(float)
    result = interp.measure("moments", drawn_acts)
    assert result.n == len(values)
    np.testing.assert_allclose(result["mean"], values.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(result.variance, values.var(axis=0), rtol=1e-12)


def test_moments_far_from_zero(drawn_acts, monkeypatch):
    monkeypatch.setattr("interp.measurement.reduce.MAX_CHUNK_VALUES", 20_000)
    shifted = drawn_acts.assign(activation=drawn_acts.activation.astype(float) + 1e6)
    expected = drawn_acts.activation.values.astype(float).var(axis=0)
    np.testing.assert_allclose(interp.measure("moments", shifted).variance, expected, rtol=1e-9)


def test_histogram(drawn_acts):
    result = interp.measure("histogram", drawn_acts, bins=30)
    for unit, values in enumerate(drawn_acts.activation.values.T.astype(float)):
        count, edge = np.histogram(values, 30, (values.min(), values.max()))
        np.testing.assert_array_equal(result["count"][unit], count)
        np.testing.assert_array_equal(result.edge[unit], edge)


def test_histogram_of_nan_names_the_unit(drawn_acts):
    values = drawn_acts.activation.values.copy()
    values[7, 3] = np.nan
    with_nan = drawn_acts.assign(activation=(("token", "unit"), values))
    with pytest.raises(interp.SchemaError, match=r"1 unit .*lstm\.0\.forward\.h\.3"):
        interp.measure("histogram", with_nan)
    assert np.isnan(interp.measure("range", with_nan).minimum[3])


def test_no_tokens(drawn_acts):
    empty = drawn_acts.isel(token=[])
    assert np.isnan(interp.measure("range", empty).minimum).all()
    assert np.isnan(interp.measure("moments", empty).variance).all()
