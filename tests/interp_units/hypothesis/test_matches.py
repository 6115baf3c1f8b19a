"""Order of places, and shares with their intervals, against simulation."""

import numpy as np
import pytest

from interp_units.hypothesis.matches import proportion, round_robin


def test_one_place_of_each_source_comes_first():
    assert round_robin(np.array([3, 3, 3, 5, 4, 5])).tolist() == [0, 3, 4, 1, 5, 2]
    assert round_robin(np.zeros(0, int)).tolist() == []


def test_intervals_of_shares_are_over_sources():
    draw = np.random.default_rng(0)
    source = np.repeat(np.arange(200), 3)
    shares = [proportion(np.repeat(draw.random(200) < 0.7, 3), source) for _ in range(200)]
    error = np.sqrt(0.7 * 0.3 / 200)  # standard error over sources, not tokens
    assert np.std([share for share, _, _ in shares]) == pytest.approx(error, rel=0.15)
    assert np.mean([high - low for _, low, high in shares]) == pytest.approx(2 * 2.09 * error, rel=0.15)
    assert np.mean([low < 0.7 < high for _, low, high in shares]) > 0.9
    assert np.isnan(proportion(np.zeros(0, bool), np.zeros(0, int))).all()
    assert np.isnan(proportion(np.ones(600, bool), source)[1:]).all()
    assert np.isnan(proportion(np.arange(4) < 2, np.arange(4))[1:]).all()
