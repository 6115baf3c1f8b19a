"""Estimators against closed forms and simulated data."""

import numpy as np

from interp_causal import estimators


def test_log_odds_equal_those_of_the_softmax():
    draw = np.random.default_rng(0)
    z, correct = draw.normal(size=(3, 50, 4)) * 5, draw.integers(0, 4, 50)
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    mine = np.take_along_axis(p, np.broadcast_to(correct[:, None], (3, 50, 1)), -1)[..., 0]
    np.testing.assert_allclose(estimators.log_odds(z, correct), np.log(mine / (1 - mine)), rtol=1e-8)
    np.testing.assert_allclose(estimators.log_probability(z, correct), np.log(mine), rtol=1e-8)
    assert np.isfinite(estimators.log_odds(np.array([[2000.0, 0.0]]), np.array([0]))).all()


def test_interval_covers_the_mean_of_sources():
    n_covered = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        sizes = draw.integers(1, 8, 100)
        sources = np.repeat(np.arange(100) + 1000 * seed, sizes)
        values = np.repeat(draw.normal(1, 1, 100), sizes) + draw.normal(size=sources.size) * 0.3
        mean, low, high = estimators.mean_with_interval(values, sources)
        n_covered += low <= 1 <= high
        assert low <= mean <= high
    assert 0.89 <= n_covered / 200 <= 0.99


def test_control_groups_keep_blocks_and_strength():
    draw = np.random.default_rng(0)
    blocks, group = np.repeat([0, 1, 2], 100), np.array([3, 5, 150])
    strength = draw.permutation(300).astype(float)
    uniform = estimators.uniform_groups(group, blocks, 500, draw)
    matched = estimators.matched_groups(group, blocks, strength, 500, draw)
    for groups in (uniform, matched):
        assert all(sorted(blocks[units]) == [0, 0, 1] and np.unique(units).size == 3 for units in groups)
    assert len({tuple(sorted(units)) for units in uniform}) > 400
    matched_gap = np.mean([np.abs(np.sort(strength[units]) - np.sort(strength[group])).mean() for units in matched])
    uniform_gap = np.mean([np.abs(np.sort(strength[units]) - np.sort(strength[group])).mean() for units in uniform])
    assert matched_gap < uniform_gap / 2
    full = estimators.matched_groups(np.arange(100), blocks, strength, 1, draw)[0]
    assert np.array_equal(np.sort(full), np.arange(100))


def test_control_p_value():
    assert estimators.control_p_value(1.0, np.array([0.0, 1.0, 2.0])) == 0.75
    assert estimators.control_p_value(9.0, np.zeros(999)) == 0.001
