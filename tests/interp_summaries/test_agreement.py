import numpy as np
import pytest
import xarray as xr
from scipy.stats import kendalltau, rankdata

import interp
from interp_summaries import agreement
from interp_summaries.agree import rank_correlation


def made(seed, units=40, pairs=("t=>ծ", "s=>_"), name="value", dims=("unit", "pair")):
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


def test_correlations_are_those_of_ranks():
    one, other = made(0), made(1)
    result = agreement({"hellinger": one, "weights": other})
    assert result.correlation.dims == ("pair", "measure", "measure_2")
    for place, pair in enumerate(one.pair.values):
        ranks = [rankdata(abs(held.value.values[:, place])) for held in (one, other)]
        wanted = np.corrcoef(*ranks)[0, 1]
        cell = result.sel(pair=pair, measure="hellinger", measure_2="weights")
        assert float(cell.correlation) == pytest.approx(wanted, abs=1e-12)
        assert cell.n == 40
    np.testing.assert_allclose(result.correlation, result.correlation.transpose("pair", "measure_2", "measure"))
    assert np.diagonal(result.correlation.values, axis1=1, axis2=2) == pytest.approx(1)
    assert result.pair_input.values.tolist() == ["t", "s"]


def test_signs_count_where_they_are_wanted():
    one = made(0)
    other = one.copy(data={"value": -one.value})
    assert agreement({"a": one, "b": other}).correlation.min() == pytest.approx(1)
    assert agreement({"a": one, "b": other}, absolute=False).correlation.min() == pytest.approx(-1)


def test_units_and_pairs_are_aligned_by_label():
    one = made(0)
    other = one.isel(unit=slice(None, 5, -1)).sel(pair=["s=>_"])
    result = agreement({"a": one, "b": other["value"].transpose("pair", "unit")})
    assert result.pair.values.tolist() == ["s=>_"]
    assert (result.n == 34).all()
    assert result.correlation.values == pytest.approx(np.ones((1, 2, 2)))


def test_unknown_values_are_left_out():
    one, other = made(0), made(1)
    one.value[:5, 0] = np.nan
    result = agreement({"a": one, "b": other})
    assert result.n.sel(pair="t=>ծ", measure="a", measure_2="b") == 35
    assert result.n.sel(pair="t=>ծ", measure="b", measure_2="b") == 40
    one.value[:, 1] = 0.5
    constant = agreement({"a": one, "b": other}).correlation.sel(pair="s=>_")
    assert np.isnan(constant.sel(measure="a", measure_2="b"))
    assert np.isnan(rank_correlation(np.array([1.0, 2]), np.array([1.0, 2]))[0])


def test_a_monotone_change_is_no_change():
    one = made(0)
    other = one.copy(data={"value": np.exp(3 * abs(one.value))})
    assert agreement({"a": one, "b": other}).correlation.min() == pytest.approx(1)
    assert kendalltau(abs(one.value[:, 0]), other.value[:, 0]).statistic == pytest.approx(1)


def test_the_result_is_one_of_ours(drawn_acts, tmp_path):
    dist = interp.measure("hellinger", drawn_acts, mode="article", minimum=50)
    coarse = interp.measure("hellinger", drawn_acts, mode="article", minimum=50, bins=20)
    result = agreement({"fine": dist, "coarse": coarse})
    assert (result.correlation.sel(measure="fine", measure_2="coarse") > 0.2).all()
    assert interp.open(interp.save(result, tmp_path / "r.zarr")).identical(result)
    text = interp.methods(result)
    assert "rank correlation" in text
    assert "made-up-bilstm" in text
    assert f"{drawn_acts.sizes['token']:,} tokens" in text


def test_errors():
    one = made(0)
    with pytest.raises(interp.OptionError, match="got 1"):
        agreement({"a": one})
    with pytest.raises(interp.OptionError, match=r"'b' has dims \(unit\)"):
        agreement({"a": one, "b": one.isel(pair=0, drop=True)})
    with pytest.raises(interp.OptionError, match="in common"):
        agreement({"a": one, "b": one.assign_coords(pair=["x", "y"])})
