"""Selection of units and outputs, on numbers that can be checked by hand."""

import numpy as np

from interp_layered_graph.data import common_outputs, top_positions


def test_top_positions_are_sorted_and_exclude_nan():
    assert top_positions(np.array([0.1, 0.9, np.nan, 0.5, 0.9]), 3).tolist() == [1, 3, 4]
    assert top_positions(np.array([0.5, 0.5, 0.5]), 2).tolist() == [0, 1]
    assert top_positions(np.array([np.nan, np.nan]), 2).tolist() == []
    assert top_positions(np.array([0.2]), 9).tolist() == [0]


def test_common_outputs():
    inputs, outputs = list("ttttttts"), list("ծծծթթտց_")
    assert common_outputs(inputs, outputs, "t", 3) == ["ծ", "թ", "տ"]
    assert common_outputs(inputs, outputs, "t", 2, include="ց") == ["ծ", "ց"]
    assert common_outputs(inputs, outputs, "t", 9, include="ծ") == ["ծ", "թ", "տ", "ց"]
    assert common_outputs(inputs, outputs, "q", 3, include="ծ") == []
