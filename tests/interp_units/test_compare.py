"""Comparison of two models: matching of units, rows and columns of the view, and errors."""

import numpy as np
import pytest

import interp
from interp import OptionError
from interp_units.compare import compare, partners


def test_partners_are_recovered(drawn_acts, other):
    sides = [interp.select(side, quantity=["h", "f"]) for side in (drawn_acts, other[0])]
    frame = partners(*sides)
    names = drawn_acts.unit.values
    truth = {names[source]: names[at] for at, source in enumerate(other[1])}
    assert (frame["other"] == frame["unit"].map(truth)).mean() > 0.95
    assert frame["r"].abs().median() > 0.8


def test_chance_partners_are_uncorrelated_on_the_other_sources(drawn_acts):
    noise = np.random.default_rng(8).normal(size=drawn_acts.activation.shape).astype("float32")
    frame = partners(
        *(
            interp.select(one, quantity="h")
            for one in (drawn_acts, drawn_acts.assign(activation=(("token", "unit"), noise)))
        )
    )
    assert frame["r"].abs().mean() < frame["r_matching"].abs().mean()
    assert abs(frame["r"].mean()) < 0.02


def test_both_models_have_the_same_rows(views):
    view = views["compare"]
    data = [view.data[name] for name in ("distances", "other_distances")]
    assert data[0].pair.values.tolist() == data[1].pair.values.tolist()
    drawn = view.data["units"][view.data["units"]["drawn"]]
    assert data[0].unit.values.tolist() == drawn["unit"].tolist()
    assert data[1].unit.values.tolist() == drawn["other"].tolist()


def test_a_comparison_without_distances(drawn_acts, other):
    view = interp.draw(compare, drawn_acts, other[0], quantity="h")
    assert "pass the results of interp.measure" in view.caption
    assert "distances" not in view.data
    assert view.html()


def test_errors_name_the_fault(drawn_acts, other, debiased):
    with pytest.raises(OptionError, match="capture the same batches"):
        interp.draw(compare, drawn_acts, other[0].isel(token=slice(0, 50)))
    with pytest.raises(OptionError, match="quantities:"):
        interp.draw(compare, drawn_acts, other[0], quantity="z")
    with pytest.raises(OptionError, match="no pair in common"):
        interp.draw(compare, drawn_acts, other[0], debiased, debiased.isel(pair=[]))
