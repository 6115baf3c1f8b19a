"""Correlations, matching of units and sampling of tokens, against numpy and brute force."""

from itertools import permutations

import numpy as np
import pytest

from interp_units.correlation import correlations, correlations_with_unit, match_units, spread


def test_correlations_equal_numpy():
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(50, 3)), draw.normal(size=(50, 4)).astype("float32")
    assert correlations(a, b) == pytest.approx(np.corrcoef(a.T, b.T)[:3, 3:], abs=1e-6)
    flat = np.concatenate([a[:, :1], np.full((50, 1), 0.1)], axis=1)
    assert np.isnan(correlations(flat, b)[1]).all()


def test_correlations_with_one_unit_equal_numpy():
    draw = np.random.default_rng(0)
    unit, others = draw.normal(size=500), draw.normal(size=(500, 5)).astype("float32")
    others[:, 0] = 0.9 + 1e-3 * (unit + others[:, 0])  # varies little around a large value
    others[:, 1], others[7, 2] = 0.1, np.nan
    expected = np.corrcoef(unit, others[:, [0, 3, 4]].astype(float).T)[0, 1:]
    assert correlations_with_unit(unit, others)[[0, 3, 4]] == pytest.approx(expected, abs=1e-9)
    assert correlations_with_unit(unit, others)[0] > 0.6
    assert np.isnan(correlations_with_unit(unit, others)[1:3]).all()
    assert np.isnan(correlations_with_unit(np.full(500, 0.1), others)).all()
    assert correlations_with_unit(np.zeros(0), np.zeros((0, 3))).shape == (3,)


def test_the_assignment_has_the_largest_sum():
    draw = np.random.default_rng(2)
    r = draw.uniform(-1, 1, (5, 5))
    rows, columns = match_units(r)
    best = max(sum(abs(r[i, j]) for i, j in enumerate(order)) for order in permutations(range(5)))
    assert np.abs(r[rows, columns]).sum() == pytest.approx(best)
    assert len(match_units(np.full((2, 3), np.nan))[0]) == 0


def test_a_large_capture_is_sampled_in_pieces():
    rows = spread(1_000_000)
    assert rows.size == 20_000
    assert (np.diff(rows) > 1).sum() == 9
    assert rows[-1] == 999_999
