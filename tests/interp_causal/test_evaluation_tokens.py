"""Evaluation tokens and donor values against naive loops."""

import numpy as np
import pytest

import interp
from interp_causal.evaluation_tokens import DonorValues, has_donor, select_tokens, sort_tokens, token_labels

LABELS = {
    "input": np.array(list("ppqqp")),
    "place": np.array([0, 1, 0, 0, 0]),
    "source": np.array([1, 1, 2, 2, 3]),
    "sample": np.arange(5),
    "step": np.zeros(5, int),
}
VALUES = np.random.default_rng(0).normal(size=(5, 3))


@pytest.mark.parametrize("match_on", [(), ("input",), ("input", "place")])
def test_a_donor_has_equal_labels_and_another_source(match_on):
    expected = [
        any(
            LABELS["source"][other] != LABELS["source"][own]
            and all(LABELS[name][other] == LABELS[name][own] for name in match_on)
            for other in range(5)
        )
        for own in range(5)
    ]
    assert has_donor(LABELS, match_on).tolist() == expected


def test_means_are_those_of_tokens_with_equal_labels():
    donors = DonorValues(VALUES, LABELS, np.array([0, 2]), "mean", ("input",), 4, 0)
    expected = [VALUES[LABELS["input"] == symbol].mean(0) - VALUES[row] for symbol, row in (("p", 0), ("q", 2))]
    np.testing.assert_allclose(donors.change(np.arange(3)), expected)
    assert donors.draws == 1


def test_cached_changes_equal_uncached_ones():
    arguments = (VALUES, LABELS, np.array([0, 4]), "resample", ("input",), 6, 1)
    cached, direct = DonorValues(*arguments, cache=True), DonorValues(*arguments)
    for units in ([1], [2, 1], [0, 1, 2]):
        np.testing.assert_array_equal(cached.change(np.array(units)), direct.change(np.array(units)))
    assert direct.change(np.array([0])).shape == (12, 1)


def test_tokens_of_an_input_and_a_pair(net):
    _, _, acts = net
    tokens = select_tokens(acts, "p", ("input", "output"), np.ones(acts.sizes["token"], bool))
    assert tokens.outputs == ["x", "y"]
    assert (acts["input"].values[tokens.rows] == "p").all()
    pair = tokens.subset(tokens.has_output("y"))
    assert (acts["output"].values[pair.rows] == "y").all()
    assert pair.outputs == ["x", "y"]
    with pytest.raises(interp.OptionError, match="has a donor of another source"):
        select_tokens(acts, "p", ("input", "output"), np.zeros(acts.sizes["token"], bool))


def test_sorted_tokens_do_not_depend_on_the_order(net):
    _, _, acts = net
    shuffled = acts.isel(token=np.random.default_rng(0).permutation(acts.sizes["token"]))
    assert sort_tokens(acts) is acts
    for name, values in token_labels(sort_tokens(shuffled)).items():
        np.testing.assert_array_equal(values, acts[name].values, err_msg=name)
