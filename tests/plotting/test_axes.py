"""Axes of plots: pixels and ranges."""

import numpy as np
import pytest

from interp_causal.panel import Panel, limits


def test_ends_of_the_ranges_are_at_the_edges():
    panel = Panel(10, 20, 100, 50, (0, 16), (-1, 4), np.sqrt)
    assert [panel.x(value) for value in (0, 4, 16)] == [10, 60, 110]
    assert [panel.y(value) for value in (4, -1, 1.5)] == [20, 70, 45]


def test_limits_contain_zero_and_finite_values():
    assert limits([1.0, np.nan], [[3.0], [2.0]]) == (0.0, pytest.approx(3.15))
    low, high = limits([-1.0, np.inf])
    assert low < -1
    assert 0 < high < 1
    assert limits([np.nan])[0] < limits([np.nan])[1]
