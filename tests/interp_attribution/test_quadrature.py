"""Integrals, derivatives and means against closed forms and naive loops."""

import numpy as np
import pytest

from interp_attribution.quadrature import derivative_matrix, gauss_legendre, integrate_conductance, source_means


@pytest.mark.parametrize("steps", [2, 7, 50, 120])
def test_polynomials_are_integrated_and_differentiated_exactly(steps):
    nodes, weights = gauss_legendre(steps)
    for power in {0, 1, steps // 2, steps - 1}:
        assert weights @ nodes**power == pytest.approx(1 / (power + 1), rel=1e-12)
        expected = power * nodes ** max(power - 1, 0)
        np.testing.assert_allclose(derivative_matrix(steps) @ nodes**power, expected, atol=1e-9 * max(1, power) * steps)


def test_conductance_is_the_integral_of_gradient_times_derivative():
    nodes = gauss_legendre(50)[0]
    value = np.stack([np.tanh(3 * nodes - 1), nodes**2, np.ones(50)], 1)
    gradient = np.stack([np.exp(nodes), 1 / (1 + nodes), nodes], 1)
    fine = np.linspace(0, 1, 400_001)
    middle, at_fine = (fine[1:] + fine[:-1]) / 2, np.stack([np.tanh(3 * fine - 1), fine**2, np.ones(fine.size)], 1)
    expected = (np.stack([np.exp(middle), 1 / (1 + middle), middle], 1) * np.diff(at_fine, axis=0)).sum(0)
    np.testing.assert_allclose(integrate_conductance(value, gradient), expected, atol=1e-9)
    assert integrate_conductance(value, gradient)[2] == pytest.approx(0, abs=1e-12)
    both = integrate_conductance(np.stack([value, 2 * value]), np.stack([gradient, gradient]))
    np.testing.assert_allclose(both, [expected, 2 * expected], atol=1e-9)


def test_float32_values_keep_five_digits():
    nodes = gauss_legendre(50)[0]
    exact = integrate_conductance(np.tanh(nodes)[:, None], np.exp(nodes)[:, None])
    rounded = integrate_conductance(
        np.tanh(nodes)[:, None].astype(np.float32), np.exp(nodes)[:, None].astype(np.float32)
    )
    np.testing.assert_allclose(rounded, exact, rtol=1e-5)


def test_means_weigh_each_source_once_and_skip_nan():
    draw = np.random.default_rng(0)
    sources = np.repeat(np.arange(60), draw.integers(1, 5, 60))
    values = draw.normal(size=(sources.size, 3)) + sources[:, None] / 10
    values[draw.random(values.shape) < 0.2] = np.nan
    mean, ci_low, ci_high = source_means(values, sources)
    for column in range(3):
        groups = [values[sources == source, column] for source in range(60)]
        assert mean[column] == pytest.approx(
            np.mean([np.nanmean(group) for group in groups if not np.isnan(group).all()])
        )
    assert (ci_low < mean).all()
    assert (mean < ci_high).all()
    few = source_means(values[sources < 3], sources[sources < 3])
    assert np.isnan(few[1]).all()
