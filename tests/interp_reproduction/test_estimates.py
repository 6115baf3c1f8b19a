"""Estimates with their intervals against the plugin that distances come from, and closed forms."""

import numpy as np
import pytest

import interp
from interp_hellinger import difference
from interp_reproduction.estimates import Estimate, rooted, shown


def test_a_mean_has_the_interval_of_its_groups():
    from scipy.stats import t

    values = np.random.default_rng(0).normal(1, 1, 20)
    left = (values.sum() - values) / 19
    low, high = Estimate(values.mean(), left).ends
    reach = t.ppf(0.975, 19) * values.std(ddof=1) / np.sqrt(20)
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach))


def test_under_ten_groups_there_is_no_interval():
    left = np.full(20, np.nan)
    left[:9] = 0.3
    assert np.isnan(Estimate(0.3, left).ends).all()
    assert shown([Estimate(0.3, left)]) is None
    assert np.isnan(Estimate(0.3, np.full(20, np.nan)).ends).all()


def test_what_is_shown():
    sure, against = Estimate(0.3, np.full(20, 0.3)), Estimate(-0.3, np.full(20, -0.3))
    unsure = Estimate(0.1, 0.1 + np.linspace(-0.1, 0.1, 20))
    assert shown([sure]) is True
    assert shown([against]) is False
    assert shown([sure, unsure]) is None
    assert shown([unsure, against]) is False


def test_roots_and_differences_equal_those_of_the_distances_themselves():
    draw = np.random.default_rng(3)
    size, source = 4000, np.arange(4000) // 4
    output = np.where(draw.random(size) < 0.4, "x", "y")
    values = draw.normal(size=(size, 8)) + np.linspace(0, 1.5, 8) * (output == "x")[:, None]
    units = {"unit": [f"m.out.{k}" for k in range(8)], "module": ["m"] * 8, "layer": [0] * 8, "direction": [""] * 8}
    units |= {"quantity": ["out"] * 8, "index": range(8)}
    tokens = {"sample": np.arange(size), "step": np.zeros(size, int), "source": source, "input": ["p"] * size}
    acts = interp.dataset(values.astype("float32"), units, tokens | {"output": output})
    dist = interp.measure("hellinger", acts, keep_groups=True, pairs=["p=>x"], draws=20)
    value, left = rooted(dist["whole"].values[:, 0], dist["without"].transpose("group", "unit", "pair").values[..., 0])
    np.testing.assert_allclose(value, dist["distance"].values[:, 0], atol=1e-12)
    top, low = dist.isel(unit=[5, 6, 7]), dist.isel(unit=[0, 1])
    wanted = difference(top, low, over=("unit",)).isel(pair=0)
    found = Estimate(value[5:].mean(), left[:, 5:].mean(1)) - Estimate(value[:2].mean(), left[:, :2].mean(1))
    assert found.value == pytest.approx(float(wanted["difference"]))
    assert found.ends == pytest.approx((float(wanted["low"]), float(wanted["high"])))
