"""The compiled loops on small arrays; `test_debiased_estimator` and `test_raw_estimator` cover whole measurements."""

import numpy as np
import pytest

from interp_hellinger.compiled import flush_bytes, raw_distances, squared_distance, sum_classes
from interp_hellinger.significance import hellinger_distance


def test_squared_distance_is_that_of_plain_counts():
    p, q = np.array([3.0, 0, 5]), np.array([1.0, 4, 2])
    assert squared_distance(p, q) == pytest.approx(float(hellinger_distance(p, q)) ** 2, abs=1e-15)
    assert np.isnan(squared_distance(p, 0 * q))
    assert squared_distance(p, p) == 0


def test_byte_counters_are_flushed():
    words = np.frombuffer(bytes(range(16)), np.uint64).copy()
    cells = np.ones(16, np.uint16)
    flush_bytes(words, cells)
    assert cells.tolist() == [1 + value for value in range(16)]
    assert not words.any()


def test_classes_are_summed_and_bins_merged():
    table = np.random.default_rng(0).integers(0, 9, (20, 3, 8))
    inside, total = np.zeros((20, 4)), np.zeros((20, 4))
    sum_classes(table, 1, inside, total)
    np.testing.assert_array_equal(inside, table[:, 1].reshape(20, 4, 2).sum(axis=2))
    np.testing.assert_array_equal(total, table.sum(axis=1).reshape(20, 4, 2).sum(axis=2))


def test_incomplete_counts_give_nan():
    counts = np.array([[[2, 1]], [[0, 4]]], np.uint16)
    spans, row, distance = np.array([[0, 2]]), np.array([0]), np.empty((1, 1))
    raw_distances(0, 1, counts, spans, row, np.array([3]), np.array([4]), distance)
    assert distance.item() == pytest.approx(float(hellinger_distance([2, 1], [0, 4])))
    raw_distances(0, 1, counts, spans, row, np.array([4]), np.array([4]), distance)
    assert np.isnan(distance).all()
