"""Jackknife, permutations of sources, p-values and false discovery rates against closed forms and simulations."""

from __future__ import annotations

import numpy as np
import pytest

import interp


def test_tokens_of_a_source_share_a_group_and_halves_are_other_bits():
    sources = np.repeat(np.arange(4000), 3)
    groups = interp.statistics.jackknife_groups(sources)
    assert np.array_equal(groups.reshape(-1, 3).min(axis=1), groups.reshape(-1, 3).max(axis=1))
    assert np.all(np.abs(np.bincount(groups, minlength=20) / 600 - 1) < 0.3)
    half = (interp.statistics.hash_sources(np.arange(4000)) >> np.uint64(32)) % np.uint64(2)
    assert abs(np.corrcoef(half, groups[::3] % 2)[0, 1]) < 0.06


def test_groups_do_not_depend_on_which_sources_are_there():
    alone = interp.statistics.jackknife_groups(np.array([7, 7]))
    assert np.array_equal(alone, interp.statistics.jackknife_groups(np.array([3, 7, 9, 7]))[[1, 3]])


def test_shuffles_keep_each_source_together_and_lose_nothing():
    sources = np.repeat([5, 2, 9, 4], [3, 1, 4, 2])
    for order in interp.statistics.permute_sources(sources, n_permutations=20, seed=3):
        assert np.array_equal(np.sort(order), np.arange(10))
        permuted = sources[order]
        assert np.count_nonzero(permuted[1:] != permuted[:-1]) == 3
        for source in (5, 2, 9, 4):
            tokens = order[permuted == source]
            assert np.all(np.diff(tokens) % tokens.size == 1 % tokens.size)  # a rotation


def test_all_permutations_of_blocks_are_equally_likely():
    firsts = [
        int(order[0]) for order in interp.statistics.permute_sources(np.array([0, 1, 2]), n_permutations=3000, seed=1)
    ]
    assert np.all(np.abs(np.bincount(firsts) / 1000 - 1) < 0.1)


def test_blocks_are_exchanged_with_blocks_of_equal_length():
    lengths = np.random.default_rng(0).permutation(np.repeat([3, 7, 8], [40, 30, 50]))
    sources = np.repeat(np.arange(120), lengths)
    starts = np.cumsum(lengths) - lengths
    for order in interp.statistics.permute_sources(sources, n_permutations=5, seed=1):
        assert np.array_equal(np.sort(order), np.arange(sources.size))
        assert np.array_equal(lengths[sources[order[starts]]], lengths)
        assert np.array_equal(np.sort(sources[order[starts]]), np.arange(120))


def test_a_label_shared_by_all_beginnings_is_removed_from_the_null():
    begins = np.tile(np.arange(10) < 5, 200)
    shares = [
        np.mean(begins == begins[order])
        for order in interp.statistics.permute_sources(np.repeat(np.arange(200), 10), n_permutations=9)
    ]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)


def test_shuffles_preserve_the_variance_of_source_means():
    """Concatenation of blocks of unequal length would preserve only three fifths of the variance of two replicas."""
    draw = np.random.default_rng(2)
    lengths = draw.integers(4, 30, 400)
    labels = np.concatenate([np.tile(draw.integers(0, 2, n), 2) for n in lengths])
    sources = np.repeat(np.arange(400), 2 * lengths)
    spread = lambda values: np.var(np.bincount(sources, values) / np.bincount(sources))  # noqa: E731
    null = [spread(labels[order]) for order in interp.statistics.permute_sources(sources, n_permutations=20, seed=3)]
    assert np.mean(null) == pytest.approx(spread(labels), rel=0.05)


def test_shuffles_are_those_of_the_seed():
    one, same, other = (
        np.array(list(interp.statistics.permute_sources(np.arange(50), n_permutations=2, seed=seed)))
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[0], one[1])


def test_sources_that_are_not_contiguous_are_rejected():
    with pytest.raises(interp.OptionError, match="must be contiguous"):
        next(interp.statistics.permute_sources(np.array([1, 2, 1]), n_permutations=1))


