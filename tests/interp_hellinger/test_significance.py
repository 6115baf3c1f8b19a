"""The distance, z-scores and p-values on plain arrays."""

import numpy as np
import pytest

from interp_hellinger import hellinger_distance
from interp_hellinger.significance import max_statistic_pvalues, pooled_pvalues, signed_root, standardise


def test_distance_of_plain_counts():
    assert hellinger_distance([1, 1], [5, 5]) == 0
    assert hellinger_distance([[2, 0]], [[0, 9]]).tolist() == [1.0]
    p, q = np.array([0.36, 0.64]), np.array([0.5, 0.5])
    np.testing.assert_allclose(hellinger_distance(100 * p, q), np.sqrt(1 - np.sqrt(p * q).sum()), rtol=1e-12)


def test_signed_root_keeps_the_sign():
    np.testing.assert_allclose(signed_root([0.25, 0, -0.04]), [0.5, 0, -0.2])


def test_z_of_permutations_has_the_distribution_of_z():
    """With few permutations, standardising each by all of them would make its z too small, and p with it."""
    draws = np.random.default_rng(0).normal(size=(20_000, 13))
    z, null_z, null_sd = standardise(draws[:, 0], draws[:, 1:])
    assert np.quantile(null_z, 0.999) == pytest.approx(np.quantile(z, 0.999), rel=0.1)
    others = np.delete(draws[0, 1:], 4)
    assert others.size == 11
    expected = (draws[0, 5] - others.mean()) / others.std(ddof=1)
    assert null_z[0, 4] == pytest.approx(expected, rel=1e-9)
    assert null_sd[0] == pytest.approx(draws[0, 1:].std(ddof=1))


def test_constant_permutations_have_p_1():
    z, null_z, null_sd = standardise(np.array([[0.3]]), np.full((1, 1, 10), 0.1))
    assert z == -np.inf
    assert np.isnan(null_z).all()
    assert null_sd == 0
    p, null_size = pooled_pvalues(z, null_z, np.array(["h"]))
    assert (p.item(), null_size.item()) == (1, 0)
    assert max_statistic_pvalues(z, null_z).tolist() == [1]


def test_p_values_are_pooled_within_a_quantity():
    z = np.array([[3.0], [0.0], [5.0]])
    null_z = np.array([[[1.0, 4.0]], [[2.0, -1.0]], [[6.0, 7.0]]])
    p, null_size = pooled_pvalues(z, null_z, np.array(["h", "h", "c"]))
    np.testing.assert_allclose(p[:, 0], [2 / 5, 4 / 5, 1])
    assert null_size[:, 0].tolist() == [4, 4, 2]
    np.testing.assert_allclose(max_statistic_pvalues(z, null_z), [1])
