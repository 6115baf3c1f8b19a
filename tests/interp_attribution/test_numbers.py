"""Integrals, derivatives and means as plain arrays, against closed forms and naive loops."""

import numpy as np
import pytest

from interp_attribution.numbers import conductance, derivative, nodes, source_means


@pytest.mark.parametrize("steps", [2, 7, 50, 120])
def test_polynomials_are_integrated_and_derived_exactly(steps):
    places, weights = nodes(steps)
    for power in {0, 1, steps // 2, steps - 1}:
        assert weights @ places**power == pytest.approx(1 / (power + 1), rel=1e-12)
        wanted = power * places ** max(power - 1, 0)
        np.testing.assert_allclose(derivative(steps) @ places**power, wanted, atol=1e-9 * max(1, power) * steps)


def test_conductance_is_the_integral_of_gradient_times_change():
    places = nodes(50)[0]
    value = np.stack([np.tanh(3 * places - 1), places**2, np.ones(50)], 1)
    gradient = np.stack([np.exp(places), 1 / (1 + places), places], 1)
    fine = np.linspace(0, 1, 400_001)
    middle, ends = (fine[1:] + fine[:-1]) / 2, np.stack([np.tanh(3 * fine - 1), fine**2, np.ones(fine.size)], 1)
    wanted = (np.stack([np.exp(middle), 1 / (1 + middle), middle], 1) * np.diff(ends, axis=0)).sum(0)
    np.testing.assert_allclose(conductance(value, gradient), wanted, atol=1e-9)
    assert conductance(value, gradient)[2] == pytest.approx(0, abs=1e-12)
    both = conductance(np.stack([value, 2 * value]), np.stack([gradient, gradient]))
    np.testing.assert_allclose(both, [wanted, 2 * wanted], atol=1e-9)


def test_rounded_values_keep_five_digits():
    places = nodes(50)[0]
    exact = conductance(np.tanh(places)[:, None], np.exp(places)[:, None])
    rounded = conductance(np.tanh(places)[:, None].astype(np.float32), np.exp(places)[:, None].astype(np.float32))
    np.testing.assert_allclose(rounded, exact, rtol=1e-5)


def test_means_over_sources_weigh_each_source_once_and_skip_what_is_missing():
    draw = np.random.default_rng(0)
    sources = np.repeat(np.arange(60), draw.integers(1, 5, 60))
    values = draw.normal(size=(sources.size, 3)) + sources[:, None] / 10
    values[draw.random(values.shape) < 0.2] = np.nan
    mean, low, high = source_means(values, sources)
    for column in range(3):
        own = [values[sources == source, column] for source in range(60)]
        assert mean[column] == pytest.approx(np.mean([np.nanmean(one) for one in own if not np.isnan(one).all()]))
    assert (low < mean).all()
    assert (mean < high).all()
    few = source_means(values[sources < 3], sources[sources < 3])
    assert np.isnan(few[1]).all()
