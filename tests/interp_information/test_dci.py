"""Disentanglement against a loop, the sparse regression against scikit-learn, and held-out informativeness."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import interp
from interp_information import completeness, disentanglement, fit_factor, sparse_regression

FACTORS = [f"factor_{k}" for k in range(8)]
FEW = {"min_tokens": 50, "min_sources": 20}


def test_disentanglement_equals_a_loop():
    importance = np.abs(np.random.default_rng(0).normal(size=(4, 6)))
    importance[:, 2], importance[1:, 3], importance[:, 4] = 0, 0, 0.7
    by_unit, weighted = disentanglement(importance)
    mean = 0.0
    for unit, column in enumerate(importance.T):
        if not column.sum():
            assert np.isnan(by_unit[unit])
            continue
        shares = column / column.sum()
        expected = 1 + sum(share * np.log(share) / np.log(4) for share in shares if share)
        assert by_unit[unit] == pytest.approx(expected, abs=1e-12)
        mean += expected * column.sum() / importance.sum()
    assert weighted == pytest.approx(mean)
    assert by_unit[3] == 1
    assert by_unit[4] == pytest.approx(0, abs=1e-12)


def test_disentanglement_of_extreme_tables():
    assert disentanglement(np.eye(3))[1] == 1
    assert completeness(np.eye(3))[1] == 1
    assert completeness(np.ones((4, 6)))[0].shape == (4,)
    assert np.isnan(disentanglement(np.zeros((2, 3)))[1])
    with pytest.raises(interp.OptionError, match="not negative"):
        disentanglement(-np.eye(2))


@pytest.mark.parametrize("classes", [2, 4])
def test_regression_equals_scikit_learn(classes):
    draw = np.random.default_rng(0)
    codes = draw.integers(0, classes, 600)
    values = draw.normal(size=(600, 20))
    values[:, :3] += np.stack([codes == 0, codes == 1, codes], axis=1)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    weights, intercepts, converged = sparse_regression(values, codes, penalty=0.02, tolerance=1e-4)
    model = LogisticRegression(C=1 / (0.02 * 600), l1_ratio=1.0, solver="saga", tol=1e-8, max_iter=20_000)
    model.fit(values, codes)
    assert converged
    importance = np.abs(weights).sum(axis=1)
    np.testing.assert_allclose(importance, np.abs(model.coef_).sum(axis=0), atol=2e-3)
    assert 3 <= np.count_nonzero(importance) < 20
    scores = values @ weights + intercepts
    probabilities = np.exp(scores - np.logaddexp.reduce(scores, axis=1)[:, None])
    np.testing.assert_allclose(probabilities, model.predict_proba(values), atol=2e-3)
    single = sparse_regression(values.astype(np.float32), codes, penalty=0.02)[0]
    assert single.dtype == np.float32
    np.testing.assert_allclose(np.abs(single).sum(axis=1), importance, atol=0.02)


def test_informativeness_is_measured_on_held_out_tokens():
    """A random label can be memorised but not predicted; a label that a unit determines can be predicted."""
    draw = np.random.default_rng(0)
    values, test = draw.normal(size=(400, 40)), np.arange(400) % 2 == 0
    assert fit_factor(values, draw.integers(0, 2, 400), test, penalty=1e-3).informativeness < 0.4
    assert fit_factor(values, (values[:, 7] > 0).astype(int), test).informativeness > 0.8
    constant = values.copy()
    constant[:, 3] = 5.0
    fit = fit_factor(constant, (values[:, 7] > 0).astype(int), test)
    assert fit.importance[3] == 0
    assert np.argmax(fit.importance) == 7


def test_halves_can_be_halved_again(coded_acts):
    for half in interp.split_by_source(coded_acts):
        assert interp.measure("dci", half, factors=FACTORS, **FEW).informativeness > 0.95


def test_variables_from_weights_are_marked(coded_acts):
    result = interp.measure("dci", coded_acts, factors=FACTORS[:2])
    assert {name for name in result.data_vars if "tolerance" in result[name].attrs} == {
        "importance", "unit_disentanglement", "disentanglement", "factor_completeness", "completeness",
    }  # fmt: skip
    assert {name for name in result.data_vars if result[name].attrs.get("depends_on_all") == "unit"} == {
        "importance", "unit_disentanglement",
    }  # fmt: skip


def test_errors_say_what_to_type(coded_acts):
    with pytest.raises(interp.OptionError, match="at least two factors; got only 'factor_3'"):
        interp.measure("dci", coded_acts, factors=["factor_3"])
    with pytest.raises(interp.OptionError, match="penalty="):
        interp.measure("dci", coded_acts, factors=FACTORS, penalty=0)
