"""Statistics of the claims against closed forms, and estimates against the plugin that measures distances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import interp
from interp_hellinger import difference
from interp_reproduction import estimators
from interp_reproduction.estimators import Estimate, all_positive, debiased_distances


def test_top_mean_is_the_mean_of_the_largest():
    assert estimators.top_mean([5.0, 1.0, 4.0, 3.0], 2) == 4.5
    assert estimators.top_mean([1.0, 2.0], 10) == 1.5


def test_rank_and_percentile_rank():
    values = [0.1, 0.9, 0.4, 0.4]
    assert [estimators.rank(values, k) for k in range(4)] == [4, 1, 2, 2]
    assert estimators.percentile_rank(values, 1) == 100
    assert estimators.percentile_rank(values, 0) == 0
    assert estimators.percentile_rank(values, 2) == pytest.approx(50)


@given(
    arrays(np.float32, (4, 3), elements=st.integers(-3, 3)),
    arrays(np.float32, (5, 3), elements=st.integers(-3, 3)),
)
def test_auc_is_the_fraction_of_pairs_in_the_right_order(target, rest):
    wins = (target[:, None] > rest[None]).mean((0, 1)) + (target[:, None] == rest[None]).mean((0, 1)) / 2
    assert estimators.auc(target, rest) == pytest.approx(wins)


def test_auc_of_two_normal_distributions():
    from scipy.stats import norm

    draw = np.random.default_rng(0)
    area = estimators.auc(draw.normal(1, 1, (4000, 1)), draw.normal(0, 1, (4000, 1)))
    assert area[0] == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.01)


def test_margin_is_over_the_largest_of_the_others():
    assert estimators.margin_over_largest([0.9, 0.2], [0.1, 0.3], [0.5, 0.1]).tolist() == pytest.approx([0.4, -0.1])


def test_all_signs_must_be_as_expected():
    assert estimators.has_expected_signs([[1, -1], [1, 1], [0, -1]], [1, -1]).tolist() == [True, False, False]


def test_the_sign_test_expects_the_product_of_the_columns():
    draw = np.random.default_rng(0)
    frequencies = np.array([0.9, 0.5, 0.6])
    added = np.where(draw.random((2000, 3)) < frequencies, 1.0, -1.0)
    _, expected = estimators.sign_test(added, np.arange(12), np.array([1, 1, 1]), 999, 0)
    assert expected == pytest.approx(12 * (added > 0).mean(0).prod(), abs=0.2)
    added[:12] = 1
    assert estimators.sign_test(added, np.arange(12), np.array([1, 1, 1]), 999, 0)[0] == 0.001
    assert estimators.sign_test(added, np.arange(12), np.array([-1, 1, 1]), 99, 0)[0] == 1


def test_p_of_the_sign_test_is_uniform_under_the_null():
    draw = np.random.default_rng(1)
    p = [
        estimators.sign_test(draw.normal(size=(60, 2)), np.arange(12), np.array([1, -1]), 99, seed)[0]
        for seed in range(300)
    ]
    assert 0.02 < np.mean(np.array(p) <= 0.1) <= 0.14


def test_one_bin_has_no_floor():
    assert estimators.sampling_floor(300, 3000, bins=1) == pytest.approx(0, abs=1e-7)


def test_the_floor_of_one_token_per_side():
    bins = 7  # equal bins with probability 1/7, else no overlap
    assert estimators.sampling_floor(1, 1, bins) == pytest.approx(np.sqrt(1 - 1 / bins))


@pytest.mark.parametrize("sizes", [(300, 3000), (1000, 10_000), (3000, 30_000)])
def test_the_floor_is_the_distance_of_two_samples_of_a_uniform_distribution(sizes):
    draw = np.random.default_rng(1)
    p, q = (draw.multinomial(n, np.full(1000, 1e-3), 200) / n for n in sizes)
    distance = np.sqrt(1 - np.sqrt(p * q).sum(1)).mean()
    assert estimators.sampling_floor(*sizes) == pytest.approx(distance, abs=0.005)


def test_the_floor_falls_with_n():
    assert (
        estimators.sampling_floor(300, 3000)
        > estimators.sampling_floor(1000, 10_000)
        > estimators.sampling_floor(3000, 30_000)
        > 0.2
    )


def test_a_mean_has_the_interval_of_its_groups():
    from scipy.stats import t

    values = np.random.default_rng(0).normal(1, 1, 20)
    leave_out = (values.sum() - values) / 19
    low, high = Estimate(values.mean(), leave_out).interval
    half = t.ppf(0.975, 19) * values.std(ddof=1) / np.sqrt(20)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_under_ten_groups_there_is_no_interval():
    leave_out = np.full(20, np.nan)
    leave_out[:9] = 0.3
    assert np.isnan(Estimate(0.3, leave_out).interval).all()
    assert all_positive([Estimate(0.3, leave_out)]) is None
    assert np.isnan(Estimate(0.3, np.full(20, np.nan)).interval).all()


def test_all_positive_needs_every_interval():
    positive, negative = Estimate(0.3, np.full(20, 0.3)), Estimate(-0.3, np.full(20, -0.3))
    uncertain = Estimate(0.1, 0.1 + np.linspace(-0.1, 0.1, 20))
    assert all_positive([positive]) is True
    assert all_positive([negative]) is False
    assert all_positive([positive, uncertain]) is None
    assert all_positive([uncertain, negative]) is False


def planted_acts():
    """Return 4,000 tokens of 1,000 sources on which eight units separate two outputs more and more."""
    draw = np.random.default_rng(3)
    size = 4000
    output = np.where(draw.random(size) < 0.4, "x", "y")
    values = draw.normal(size=(size, 8)) + np.linspace(0, 1.5, 8) * (output == "x")[:, None]
    units = {"unit": [f"m.out.{k}" for k in range(8)], "module": ["m"] * 8, "layer": [0] * 8, "direction": [""] * 8}
    units |= {"quantity": ["out"] * 8, "index": range(8)}
    tokens = {"sample": np.arange(size), "step": np.zeros(size, int), "source": np.arange(size) // 4}
    return interp.make_dataset(values.astype("float32"), units, tokens | {"input": ["p"] * size, "output": output})


def test_debiased_distances_and_their_differences_equal_those_of_the_probe():
    dist = interp.measure("hellinger", planted_acts(), return_jackknife=True, pairs=["p=>x"], n_permutations=20)
    full, leave_out = (
        dist["estimate_full"].values[:, 0],
        dist["estimate_leave_out"].transpose("group", "unit", "pair").values[..., 0],
    )
    value, left = debiased_distances(full, leave_out)
    np.testing.assert_allclose(value, dist["distance"].values[:, 0], atol=1e-12)
    expected = difference(dist.isel(unit=[5, 6, 7]), dist.isel(unit=[0, 1]), over=("unit",)).isel(pair=0)
    actual = Estimate(value[5:].mean(), left[:, 5:].mean(1)) - Estimate(value[:2].mean(), left[:, :2].mean(1))
    assert actual.value == pytest.approx(float(expected["difference"]))
    assert actual.interval == pytest.approx((float(expected["ci_low"]), float(expected["ci_high"])))
