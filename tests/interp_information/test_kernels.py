"""The compiled loops against NumPy."""

import numpy as np

from interp_information import plug_in_information
from interp_information.kernels import assign_bins, information_by_column


def test_bins_equal_searchsorted():
    draw = np.random.default_rng(0)
    values, edges = draw.normal(size=(3, 40)), np.sort(draw.normal(size=(3, 7)), axis=1)
    bin_of = np.empty((3, 40), np.uint8)
    assign_bins(0, 3, values, edges, bin_of)
    for unit in range(3):
        np.testing.assert_array_equal(bin_of[unit], np.searchsorted(edges[unit], values[unit], side="right"))


def test_information_equals_that_of_the_table():
    draw = np.random.default_rng(1)
    units, tokens, bins = 6, 700, 4
    bin_of = draw.integers(0, bins, (units, tokens)).astype(np.uint8)
    labels = np.stack([draw.permutation(np.arange(tokens) % 3) for _ in range(5)], axis=1).astype(np.uint16)
    table = np.arange(tokens + 1.0)
    table[1:] *= np.log2(table[1:])
    bits, freedom = np.zeros((units, 5)), np.zeros(units)
    information_by_column(0, units, bin_of, labels, np.bincount(labels[:, 0]), bins, table, bits, freedom)
    for unit in range(units):
        for column in range(5):
            counts = np.zeros((bins, 3))
            np.add.at(counts, (bin_of[unit], labels[:, column]), 1)
            np.testing.assert_allclose(bits[unit, column], plug_in_information(counts), atol=1e-12)
        assert freedom[unit] == bins * 3 - bins - 3 + 1
