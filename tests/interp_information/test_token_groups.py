"""Groups of tokens, their permutations, and samples of whole sources."""

import json

import numpy as np
import pytest

import interp
from interp_information.token_groups import conditional_groups, join_groups, sample_whole_sources

OPTIONS = {"min_tokens": 100, "min_sources": 20, "n_permutations": 5, "seed": 0}


def test_groups_partition_the_tokens(drawn_acts):
    groups, skipped = conditional_groups(drawn_acts, ["input"], "output", **OPTIONS)
    for group in groups:
        assert (drawn_acts.input.values[group.rows] == group.conditions[0]).all()
        sort_keys = [drawn_acts[name].values[group.rows] for name in ("step", "sample", "source")]
        assert np.array_equal(np.lexsort(sort_keys), np.arange(group.rows.size))
        assert group.columns.shape == (group.rows.size, 1 + 5 * (group.n_classes > 1))
        for column in group.columns.T:
            assert np.array_equal(np.bincount(column), np.bincount(group.columns[:, 0]))
    names = {group.name for group in groups} | set(json.loads(skipped))
    assert names == set(np.unique(drawn_acts.input.values))
    whole = join_groups(drawn_acts, groups, "output", 2, 0)
    assert whole.rows.size == sum(group.rows.size for group in groups)


def test_permutations_do_not_depend_on_other_groups(drawn_acts):
    groups, _ = conditional_groups(drawn_acts, ["input"], "output", **OPTIONS)
    (alone,), _ = conditional_groups(interp.select(drawn_acts, input="t"), ["input"], "output", **OPTIONS)
    (among,) = (group for group in groups if group.name == "t")
    assert np.array_equal(alone.columns, among.columns)


def test_too_few_tokens_and_labels_are_errors(drawn_acts):
    with pytest.raises(interp.OptionError, match=r"min_tokens=.*There are: .*\d+ tokens / \d+ sources"):
        conditional_groups(drawn_acts, ["input"], "output", **OPTIONS | {"min_tokens": 10**6})
    with pytest.raises(interp.OptionError, match="one input only"):
        conditional_groups(drawn_acts, ["input"], "input", **OPTIONS)


def test_samples_are_whole_sources():
    sources = np.repeat(np.arange(50), 7)
    sample = sample_whole_sources(sources, 100)
    counts = np.bincount(sources[sample], minlength=50)
    assert set(counts.tolist()) == {0, 7}
    assert sample.sum() == 98
    assert sample_whole_sources(sources, 350).all()
