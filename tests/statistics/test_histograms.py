"""Histograms per unit against `numpy.histogram`, and compilation of loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.statistics import bin_edges, histogram_per_unit, jit


def expected(values, rows, low, high, shape):
    counts = np.zeros(shape, int)
    for row in range(shape[0]):
        for unit in range(shape[1]):
            ends = (np.float64(low[unit]), np.float64(high[unit]))
            counts[row, unit] = np.histogram(values[rows == row, unit].astype(float), shape[2], ends)[0]
    return counts


def on_edges(draw, n, bins):
    """Return values as close to an edge as float32 allows, or one step beside it."""
    low, span = draw.normal(), np.exp(draw.normal(-3, 4))
    edges = np.linspace(low, low + span, bins + 1).astype(np.float32)
    near = draw.choice(edges, n)
    return np.nextafter(near, near + draw.choice([-1, 0, 1], n).astype(np.float32))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bins=st.sampled_from([1, 2, 7, 16, 1000]), units=st.sampled_from([1, 3, 40]))
def test_counts_are_those_of_numpy(seed, bins, units):
    draw = np.random.default_rng(seed)
    kinds = [lambda: draw.normal(size=300), lambda: np.tanh(draw.normal(0, 3, 300)), lambda: on_edges(draw, 300, bins)]
    values = np.stack([kinds[draw.integers(3)]() for _ in range(units)], axis=1).astype(np.float32)
    rows = draw.integers(-1, 3, 300)
    low, high = values.min(axis=0), values.max(axis=0)
    counts = histogram_per_unit(values, rows, low, high, np.zeros((3, units, bins), np.uint16))
    np.testing.assert_array_equal(counts, expected(values, rows, low, high, counts.shape))


def test_edges_are_those_of_numpy():
    draw = np.random.default_rng(0)
    low, high = draw.normal(size=50), draw.normal(size=50) + 5
    low[0] = high[0]
    edges = bin_edges(low, high, 1000)
    for unit in range(50):
        np.testing.assert_array_equal(edges[unit], np.histogram_bin_edges([], 1000, (low[unit], high[unit])))


def test_a_constant_unit_has_one_bin():
    counts = histogram_per_unit(
        np.full((5, 1), 0.25, np.float32), np.zeros(5, int), [0.25], [0.25], np.zeros((1, 1, 10), int)
    )
    assert counts.max() == 5
    np.testing.assert_array_equal(counts[0, 0], np.histogram(np.full(5, 0.25), 10, (0.25, 0.25))[0])


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e30, -3.0])
def test_values_outside_are_left_out(odd):
    values = np.array([[0.5], [odd]], np.float32)
    counts = histogram_per_unit(values, np.zeros(2, int), [0.0], [1.0], np.zeros((1, 1, 4), np.int64))
    assert counts.tolist() == [[[0, 0, 1, 0]]]


def test_counts_are_added_and_strided_values_are_read():
    values = np.random.default_rng(0).normal(size=(100, 40)).astype(np.float32)
    part = values[::2, 5:25]
    low, high, rows = part.min(axis=0), part.max(axis=0), np.zeros(50, np.int32)
    counts = np.zeros((1, 20, 8), np.uint32)
    for _ in range(2):
        histogram_per_unit(part, rows, low, high, counts)
    np.testing.assert_array_equal(counts, 2 * expected(part, rows, low, high, counts.shape))


def test_nothing_to_count():
    counts = np.zeros((1, 2, 4), int)
    assert histogram_per_unit(np.zeros((3, 2)), np.full(3, -1), [0, 0], [1, 1], counts).sum() == 0
    assert histogram_per_unit(np.zeros((0, 2)), np.zeros(0, int), [0, 0], [1, 1], counts).sum() == 0


def test_loops_compile_without_a_cache(monkeypatch):
    import numba

    plain = numba.njit

    def without_cache(**options):
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return plain(**options)

    monkeypatch.setattr(numba, "njit", without_cache)

    @jit
    def fill(array):
        array[:] = 3

    array = np.zeros(2)
    fill(array)
    assert array.tolist() == [3, 3]
