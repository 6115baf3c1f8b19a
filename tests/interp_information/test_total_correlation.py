"""Total correlation against closed forms."""

import numpy as np
import pytest

import interp
from interp_information import chance, total_correlation


@pytest.mark.parametrize("r", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shrink", [0.0, 0.01])
def test_equally_correlated_units(r, shrink):
    """Of d units that share r: ``-1/2 ln((1 - r)^(d - 1) (1 + (d - 1) r))``; shrinking makes r (1 - s) r."""
    d, n = 6, 40_000
    draw = np.random.default_rng(0)
    values = np.sqrt(r) * draw.normal(size=(n, 1)) + np.sqrt(1 - r) * draw.normal(size=(n, d))
    held = (1 - shrink) * r
    true = -((d - 1) * np.log(1 - held) + np.log(1 + (d - 1) * held)) / 2
    found = total_correlation(values * np.arange(1, d + 1) + 5, shrink=shrink)
    assert found == pytest.approx(true, abs=0.02 * true + 0.002)


def test_equals_the_sum_of_entropies_less_the_joint_one():
    draw = np.random.default_rng(0)
    values = draw.normal(size=(500, 4)) @ draw.normal(size=(4, 4))
    covariance = np.cov(values.T)
    true = (np.log(np.diag(covariance)).sum() - np.linalg.slogdet(covariance)[1]) / 2
    assert total_correlation(values, shrink=0) == pytest.approx(true, rel=1e-9)


def test_independent_units_show_their_bias_only():
    """d (d - 1) / 4n, measured and by permutation; what is left is 0."""
    d, n = 30, 3000
    left, expected = [], []
    for seed in range(5):
        values = np.random.default_rng(seed).normal(size=(n, d))
        found, null = total_correlation(values, shrink=0), chance(values, np.arange(n) // 10, shrink=0, seed=seed)
        left.append(found - null)
        expected += [found, null]
    bias = d * (d - 1) / (4 * n)
    assert np.mean(expected) == pytest.approx(bias, rel=0.1)
    assert abs(np.mean(left)) < 0.1 * bias


def test_copies_are_far_from_independent():
    """A copy is held apart by the shrinking alone: ``-1/2 ln(1 - .99²)`` each."""
    values = np.random.default_rng(0).normal(size=(20_000, 5))
    twice = np.concatenate([values, values], axis=1)
    assert total_correlation(twice) == pytest.approx(-5 / 2 * np.log(1 - 0.99**2), rel=0.01)
    assert total_correlation(twice, shrink=0) > 50


def test_what_units_share_with_their_source_only_is_chance():
    """Constant in a source, so that a few sources correlate by accident: as much after permuting whole sources."""
    left, null = [], []
    for seed in range(10):
        values = np.repeat(np.random.default_rng(seed).normal(size=(60, 8)), 20, axis=0)
        null.append(chance(values, np.arange(1200) // 20, seed=seed))
        left.append(total_correlation(values) - null[-1])
    assert np.mean(null) > 5 * 8 * 7 / (4 * 1200)
    assert abs(np.mean(left)) < 0.35 * np.mean(null)


def test_the_probe_counts_what_it_used():
    planted = interp.testing.planted(0, sources=80)
    acts = interp.capture(planted.model, planted.batches, modules=["lstm"], quantities=["h"], progress=False)
    values = acts.activation.values.copy()
    values[:, 3] = 0.25
    held = acts.assign(activation=(("token", "unit"), values))
    result = interp.measure("total-correlation", held)
    assert (int(result.dead), int(result.units)) == (1, acts.sizes["unit"] - 1)
    assert int(result.tokens) == acts.sizes["token"]
    assert int(result.sources) == 80
    assert float(result.total_correlation + result.chance) == pytest.approx(
        total_correlation(np.delete(values, 3, axis=1)), rel=1e-6
    )
    fewer = interp.measure("total-correlation", held, tokens=2000)
    assert 1500 < fewer.tokens <= 2000
    mixed = held.isel(token=np.random.default_rng(0).permutation(acts.sizes["token"]))
    again = interp.measure("total-correlation", mixed)
    assert float(again.total_correlation) == pytest.approx(float(result.total_correlation), rel=1e-9)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shrink": 2}, "shrink= is 0 to 1"),
        ({"dead": 1}, "dead= is 0 to 1"),
        ({"tokens": 1}, "tokens= 2 at least"),
        ({"tokens": 3}, "No source has at most tokens=3"),
    ],
)
def test_errors(options, sentence):
    planted = interp.testing.planted(0, sources=10)
    acts = interp.capture(planted.model, planted.batches, modules=["lstm"], quantities=["h"], progress=False)
    with pytest.raises(interp.OptionError, match=sentence):
        interp.measure("total-correlation", acts, **options)
    with pytest.raises(interp.OptionError, match="0 of 64 units vary"):
        interp.measure("total-correlation", acts * 0)
