"""Pooled permutation p-values on plain arrays."""

import numpy as np
import pytest

from interp_information.permutation_test import pooled_pvalues, smallest_q


def test_p_values_equal_a_naive_count():
    bits = np.random.default_rng(0).normal(size=(6, 12))
    bits[:2, 0] += 3
    family = np.array(list("aabbba"))
    p = pooled_pvalues(bits, family)
    null = bits[:, 1:]
    z = (bits - null.mean(axis=1, keepdims=True)) / null.std(axis=1, ddof=1, keepdims=True)
    for unit, name in enumerate(family):
        pool = z[family == name, 1:].ravel()
        assert p[unit] == pytest.approx((1 + (pool >= z[unit, 0]).sum()) / (1 + pool.size))


def test_constant_permutations_have_p_1_and_stay_out_of_the_pool():
    bits = np.array([[1.0, 0.2, 0.2, 0.2], [5.0, 0.1, 0.2, 0.3]])
    assert pooled_pvalues(bits, np.array(["h", "h"])).tolist() == [1, 0.25]


def test_smallest_q_depends_on_the_smallest_family():
    assert smallest_q(np.array(list("aaab")), 99) == 4 / 100
    assert smallest_q(np.array([]), 99) == 1
