"""Helpers of a network run."""

from types import SimpleNamespace

import numpy as np

import interp
from interp_reproduction.network_run import ambiguous_inputs, is_hidden_unit, score_predictions


def labelled(pairs):
    inputs, outputs = zip(*pairs, strict=True)
    return SimpleNamespace(labels={"input": np.array(inputs), "output": np.array(outputs)})


def test_inputs_are_ambiguous_if_both_sides_are_frequent():
    batches = [labelled([("k", "կ")] * 300 + [("k", "ք")] * 300), labelled([("m", "մ")] * 900 + [("m", "_")] * 299)]
    assert ambiguous_inputs(batches) == ["h", "k", "s", "t"]  # with those of the claims


def test_hidden_units_are_outputs_without_a_symbol():
    units = {"unit": ["a.out.0", "b.out.0", "c.h.0"], "module": list("abc"), "layer": [0] * 3, "direction": [""] * 3}
    units |= {"quantity": ["out", "out", "h"], "index": [0] * 3, "symbol": ["", "ա", ""]}
    acts = interp.make_dataset(np.zeros((1, 3), np.float32), units, {"sample": [0], "step": [0], "source": [0]})
    assert is_hidden_unit(acts).tolist() == [True, False, False]


def test_the_score_of_no_batches_is_empty():
    assert score_predictions(None, [], []) == {}
