"""Bin edges of equal mass and the tokens that they are computed from."""

import numpy as np

from interp_hellinger.bin_edges_pass import equal_mass_edges, match_tokens


def test_edges_split_values_into_equal_bins():
    values = np.random.default_rng(0).normal(size=(3, 160))
    edges = equal_mass_edges(values, 16)
    assert edges.shape == (3, 15)
    for row, own in zip(values, edges, strict=True):
        assert np.bincount((row[:, None] >= own).sum(axis=1)).tolist() == [10] * 16


def test_equal_values_share_a_bin():
    edges = equal_mass_edges(np.array([[0.0, 0, 0, 0, 0, 1, 1, 2]]), 4)
    bins = (np.array([0.0, 1, 2])[:, None] >= edges[0]).sum(axis=1)
    assert bins.tolist() == [2, 3, 3]


def test_matches_are_sorted_by_position():
    rows, positions = match_tokens(np.array([2, 5, 9]), np.array([7, 1, 4]), np.array([9, 3, 5, 2]))
    assert rows.tolist() == [2, 0, 3]
    assert positions.tolist() == [1, 4, 7]
