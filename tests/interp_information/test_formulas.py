"""Formulas of the penalties against closed forms and exact enumerations."""

from itertools import product
from math import log

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from interp_information.formulas import (
    code_information,
    gaussian_divergence,
    gaussian_total_correlation,
    label_entropy,
    label_information,
)


@pytest.mark.parametrize("r", [0.0, 0.3, -0.2, 0.9])
@pytest.mark.parametrize("d", [2, 5])
def test_total_correlation_of_equally_correlated_gaussians(d, r):
    if r <= -1 / (d - 1):
        pytest.skip("no such matrix")
    covariance = torch.full((d, d), r, dtype=torch.float64).fill_diagonal_(1.0) * 7.0
    expected = -0.5 * ((d - 1) * log(1 - r) + log(1 + (d - 1) * r))
    assert float(gaussian_total_correlation(covariance)) == pytest.approx(expected, abs=1e-12)


def test_total_correlation_of_a_chain_adds_up():
    r = 0.6
    chain = torch.tensor([[r ** abs(i - j) for j in range(6)] for i in range(6)], dtype=torch.float64)
    assert float(gaussian_total_correlation(chain)) == pytest.approx(-5 * 0.5 * log(1 - r**2))


def test_shrinkage_bounds_copies_and_constants_add_nothing():
    twice = torch.ones(2, 2, dtype=torch.float64)
    assert float(gaussian_total_correlation(twice, 0.01)) == pytest.approx(-0.5 * log(1 - 0.99**2))
    constant = torch.diag(torch.tensor([1.0, 0.0, 2.0]).double())
    assert float(gaussian_total_correlation(constant, 0.01)) == 0.0


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (0.7, 0.2), (-2.0, 1.5)])
def test_divergence_of_gaussians_equals_its_integral(mean, scale):
    one, other = norm(mean, scale), norm(0, 1)
    expected = quad(lambda x: one.pdf(x) * (one.logpdf(x) - other.logpdf(x)), mean - 12 * scale, mean + 12 * scale)[0]
    got = gaussian_divergence(
        torch.tensor([[mean]], dtype=torch.float64), torch.tensor([log(scale)], dtype=torch.float64)
    )
    assert float(got) == pytest.approx(expected, abs=1e-8)


def bound_and_information(channel, q):
    """Return (L_I, I) in nats of one fair code over a channel, from rows of P(symbol | c) and Q's logit per symbol."""
    bound, true, marginal = 0.0, 0.0, channel.mean(0)
    for at, code in enumerate((-1.0, 1.0)):
        for symbol, chance in enumerate(channel[at]):
            logits, codes = torch.tensor([[q[symbol]]]).double(), torch.tensor([[code]]).double()
            bound += 0.5 * chance * float(code_information(logits, codes))
            true += 0.5 * chance * log(chance / marginal[symbol]) if chance else 0.0
    return bound, true


def test_infogan_bound_is_tight_at_the_posterior():
    draw = np.random.default_rng(1)
    for _ in range(200):
        channel = draw.dirichlet(np.full(4, 0.4), 2)
        bound, true = bound_and_information(channel, draw.normal(0, 3, 4))
        assert bound <= true + 1e-12 <= log(2) + 2e-12
        posterior = np.log(channel[1]) - np.log(channel[0])
        assert bound_and_information(channel, posterior)[0] == pytest.approx(true, abs=1e-9)


def test_infogan_bound_is_a_mean_over_codes_of_at_most_ln_2():
    codes = torch.tensor(list(product([-1.0, 1.0], repeat=3))).double()
    sure = code_information(1e3 * codes, codes)
    assert float(sure) == pytest.approx(log(2))
    assert float(code_information(torch.zeros(8, 3).double(), codes)) == pytest.approx(0, abs=1e-15)
    two_of_three = torch.cat([1e3 * codes[:, :2], torch.zeros(8, 1).double()], 1)
    assert float(code_information(two_of_three, codes)) == pytest.approx(2 / 3 * log(2))


def test_label_information_is_tight_at_the_posterior():
    draw = np.random.default_rng(2)
    joint = draw.dirichlet(np.ones(6)).reshape(2, 3)  # P(h, y)
    counts = draw.multinomial(10_000, joint.ravel())
    cells = np.repeat(np.arange(6), counts)
    labels = torch.from_numpy(cells % 3)
    share = counts.reshape(2, 3) / 10_000
    true = sum(p * log(p / (share.sum(1)[h] * share.sum(0)[y])) for (h, y), p in np.ndenumerate(share))
    logits = torch.from_numpy(np.log(share))[torch.from_numpy(cells // 3)][:, None]
    entropy = label_entropy(labels, 3)
    assert float(label_information(logits, labels, entropy)) == pytest.approx(true)
    worse = logits + torch.tensor([0.0, 1.0, -1.0])
    assert float(label_information(worse, labels, entropy)) < true
