"""Which units are shown and what they contribute, on numbers one can check by hand."""

import numpy as np
import pytest

from interp_layered_graph.rows import becomes, best, contrasts, contributions


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


WEIGHT = np.array([[2.0, -1.0], [0.5, np.nan]])
ACTIVATION = np.array([[1.0, 4.0], [3.0, 0.0], [-1.0, 2.0]])
HERE = np.array([True, True, False])


def test_contributions_are_weight_times_mean_activation():
    value = contributions(WEIGHT, ACTIVATION, HERE)
    assert value[0].tolist() == [4.0, -2.0]  # mean of 1 and 3 is 2
    assert value[1, 0] == 1.0  # mean of 4 and 0 is 2
    assert np.isnan(value[1, 1])


def test_contributions_are_the_mean_of_products():
    draw = np.random.default_rng(0)
    weight, activation, here = draw.normal(size=(5, 3)), draw.normal(size=(40, 5)), draw.random(40) < 0.5
    one_by_one = np.mean([weight * activation[token][:, None] for token in np.flatnonzero(here)], axis=0)
    np.testing.assert_allclose(contributions(weight, activation, here), one_by_one, rtol=1e-12)


def test_no_token_no_contribution():
    assert np.isnan(contributions(WEIGHT, ACTIVATION, ~HERE & HERE)).all()


def test_contrasts_are_the_difference_of_means():
    value = contrasts(WEIGHT, ACTIVATION, HERE, np.ones(3, bool))
    assert value[0].tolist() == [2.0 * (2 - -1), -1.0 * (2 - -1)]
    assert value[1, 0] == 0.0  # 2 on both sides


def test_what_all_outputs_share_is_taken_off():
    draw = np.random.default_rng(0)
    weight, activation, here = draw.normal(size=(5, 3)), draw.normal(size=(40, 5)), draw.random(40) < 0.5
    among = np.ones(40, bool)
    moved = contrasts(weight + 7.0, activation, here, among, shared=True)
    np.testing.assert_allclose(moved, contrasts(weight, activation, here, among, shared=True), atol=1e-12)
    np.testing.assert_allclose(moved.sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sums_are_in_double(kind):
    activation = np.full((100_000, 1), 0.1, kind)
    value = contributions(np.ones((1, 1), kind), activation, np.ones(100_000, bool))
    assert value.dtype == np.float64
    assert value[0, 0] == pytest.approx(float(activation[0, 0]), rel=1e-9)
