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
    monkeypatch.setattr("interp.reducers.CHUNK", 20_000)
    shifted = drawn_acts.assign(activation=drawn_acts.activation.astype(float) + 1e6)
    wanted = drawn_acts.activation.values.astype(float).var(axis=0)
    np.testing.assert_allclose(interp.measure("moments", shifted).variance, wanted, rtol=1e-9)


def test_histogram(drawn_acts):
    result = interp.measure("histogram", drawn_acts, bins=30)
    for unit, values in enumerate(drawn_acts.activation.values.T.astype(float)):
        count, edge = np.histogram(values, 30, (values.min(), values.max()))
        np.testing.assert_array_equal(result["count"][unit], count)
        np.testing.assert_array_equal(result.edge[unit], edge)


def test_histogram_of_nan_names_the_unit(drawn_acts):
    values = drawn_acts.activation.values.copy()
    values[7, 3] = np.nan
    odd = drawn_acts.assign(activation=(("token", "unit"), values))
    with pytest.raises(interp.SchemaError, match=r"1 units .*lstm\.0\.forward\.h\.3"):
        interp.measure("histogram", odd)
    assert np.isnan(interp.measure("range", odd).minimum[3])


def test_labels(drawn_acts):
    result = interp.measure("labels", drawn_acts)
    rows = list(zip(drawn_acts.input.values.tolist(), drawn_acts.output.values.tolist(), strict=True))
    found = list(zip(result.input.values.tolist(), result.output.values.tolist(), strict=True))
    assert found == sorted(set(rows))
    assert result.tokens.values.tolist() == [rows.count(row) for row in found]
    seen = {(row, int(source)) for row, source in zip(rows, drawn_acts.source.values, strict=True)}
    assert result.sources.values.tolist() == [sum(one == row for one, _ in seen) for row in found]
    assert {
        (found[row], int(s)) for row, s in zip(result.seen_row.values, result.seen_source.values, strict=True)
    } == seen
    assert result.sizes["seen"] == len(seen)


def test_labels_of_any_kind_and_number(drawn_acts):
    result = interp.measure("labels", drawn_acts, labels=("step",))
    np.testing.assert_array_equal(result.tokens, np.bincount(drawn_acts.step))
    three = interp.measure("labels", drawn_acts, labels=("input", "output", "predicted"))
    assert three.tokens.sum() == drawn_acts.sizes["token"]
    with pytest.raises(interp.SchemaError, match="'inputs'"):
        interp.measure("labels", drawn_acts, labels=("inputs",))
    with pytest.raises(interp.OptionError, match="names of labels"):
        interp.measure("labels", drawn_acts, labels="input")


def test_no_tokens(drawn_acts):
    none = drawn_acts.isel(token=[])
    assert np.isnan(interp.measure("range", none).minimum).all()
    assert np.isnan(interp.measure("moments", none).variance).all()
    assert interp.measure("labels", none).sizes == {"row": 0, "seen": 0}
