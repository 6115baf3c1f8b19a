"""Scales of the strips."""

import numpy as np
import pytest

from interp_cell_strips.data import scale_limits


def test_gates_have_a_fixed_scale_and_groups_share_one():
    values = np.array([[0.2, 3.0, 1.0, 0.1], [0.9, -4.0, 0.5, 0.3]])
    limits = scale_limits(values, ["i", "c", "c", "h"], np.array([True, False, False, False]))
    assert limits[0] == 1
    assert limits[1] == limits[2] == pytest.approx(np.percentile([3, 4, 1, 0.5], 99.5))
    assert limits[3] == pytest.approx(np.percentile([0.1, 0.3], 99.5))


def test_constant_and_missing_values_have_a_scale():
    assert scale_limits(np.zeros((3, 1)), ["h"], np.array([False])).tolist() == [1.0]
    assert scale_limits(np.full((3, 1), np.nan), ["h"], np.array([False])).tolist() == [1.0]
