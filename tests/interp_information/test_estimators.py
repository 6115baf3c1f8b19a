"""Mutual information against closed forms, a naive count, and other libraries."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import mutual_info_score

import interp
from interp_information import (
    estimate_mutual_information,
    miller_madow,
    nearest_neighbour_information,
    plug_in_information,
)

REPETITIONS = 20


def information_of_shift(gap, share=0.5):
    """Return the information in bits of a mixture of N(gap, 1) and N(0, 1) about its component."""

    def integrand(u):
        p, q = norm.pdf(u, gap), norm.pdf(u)
        mixed = share * p + (1 - share) * q
        return share * p * np.log2(p / mixed) + (1 - share) * q * np.log2(q / mixed)

    return quad(integrand, -8, 8 + gap)[0]


def information_of_scale(ratio):
    """Return the information in bits of a mixture of N(0, ratio**2) and N(0, 1) about its component."""

    def integrand(u):
        p, q = norm.pdf(u, 0, ratio), norm.pdf(u)
        mixed = (p + q) / 2
        return (p * np.log2(p / mixed) + q * np.log2(q / mixed)) / 2

    return quad(integrand, -12 * ratio, 12 * ratio, points=[-1, 0, 1], limit=200)[0]


DISTRIBUTIONS = {
    "nothing": (0.0, lambda label, draw: draw.normal(size=label.size)),
    "little": (information_of_shift(0.5), lambda label, draw: draw.normal(0.5 * label)),
    "some": (information_of_shift(1), lambda label, draw: draw.normal(label)),
    "much": (information_of_shift(2.5), lambda label, draw: draw.normal(2.5 * label)),
    "spread": (information_of_scale(3), lambda label, draw: draw.normal(0, 1 + 2 * label)),
    "all": (1.0, lambda label, draw: label.astype(float)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("method", ["permutation", "miller-madow", "nearest"])
def test_closed_forms(name, method):
    """Use the probe's default of 32 bins for this many tokens; with 16, `spread` is 3.5 % low."""
    if (name, method) == ("all", "nearest"):
        pytest.skip("two values are ties")
    true, make = DISTRIBUTIONS[name]
    estimates = []
    for seed in range(REPETITIONS):
        draw = np.random.default_rng(seed)
        label = draw.integers(0, 2, 6000)
        unit = make(label, draw)[:, None]
        if method == "nearest":
            estimates.append(nearest_neighbour_information(unit, label)[0])
        else:
            estimates.append(estimate_mutual_information(unit, label, correction=method, n_permutations=20, bins=32)[0])
    slack = 0.008 if (method, name) == ("nearest", "nothing") else 0.005  # scikit-learn cuts at 0
    assert np.mean(estimates) == pytest.approx(true, abs=max(0.03 * true, slack))


def test_bin_across_two_classes_loses_information():
    """Sixteen bins lose up to a sixteenth of the tokens for two adjacent uniform laws; nearest neighbours do not."""
    draw = np.random.default_rng(0)
    label = (draw.random(6000) < 0.47).astype(int)
    unit = (label + draw.random(6000) / 2)[:, None]
    shares = np.bincount(label) / 6000
    entropy = -np.sum(shares * np.log2(shares))
    estimate = estimate_mutual_information(unit, label)[0]
    assert entropy - 1 / 16 - 0.005 < estimate < entropy - 0.03
    assert estimate_mutual_information(unit, label, bins=255)[0] > estimate + 0.01
    assert nearest_neighbour_information(unit, label)[0] == pytest.approx(entropy, abs=0.005)


def test_five_labels():
    """The information of a unit with five levels, right with probability .7, is log2 5 - H."""
    noise = np.array([0.7, *[0.075] * 4])
    true = np.log2(5) + np.sum(noise * np.log2(noise))
    for correction in ("permutation", "miller-madow"):
        estimates = []
        for seed in range(REPETITIONS):
            draw = np.random.default_rng(seed)
            label = draw.integers(0, 5, 3000)
            unit = (label + draw.choice(5, 3000, p=noise)) % 5
            estimates.append(
                estimate_mutual_information(
                    unit[:, None].astype(float), label, correction=correction, n_permutations=20
                )[0]
            )
        assert np.mean(estimates) == pytest.approx(true, abs=max(0.03 * true, 0.005))


