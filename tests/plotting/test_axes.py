"""Axes of plots: pixels, ticks and ranges."""

import numpy as np
import pytest

from interp.plotting import Axes, axis_range


def test_ends_of_the_ranges_are_at_the_edges():
    axes = Axes(10, 20, 100, 50, (0, 16), (-1, 4), np.sqrt)
    assert [axes.x(value) for value in (0, 4, 16)] == [axes.left, axes.center, axes.right] == [10, 60, 110]
    assert [axes.y(value) for value in (4, -1, 1.5)] == [axes.top, axes.bottom, 45] == [20, 70, 45]


def test_ticks_are_below_and_grid_lines_end_at_the_edges():
    axes = Axes(10, 20, 100, 50, (0, 1), (0, 1))
    tick, label = axes.x_axis([0.5], ["a half"])
    assert (tick.x1, tick.y1, tick.x2, tick.y2) == (60, 70, 60, 75)
    assert (label.x, label.y, label.text) == (60, 87, "a half")
    zero, half = axes.y_axis([0.0, 0.5])
    assert (zero.color, half.color) == ("muted", "line")
    assert (half.x1, half.y1, half.x2, half.y2) == (10, 45, 110, 45)
    assert axes.y_axis([0.5], ["a half"])[1].text == "a half"


def test_lines_and_bands_skip_nans():
    axes = Axes(0, 0, 10, 10, (0, 10), (0, 10))
    (line,) = axes.line([0, 1, 2], [10, np.nan, 0], "ink")
    assert line.points == ((0, 0), (2, 10))
    assert axes.line([0, 1], [1, np.nan], "ink") == axes.band([0, 1], [0, np.nan], [1, 2], "ink", 0.5) == []


def test_ranges_contain_zero_and_finite_values():
    assert axis_range([1.0, np.nan], [[3.0], [2.0]]) == (0.0, pytest.approx(3.15))
    low, high = axis_range([-1.0, np.inf])
    assert low < -1
    assert 0 < high < 1
    assert axis_range([np.nan])[0] < axis_range([np.nan])[1]
