"""P-values and their corrections against definitions written out, and against SciPy."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from interp.statistics import fdr, holm, permutation_pvalue


def test_permutation_pvalues_count_the_null_that_is_as_large():
    null = np.array([[0.1, 0.5, 0.9], [np.nan, np.inf, 0.5]])
    observed = np.array([0.5, 1.0, np.nan])
    np.testing.assert_allclose(permutation_pvalue(observed, null), [(1 + 3) / 5, 1 / 5, 1.0])


def test_holm_multiplies_in_ascending_order_and_leaves_nan_out():
    p = np.array([0.01, 0.04, 0.03, np.nan])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, np.nan])
    assert holm([0.9, 0.8]).tolist() == [1, 1]
    assert holm([]).size == 0


def test_holm_keeps_the_order_of_pvalues():
    p = np.random.default_rng(0).random(50)
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


@pytest.mark.parametrize("correction", ["bh", "by"])
def test_fdr_is_that_of_scipy_without_the_nans(correction):
    p = np.random.default_rng(1).random(40)
    holes = np.where(np.arange(40) % 7 == 0, np.nan, p)
    valid = np.isfinite(holes)
    q = fdr(holes, correction)
    np.testing.assert_allclose(q[valid], false_discovery_control(holes[valid], method=correction))
    assert np.isnan(q[~valid]).all()
