"""The statistics of the claims against closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interp_reproduction import numbers


def test_top_mean_is_the_mean_of_the_largest():
    assert numbers.top_mean([5.0, 1.0, 4.0, 3.0], 2) == 4.5
    assert numbers.top_mean([1.0, 2.0], 10) == 1.5


def test_rank_and_percentile_of_the_best_and_the_worst():
    values = [0.1, 0.9, 0.4, 0.4]
    assert [numbers.rank(values, at) for at in range(4)] == [4, 1, 2, 2]
    assert numbers.percentile(values, 1) == 100
    assert numbers.percentile(values, 0) == 0
    assert numbers.percentile(values, 2) == pytest.approx(50)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_participation_of_k_equal_entries_is_k(k):
    shares = np.zeros(8)
    shares[:k] = 0.3
    assert numbers.participation(shares) == pytest.approx(k)


def test_participation_of_a_geometric_series():
    r = 0.5  # (Σ r^i)² / Σ r^2i = (1 + r) / (1 - r) for endless series
    assert numbers.participation(r ** np.arange(60)) == pytest.approx((1 + r) / (1 - r))


def test_participation_of_nothing_is_nothing():
    assert numbers.participation(np.zeros((2, 3)), axis=1).tolist() == [0, 0]


@given(
    arrays(np.float32, (4, 3), elements=st.integers(-3, 3)),
    arrays(np.float32, (5, 3), elements=st.integers(-3, 3)),
)
def test_auc_is_the_share_of_pairs_in_the_right_order(inside, outside):
    wins = (inside[:, None] > outside[None]).mean((0, 1)) + (inside[:, None] == outside[None]).mean((0, 1)) / 2
    assert numbers.auc(inside, outside) == pytest.approx(wins)


def test_auc_of_two_normal_laws():
    from scipy.stats import norm

    draw = np.random.default_rng(0)
    found = numbers.auc(draw.normal(1, 1, (4000, 1)), draw.normal(0, 1, (4000, 1)))
    assert found[0] == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.01)


def test_lead_is_over_the_best_of_the_others():
    assert numbers.lead([0.9, 0.2], [0.1, 0.3], [0.5, 0.1]).tolist() == pytest.approx([0.4, -0.1])


def test_all_signs_must_be_as_said():
    assert numbers.as_said([[1, -1], [1, 1], [0, -1]], [1, -1]).tolist() == [True, False, False]


def test_the_sign_test_expects_the_product_of_the_columns():
    draw = np.random.default_rng(0)
    shares = np.array([0.9, 0.5, 0.6])
    added = np.where(draw.random((2000, 3)) < shares, 1.0, -1.0)
    _, chance = numbers.sign_test(added, np.arange(12), np.array([1, 1, 1]), 999, 0)
    assert chance == pytest.approx(12 * (added > 0).mean(0).prod(), abs=0.2)
    added[:12] = 1
    assert numbers.sign_test(added, np.arange(12), np.array([1, 1, 1]), 999, 0)[0] == 0.001
    assert numbers.sign_test(added, np.arange(12), np.array([-1, 1, 1]), 99, 0)[0] == 1


def test_p_of_the_sign_test_is_flat_where_nothing_is_special():
    draw = np.random.default_rng(1)
    p = [
        numbers.sign_test(draw.normal(size=(60, 2)), np.arange(12), np.array([1, -1]), 99, seed)[0]
        for seed in range(300)
    ]
    assert 0.02 < np.mean(np.array(p) <= 0.1) <= 0.14


def test_holm_steps_down():
    assert numbers.holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert numbers.holm([0.9, 0.8]).tolist() == [1, 1]


def test_one_bin_has_no_floor():
    assert numbers.flat_floor(300, 3000, bins=1) == pytest.approx(0, abs=1e-7)


def test_the_floor_of_one_token_a_side():
    bins = 7  # equal bins with chance 1/7, else nothing in common
    assert numbers.flat_floor(1, 1, bins) == pytest.approx(np.sqrt(1 - 1 / bins))


@pytest.mark.parametrize("sizes", [(300, 3000), (1000, 10_000), (3000, 30_000)])
def test_the_floor_is_what_two_samples_of_a_flat_law_show(sizes):
    draw = np.random.default_rng(1)
    p, q = (draw.multinomial(n, np.full(1000, 1e-3), 200) / n for n in sizes)
    shown = np.sqrt(1 - np.sqrt(p * q).sum(1)).mean()
    assert numbers.flat_floor(*sizes) == pytest.approx(shown, abs=0.005)


def test_the_floor_falls_with_n():
    assert numbers.flat_floor(300, 3000) > numbers.flat_floor(1000, 10_000) > numbers.flat_floor(3000, 30_000) > 0.2
