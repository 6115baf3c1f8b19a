"""Pairs of labels and the counts of their sides."""

import numpy as np
import pytest

import interp
from interp_hellinger import candidate_pairs
from interp_hellinger.pairs import select_pairs


def test_sufficient_pairs_are_measured(drawn_acts):
    sides = candidate_pairs(drawn_acts, min_tokens=100)
    result = interp.measure("hellinger", drawn_acts, estimator="raw", min_tokens=100)
    assert sides.pair.values[sides.sufficient].tolist() == result.pair.values.tolist()
    for name in result.data_vars.keys() - {"distance"}:
        np.testing.assert_array_equal(sides[name].values[sides.sufficient], result[name].values)


def test_sides_equal_a_naive_count(drawn_acts):
    sides = candidate_pairs(drawn_acts).isel(pair=slice(None, None, 3))
    inputs, outputs, source = (drawn_acts[name].values for name in ("input", "output", "source"))
    for index in range(sides.sizes["pair"]):
        one = sides.isel(pair=index)
        of_input = inputs == one.pair_input.item()
        masks = of_input & (outputs == one.pair_output.item()), of_input & (outputs != one.pair_output.item())
        assert [int(one.n_target), int(one.n_rest)] == [mask.sum() for mask in masks]
        assert [int(one.sources_target), int(one.sources_rest)] == [np.unique(source[mask]).size for mask in masks]


def test_reasons_name_each_shortage(drawn_acts):
    sides = candidate_pairs(drawn_acts, min_tokens=210, min_sources=95)
    selected, skipped = select_pairs(sides, None, 210, 95)
    assert skipped["t=>ծ"] == "209 / 986 tokens, under 210; 90 / 100 sources, under 95"
    assert "t=>ծ" not in selected.pair
    assert select_pairs(sides, None, 210)[1] == {}, "without min_sources only requested pairs are explained"


def test_unknown_pair_is_an_error(drawn_acts):
    with pytest.raises(interp.UnknownNameError, match=r"pair .t=>x.\. The most frequent pairs: "):
        select_pairs(candidate_pairs(drawn_acts), ["t=>x"], 1)
