"""Which units are shown and what they contribute, on numbers one can check by hand."""

import numpy as np

from interp_layered_graph.rows import becomes, best


def test_the_best_come_in_order_of_position_and_nan_never():
    assert best(np.array([0.1, 0.9, np.nan, 0.5, 0.9]), 3).tolist() == [1, 3, 4]
    assert best(np.array([0.5, 0.5, 0.5]), 2).tolist() == [0, 1]
    assert best(np.array([np.nan, np.nan]), 2).tolist() == []
    assert best(np.array([0.2]), 9).tolist() == [0]


def test_what_an_input_becomes():
    inputs, outputs = list("ttttttts"), list("ծծծթթտց_")
    assert becomes(inputs, outputs, "t", 3) == ["ծ", "թ", "տ"]
    assert becomes(inputs, outputs, "t", 2, keep="ց") == ["ծ", "ց"]
    assert becomes(inputs, outputs, "t", 9, keep="ծ") == ["ծ", "թ", "տ", "ց"]
    assert becomes(inputs, outputs, "q", 3, keep="ծ") == []
