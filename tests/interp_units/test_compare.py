"""Two models beside each other: how units are matched, and what is drawn of them."""

import numpy as np
import pytest

import interp
from interp import OptionError
from interp_units.compare import compare, partners
from interp_units.correlation import correlations, matched, with_one
from interp_units.reading import spread


def test_correlations_are_those_of_numpy():
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(50, 3)), draw.normal(size=(50, 4)).astype("float32")
    assert correlations(a, b) == pytest.approx(np.corrcoef(a.T, b.T)[:3, 3:], abs=1e-6)
    flat = np.concatenate([a[:, :1], np.full((50, 1), 0.1)], axis=1)
    assert np.isnan(correlations(flat, b)[1]).all()


def test_one_unit_correlates_with_many_as_in_numpy():
    draw = np.random.default_rng(0)
    own, others = draw.normal(size=500), draw.normal(size=(500, 5)).astype("float32")
    others[:, 0] = 0.9 + 1e-3 * (own + others[:, 0])  # hardly leaves a large value
    others[:, 1], others[7, 2] = 0.1, np.nan
    expected = np.corrcoef(own, others[:, [0, 3, 4]].astype(float).T)[0, 1:]
    assert with_one(own, others)[[0, 3, 4]] == pytest.approx(expected, abs=1e-9)
    assert with_one(own, others)[0] > 0.6
    assert np.isnan(with_one(own, others)[1:3]).all()
    assert np.isnan(with_one(np.full(500, 0.1), others)).all()
    assert with_one(np.zeros(0), np.zeros((0, 3))).shape == (3,)


def test_the_assignment_has_the_largest_sum():
    from itertools import permutations

    draw = np.random.default_rng(2)
    r = draw.uniform(-1, 1, (5, 5))
    rows, columns = matched(r)
    best = max(sum(abs(r[i, j]) for i, j in enumerate(order)) for order in permutations(range(5)))
    assert np.abs(r[rows, columns]).sum() == pytest.approx(best)
    assert len(matched(np.full((2, 3), np.nan))[0]) == 0


def test_partners_are_found_again(drawn_acts, other):
    kept = [interp.pick(side, quantity=["h", "f"]) for side in (drawn_acts, other[0])]
    frame = partners(*kept)
    names = drawn_acts.unit.values
    truth = {names[source]: names[at] for at, source in enumerate(other[1])}
    assert (frame["other"] == frame["unit"].map(truth)).mean() > 0.95
    assert frame["r"].abs().median() > 0.8


def test_a_partner_by_chance_has_no_correlation_on_other_sources(drawn_acts):
    noise = np.random.default_rng(8).normal(size=drawn_acts.activation.shape).astype("float32")
    frame = partners(
        *(
            interp.pick(one, quantity="h")
            for one in (drawn_acts, drawn_acts.assign(activation=(("token", "unit"), noise)))
        )
    )
    assert frame["r"].abs().mean() < frame["r_chosen"].abs().mean()
    assert abs(frame["r"].mean()) < 0.02


def test_both_models_have_the_same_rows(views):
    view = views["compare"]
    data = [view.data[name] for name in ("distances", "other_distances")]
    assert data[0].pair.values.tolist() == data[1].pair.values.tolist()
    shown = view.data["units"][view.data["units"]["drawn"]]
    assert data[0].unit.values.tolist() == shown["unit"].tolist()
    assert data[1].unit.values.tolist() == shown["other"].tolist()


def test_a_comparison_without_distances_says_so(drawn_acts, other):
    view = interp.draw(compare, drawn_acts, other[0], quantity="h")
    assert "Pass the results of interp.measure" in view.caption
    assert "distances" not in view.data
    assert view.html()


def test_what_a_comparison_lacks_is_named(drawn_acts, other, honest):
    with pytest.raises(OptionError, match="capture the same batches"):
        interp.draw(compare, drawn_acts, other[0].isel(token=slice(0, 50)))
    with pytest.raises(OptionError, match="quantities:"):
        interp.draw(compare, drawn_acts, other[0], quantity="z")
    with pytest.raises(OptionError, match="no pair in common"):
        interp.draw(compare, drawn_acts, other[0], honest, honest.isel(pair=[]))


def test_a_large_capture_is_read_in_pieces():
    rows = spread(1_000_000)
    assert rows.size == 20_000
    assert (np.diff(rows) > 1).sum() == 9
    assert rows[-1] == 999_999
