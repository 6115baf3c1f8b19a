"""Total correlation of plain arrays against closed forms, and the probe."""

import numpy as np
import pytest

import interp
from interp_information import estimate_total_correlation, permuted_total_correlation


@pytest.mark.parametrize("r", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shrinkage", [0.0, 0.01])
def test_equally_correlated_units(r, shrinkage):
    """The value is ``-1/2 ln((1 - r)^(d - 1) (1 + (d - 1) r))``, where shrinkage s replaces r by (1 - s) r."""
    d, n = 6, 40_000
    draw = np.random.default_rng(0)
    values = np.sqrt(r) * draw.normal(size=(n, 1)) + np.sqrt(1 - r) * draw.normal(size=(n, d))
    shrunk = (1 - shrinkage) * r
    true = -((d - 1) * np.log(1 - shrunk) + np.log(1 + (d - 1) * shrunk)) / 2
    estimate = estimate_total_correlation(values * np.arange(1, d + 1) + 5, shrinkage=shrinkage)
    assert estimate == pytest.approx(true, abs=0.02 * true + 0.002)


def test_equals_the_sum_of_entropies_minus_the_joint_entropy():
    draw = np.random.default_rng(0)
    values = draw.normal(size=(500, 4)) @ draw.normal(size=(4, 4))
    covariance = np.cov(values.T)
    true = (np.log(np.diag(covariance)).sum() - np.linalg.slogdet(covariance)[1]) / 2
    assert estimate_total_correlation(values, shrinkage=0) == pytest.approx(true, rel=1e-9)


def test_independent_units_have_only_bias():
    """The estimate and its permutation are both d (d - 1) / 4n, and their difference is 0."""
    d, n = 30, 3000
    left, expected = [], []
    for seed in range(5):
        values = np.random.default_rng(seed).normal(size=(n, d))
        estimate, null = (
            estimate_total_correlation(values, shrinkage=0),
            permuted_total_correlation(values, np.arange(n) // 10, shrinkage=0, seed=seed),
        )
        left.append(estimate - null)
        expected += [estimate, null]
    bias = d * (d - 1) / (4 * n)
    assert np.mean(expected) == pytest.approx(bias, rel=0.1)
    assert abs(np.mean(left)) < 0.1 * bias


def test_copies_have_a_large_total_correlation():
    """Shrinkage bounds the contribution of a copy by ``-1/2 ln(1 - .99²)``."""
    values = np.random.default_rng(0).normal(size=(20_000, 5))
    twice = np.concatenate([values, values], axis=1)
    assert estimate_total_correlation(twice) == pytest.approx(-5 / 2 * np.log(1 - 0.99**2), rel=0.01)
    assert estimate_total_correlation(twice, shrinkage=0) > 50


def test_dependence_through_sources_alone_is_chance():
    """For units constant within a source, few sources correlate by accident, before and after permuting sources."""
    left, null = [], []
    for seed in range(10):
        values = np.repeat(np.random.default_rng(seed).normal(size=(60, 8)), 20, axis=0)
        null.append(permuted_total_correlation(values, np.arange(1200) // 20, seed=seed))
        left.append(estimate_total_correlation(values) - null[-1])
    assert np.mean(null) > 5 * 8 * 7 / (4 * 1200)
    assert abs(np.mean(left)) < 0.35 * np.mean(null)


def test_probe_reports_what_it_used():
    planted = interp.testing.planted_network(0, sources=80)
    acts = interp.capture(planted.model, planted.batches, modules=["lstm"], quantities=["h"], progress=False)
    values = acts.activation.values.copy()
    values[:, 3] = 0.25
    changed = acts.assign(activation=(("token", "unit"), values))
    result = interp.measure("total-correlation", changed)
    assert (int(result.dead), int(result.units)) == (1, acts.sizes["unit"] - 1)
    assert int(result.tokens) == acts.sizes["token"]
    assert int(result.sources) == 80
    assert float(result.total_correlation + result.chance) == pytest.approx(
        estimate_total_correlation(np.delete(values, 3, axis=1)), rel=1e-6
    )
    fewer = interp.measure("total-correlation", changed, max_tokens=2000)
    assert 1500 < fewer.tokens <= 2000
    mixed = changed.isel(token=np.random.default_rng(0).permutation(acts.sizes["token"]))
    again = interp.measure("total-correlation", mixed)
    assert float(again.total_correlation) == pytest.approx(float(result.total_correlation), rel=1e-9)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shrinkage": 2}, "shrinkage= is 0 to 1"),
        ({"min_relative_std": 1}, "min_relative_std= is at least 0"),
        ({"max_tokens": 1}, "max_tokens= at least 2"),
        ({"max_tokens": 3}, "No source has at most max_tokens=3"),
    ],
)
def test_errors(options, sentence):
    planted = interp.testing.planted_network(0, sources=10)
    acts = interp.capture(planted.model, planted.batches, modules=["lstm"], quantities=["h"], progress=False)
    with pytest.raises(interp.OptionError, match=sentence):
        interp.measure("total-correlation", acts, **options)
    with pytest.raises(interp.OptionError, match="0 of 64 units vary"):
        interp.measure("total-correlation", acts * 0)