def test_no_tokens_give_empty_permutations():
    assert [order.tolist() for order in interp.statistics.permute_sources(np.zeros(0, int), n_permutations=2)] == [
        [],
        [],
    ]


def test_the_jackknife_of_a_mean_is_the_mean_and_its_standard_error():
    values = np.random.default_rng(0).normal(size=20)
    without = (values.sum() - values) / 19
    corrected, error = interp.statistics.jackknife(np.asarray(values.mean()), without)
    assert corrected == pytest.approx(values.mean(), rel=1e-12)
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(20), rel=1e-12)


def test_the_jackknife_removes_a_bias_of_one_over_n():
    values = np.random.default_rng(1).normal(size=20)
    biased = lambda sample: np.mean((sample - sample.mean()) ** 2)  # noqa: E731
    without = np.array([biased(np.delete(values, index)) for index in range(20)])
    corrected, _ = interp.statistics.jackknife(np.asarray(biased(values)), without)
    assert corrected == pytest.approx(values.var(ddof=1), rel=1e-12)


def test_shuffles_within_strata_keep_strata_and_sources():
    sources, strata = np.repeat([5, 2, 9, 4], 4), np.tile([0, 0, 1, 1], 4)
    for order in interp.statistics.permute_sources_within(sources, strata, n_permutations=20, seed=3):
        assert np.array_equal(np.sort(order), np.arange(16))
        assert np.array_equal(strata[order], strata)
        permuted = sources[order].reshape(4, 2, 2)
        assert (permuted[..., 0] == permuted[..., 1]).all()
    orders = list(interp.statistics.permute_sources_within(sources, strata, n_permutations=20))
    assert any(not np.array_equal(sources[order][::4], sources[order][2::4]) for order in orders), "strata move apart"


def test_without_strata_they_are_block_shuffles():
    sources = np.repeat([5, 2, 9], 2)
    one = np.array(list(interp.statistics.permute_sources_within(sources, None, n_permutations=3, seed=8)))
    assert np.array_equal(one, np.array(list(interp.statistics.permute_sources(sources, n_permutations=3, seed=8))))


def test_an_interval_covers_the_mean_of_normal_values():
    values = np.random.default_rng(2).normal(3, 1, (20, 2000))
    low, high = interp.statistics.jackknife_interval(values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(20), 20)
    assert ((low <= 3) & (high >= 3)).mean() == pytest.approx(0.95, abs=0.015)
    low, high = interp.statistics.jackknife_interval(np.zeros(2), np.ones(2), np.array([9, 10]))
    assert np.isnan(low).tolist() == [True, False]


def test_pooled_p_counts():
    observed, null = np.array([3.0, 0.0, -np.inf, np.nan]), np.array([[1.0, 3.0], [2.0, np.nan]])
    assert interp.statistics.permutation_pvalue(observed, null).tolist() == [2 / 4, 1, 1, 1]
    draw = np.random.default_rng(0)
    p = interp.statistics.permutation_pvalue(draw.normal(size=5000), draw.normal(size=5000))
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.015)
    assert p.min() > 0


@pytest.mark.parametrize("correction", ["bh", "by"])
def test_false_discovery_against_a_naive_loop(correction):
    p = np.random.default_rng(0).random(60) ** 3
    weight = sum(1 / k for k in range(1, 61)) if correction == "by" else 1
    order = np.argsort(p)
    ranked = [min(1, min(weight * p[order[k]] * 60 / (k + 1) for k in range(rank, 60))) for rank in range(60)]
    expected = np.empty(60)
    expected[order] = ranked
    q = interp.statistics.fdr(np.append(p, np.nan), correction)
    np.testing.assert_allclose(q[:60], expected, rtol=1e-12)
    assert np.isnan(q[60])
    with pytest.raises(interp.OptionError, match="'bh' or 'by'"):
        interp.statistics.fdr(p, "holm")
