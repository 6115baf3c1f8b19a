"""Random rotations: orthogonal, reproducible, and uniform in the first two moments of their entries."""

import numpy as np

from interp.statistics import haar_rotation


def test_rotations_are_orthogonal_and_reproducible():
    rotation = haar_rotation(12, seed=3)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(12), atol=1e-12)
    np.testing.assert_array_equal(rotation, haar_rotation(12, seed=3))
    assert np.abs(rotation - haar_rotation(12, seed=4)).max() > 0.1


def test_entries_have_mean_zero_and_variance_one_over_size():
    entries = np.array([haar_rotation(4, seed=seed)[0, 0] for seed in range(4000)])
    assert abs(entries.mean()) < 4 * np.sqrt(1 / 4 / entries.size)
    assert abs(entries.var() - 1 / 4) < 0.03
