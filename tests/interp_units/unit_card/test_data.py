"""Tables of the unit card on small captures, against the definitions."""

import numpy as np
import pandas as pd
import pytest
from helpers.laws import small

from interp_units.unit_card import data


def column_of(acts, at=1):
    return acts.isel(unit=at)


def test_the_histogram_counts_every_finite_value():
    acts = small(0)
    values = column_of(acts).activation.values
    table = data.distribution(column_of(acts), None)
    expected = np.histogram(values.astype(float), data.N_BINS)
    assert table["all"].tolist() == expected[0].tolist()
    assert table["low"].to_numpy() == pytest.approx(expected[1][:-1])
    constant = data.distribution(column_of(acts, 0), None)
    assert constant["all"].sum() == values.size
    assert constant["high"].iloc[-1] - constant["low"].iloc[0] == pytest.approx(1)


def test_gates_are_those_of_the_same_neuron():
    gates = small(0, quantity="f")
    assert data.gates(gates, column_of(gates))["unit"].tolist() == [str(gates.unit.values[1])]
    assert isinstance(data.gates(small(0, quantity="h"), column_of(gates)), pd.DataFrame)
    assert not len(data.gates(small(0, quantity="h"), column_of(gates)))


def test_correlated_units_exclude_constant_ones_and_the_own_neuron():
    acts = small(0)
    names = data.correlated(acts, column_of(acts))["unit"].tolist()
    assert set(names) == set(acts.unit.values[2:])


def test_no_weights_give_a_reason():
    acts = small(0)
    table, reason = data.connections(acts, column_of(acts), None, None)
    assert table.empty
    assert reason == data.NO_WEIGHTS
