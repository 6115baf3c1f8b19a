"""Rank correlations between results, against scipy and under monotone changes."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kendalltau, rankdata

import interp
from interp_summaries import agreement
from interp_summaries.agreement import rank_correlation


def random_result(seed, units=40, pairs=("t=>ծ", "s=>_"), name="value", dims=("unit", "pair")):
    values = np.random.default_rng(seed).normal(size=(units, len(pairs)))
    coords = {
        "unit": [f"u.{i}" for i in range(units)],
        "pair": list(pairs),
        "pair_input": ("pair", [p[0] for p in pairs]),
    }
    return xr.Dataset(
        {name: (("unit", "pair"), values)},
        coords,
        {"schema": "interp.result", "model": "m", "n_tokens": 9, "n_sources": 3},
    ).transpose(*dims)


def test_correlations_are_computed_from_ranks():
    one, other = random_result(0), random_result(1)
    result = agreement({"hellinger": one, "weights": other})
    assert result.correlation.dims == ("pair", "measure_a", "measure_b")
    for position, pair in enumerate(one.pair.values):
        ranks = [rankdata(abs(values.value.values[:, position])) for values in (one, other)]
        expected = np.corrcoef(*ranks)[0, 1]
        cell = result.sel(pair=pair, measure_a="hellinger", measure_b="weights")
        assert float(cell.correlation) == pytest.approx(expected, abs=1e-12)
        assert cell.n == 40
    np.testing.assert_allclose(result.correlation, result.correlation.transpose("pair", "measure_b", "measure_a"))
    assert np.diagonal(result.correlation.values, axis1=1, axis2=2) == pytest.approx(1)
    assert result.pair_input.values.tolist() == ["t", "s"]


def test_signs_count_unless_absolute():
    one = random_result(0)
    other = one.copy(data={"value": -one.value})
    assert agreement({"a": one, "b": other}).correlation.min() == pytest.approx(1)
    assert agreement({"a": one, "b": other}, absolute=False).correlation.min() == pytest.approx(-1)


def test_units_and_pairs_are_aligned_by_label():
    one = random_result(0)
    other = one.isel(unit=slice(None, 5, -1)).sel(pair=["s=>_"])
    result = agreement({"a": one, "b": other["value"].transpose("pair", "unit")})
    assert result.pair.values.tolist() == ["s=>_"]
    assert (result.n == 34).all()
    assert result.correlation.values == pytest.approx(np.ones((1, 2, 2)))


def test_nan_values_are_excluded():
    one, other = random_result(0), random_result(1)
    one.value[:5, 0] = np.nan
    result = agreement({"a": one, "b": other})
    assert result.n.sel(pair="t=>ծ", measure_a="a", measure_b="b") == 35
    assert result.n.sel(pair="t=>ծ", measure_a="b", measure_b="b") == 40
    one.value[:, 1] = 0.5
    constant = agreement({"a": one, "b": other}).correlation.sel(pair="s=>_")
    assert np.isnan(constant.sel(measure_a="a", measure_b="b"))
    assert np.isnan(rank_correlation(np.array([1.0, 2]), np.array([1.0, 2]))[0])


def test_monotone_changes_keep_the_correlation():
    one = random_result(0)
    other = one.copy(data={"value": np.exp(3 * abs(one.value))})
    assert agreement({"a": one, "b": other}).correlation.min() == pytest.approx(1)
    assert kendalltau(abs(one.value[:, 0]), other.value[:, 0]).statistic == pytest.approx(1)


def test_results_are_stored_and_described(drawn_acts, tmp_path):
    dist = interp.measure("hellinger", drawn_acts, estimator="raw", min_tokens=50)
    coarse = interp.measure("hellinger", drawn_acts, estimator="raw", min_tokens=50, bins=20)
    result = agreement({"fine": dist, "coarse": coarse})
    assert (result.correlation.sel(measure_a="fine", measure_b="coarse") > 0.2).all()
    assert interp.open(interp.save(result, tmp_path / "r.zarr")).identical(result)
    text = interp.methods_text(result)
    assert "rank correlation" in text
    assert "made-up-bilstm" in text
    assert f"{drawn_acts.sizes['token']:,} tokens" in text


def test_errors():
    one = random_result(0)
    with pytest.raises(interp.OptionError, match="got 1"):
        agreement({"a": one})
    with pytest.raises(interp.OptionError, match=r"'b' has dims \(unit\)"):
        agreement({"a": one, "b": one.isel(pair=0, drop=True)})
    with pytest.raises(interp.OptionError, match="in common"):
        agreement({"a": one, "b": one.assign_coords(pair=["x", "y"])})
