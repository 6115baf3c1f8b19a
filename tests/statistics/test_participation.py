"""The participation ratio at its limits."""

import numpy as np
import pytest

from interp.statistics import participation_ratio


def test_equal_weights_count_in_full_and_a_single_one_counts_as_one():
    weights = np.array([[2.0, 2.0, 2.0, 2.0], [0.0, 5.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [-1.0, 3.0, 3.0, -2.0]])
    np.testing.assert_allclose(participation_ratio(weights), [4.0, 1.0, 0.0, 2.0])
    np.testing.assert_allclose(participation_ratio(weights.T, axis=0), [4.0, 1.0, 0.0, 2.0])


@pytest.mark.parametrize("k", [1, 3, 8])
def test_k_equal_entries_count_as_k(k):
    weights = np.zeros(8)
    weights[:k] = 0.3
    assert participation_ratio(weights) == pytest.approx(k)


def test_a_geometric_series():
    r = 0.5  # (Σ r^i)² / Σ r^2i = (1 + r) / (1 - r) for an infinite series
    assert participation_ratio(r ** np.arange(60)) == pytest.approx((1 + r) / (1 - r))


def test_zeros_count_as_zero():
    assert participation_ratio(np.zeros((2, 3)), axis=1).tolist() == [0, 0]


def test_nan_stays_nan():
    assert np.isnan(participation_ratio([1.0, np.nan]))
