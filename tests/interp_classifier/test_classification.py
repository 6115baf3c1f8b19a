"""Fits and code lengths on plain arrays, and a check that no fit sees the test half."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import interp
from interp_classifier import codelength, fit


def test_fit_and_smoothed_probabilities():
    draw = np.random.default_rng(0)
    codes = draw.integers(0, 2, 300)
    fitted = fit(draw.normal(size=(300, 2)) + 3 * codes[:, None], codes)
    chance = fitted.probabilities(np.zeros((1, 2)), 3)
    assert chance.sum() == pytest.approx(1)
    assert chance[0, 2] == pytest.approx(1 / 303)


def test_codelength_equals_the_entropy_and_is_small_for_known_labels():
    draw = np.random.default_rng(0)
    codes, sources = draw.integers(0, 2, 4000), np.repeat(np.arange(400), 10)
    assert codelength(draw.normal(size=(4000, 1)), codes, sources) == pytest.approx(4000, rel=0.01)
    assert codelength(codes[:, None] * 10.0, codes, sources) < 100
    biased = (draw.random(4000) < 0.1).astype(int)
    entropy = -0.1 * np.log2(0.1) - 0.9 * np.log2(0.9)
    assert codelength(np.zeros((4000, 1)), biased, sources) == pytest.approx(4000 * entropy, rel=0.06)


def test_codelength_is_finite_for_labels_that_occur_late():
    sources = np.repeat(np.arange(50), 10)
    codes = np.where(np.arange(500) == 490, 2, np.arange(500) % 2)
    assert np.isfinite(codelength(np.random.default_rng(0).normal(size=(500, 2)), codes, sources))
    assert codelength(np.zeros((500, 1)), np.where(sources < 25, 0, 1), sources) <= 600


def record_sizes(fit, sizes):
    def wrapper(self, values, *args, **options):
        sizes.append((len(values), np.abs(values).max()))
        return fit(self, values, *args, **options)

    return wrapper


def test_no_fit_uses_the_test_half(planted_capture, monkeypatch):
    """All fits get rows of the first half only; invalid values in the other half change no fitted value."""
    _, acts = planted_capture
    _, other = interp.split_by_source(acts)
    is_test = np.isin(acts.source.values, np.unique(other.source.values))
    values, labels = acts.activation.values.copy(), acts.output.values.copy()
    values[is_test] = 1e6 * np.random.default_rng(0).random(values[is_test].shape)
    labels[is_test & (acts.input.values == "t")] = "d"
    corrupted = acts.assign(activation=(("token", "unit"), values)).assign_coords(output=("token", labels))
    sizes = []
    for kind in (StandardScaler, LogisticRegression):
        monkeypatch.setattr(kind, "fit", record_sizes(kind.fit, sizes))
    clean, changed = (interp.measure("classifier", each) for each in (acts, corrupted))
    for name in ("weight", "intercept", "codelength", "codelength_input"):
        np.testing.assert_array_equal(clean[name], changed[name], err_msg=name)
    assert not np.allclose(clean.accuracy, changed.accuracy)
    largest = (clean.n_tokens - clean.n_test_tokens).values.max()
    assert len(sizes) > 20
    assert max(size for size, _ in sizes) == largest
    assert max(top for _, top in sizes) < 100