def naive_information(unit, label, bins):
    edges = np.sort(unit)[np.arange(1, bins) * unit.size // bins]
    return mutual_info_score(label, np.searchsorted(edges, unit, side="right")) / np.log(2)


def test_equals_scikit_learn_on_every_permutation():
    draw = np.random.default_rng(3)
    sources = np.repeat(np.arange(100), draw.integers(1, 9, 100))
    label = draw.integers(0, 4, sources.size)
    values = draw.normal(size=(sources.size, 19)).astype(np.float32) + label[:, None] * np.linspace(0, 1, 19)
    values[:, 3] = np.round(values[:, 3])  # ties
    values[:, 4] = 0.5
    orders = list(interp.statistics.permute_sources(sources, n_permutations=7, seed=5))
    for bins in (2, 16):
        estimates = estimate_mutual_information(values, label, sources=sources, bins=bins, n_permutations=7, seed=5)
        for unit, column in enumerate(values.T):
            bias = np.mean([naive_information(column, label[order], bins) for order in orders])
            assert estimates[unit] == pytest.approx(naive_information(column, label, bins) - bias, abs=1e-12)
    assert estimates[4] == 0


def test_miller_madow_of_a_table():
    counts = np.array([[30, 0, 2], [10, 10, 0], [0, 0, 0]])
    n, entropy = counts.sum(), lambda table: -sum(c / n * np.log2(c / n) for c in np.ravel(table) if c)
    corrected = [
        entropy(table) + (np.count_nonzero(table) - 1) / (2 * n * np.log(2))
        for table in (counts.sum(0), counts.sum(1), counts)
    ]
    freedom = np.count_nonzero(counts) - 2 - 3 + 1
    assert miller_madow(plug_in_information(counts), freedom, n) == pytest.approx(
        corrected[0] + corrected[1] - corrected[2]
    )
    unit, label = (np.repeat(side.ravel(), counts.ravel()) for side in np.indices(counts.shape))
    estimates = estimate_mutual_information(unit[:, None].astype(float), label, bins=16, correction="miller-madow")
    assert estimates[0] == pytest.approx(miller_madow(plug_in_information(counts), freedom, n), abs=1e-12)


def test_each_correction_removes_the_bias_once():
    """Both corrections together would be as wrong in the other direction."""
    true, bias, left = information_of_shift(0.5), [], {"permutation": [], "miller-madow": []}
    for seed in range(REPETITIONS):
        draw = np.random.default_rng(seed)
        label = draw.integers(0, 2, 600)
        unit = draw.normal(0.5 * label)[:, None]
        plug = naive_information(unit[:, 0], label, 16)
        for correction, errors in left.items():
            errors.append(estimate_mutual_information(unit, label, correction=correction)[0] - true)
        bias.append(plug - true)
    assert np.mean(bias) > 0.013
    assert all(abs(np.mean(errors)) < 0.005 for errors in left.values())


def test_nearest_equals_scikit_learn():
    draw = np.random.default_rng(0)
    label = draw.integers(0, 3, 500)
    values = draw.normal(size=(500, 2)) + label[:, None]
    expected = mutual_info_classif(values, label, n_neighbors=5, random_state=1) / np.log(2)
    assert np.array_equal(nearest_neighbour_information(values, label, n_neighbors=5, seed=1), expected)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bins": 1}, "bins= is 2"),
        ({"correction": "both"}, "'miller-madow'; got 'both'"),
        ({"n_permutations": 1}, "n_permutations= is at least 2"),
    ],
)
def test_errors(options, sentence):
    with pytest.raises(interp.OptionError, match=sentence):
        estimate_mutual_information(np.zeros((4, 1)), np.zeros(4), **options)
