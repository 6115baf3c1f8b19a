"""The participation ratio at its limits."""

import numpy as np

from interp.statistics import participation_ratio


def test_equal_weights_count_in_full_and_a_single_one_counts_as_one():
    weights = np.array([[2.0, 2.0, 2.0, 2.0], [0.0, 5.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [-1.0, 3.0, 3.0, -2.0]])
    np.testing.assert_allclose(participation_ratio(weights), [4.0, 1.0, 0.0, 2.0])
    np.testing.assert_allclose(participation_ratio(weights.T, axis=0), [4.0, 1.0, 0.0, 2.0])


def test_nan_stays_nan():
    assert np.isnan(participation_ratio([1.0, np.nan]))
