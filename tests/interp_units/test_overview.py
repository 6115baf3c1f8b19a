"""The overview: cells, order of rows and columns, marks, and errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import interp
from interp import OptionError, SchemaError
from interp.plotting import colors, has_enough_data
from interp_units.overview import overview, seriated


def test_similar_rows_are_neighbours():
    ramp = np.linspace(0, 1, 12)[:, None] * np.ones(5)
    shuffled = np.random.default_rng(1).permutation(12)
    assert shuffled[seriated(ramp[shuffled])].tolist() == list(range(11, -1, -1))


@settings(deadline=None)
@given(st.integers(0, 8), st.integers(0, 4), st.integers(0, 99))
def test_a_seriation_is_a_permutation(rows, columns, seed):
    values = np.random.default_rng(seed).random((rows, columns))
    values[values < 0.2] = np.nan
    assert sorted(seriated(values).tolist()) == list(range(rows))


def test_cells_have_the_distances(views, debiased):
    data = views["overview"].data["overview"]
    assert data.sizes["unit"] == 36
    expected = debiased.sel(unit=data.unit.values, pair=data.pair.values).transpose("pair", "unit", ...)
    assert np.array_equal(data.distance.values, expected.distance.values)
    selective = debiased.selective.sel(pair=data.pair.values, unit=hidden(debiased))
    assert (data.n_selective.values == selective.sum("unit")).all()


def hidden(dist):
    mask = np.isin(dist.quantity.values, ["h", "out"]) & (dist.symbol.values == "")
    return dist.unit.values[mask]


def test_strongest_units_of_each_group_are_shown(views, debiased):
    view = views["overview"]
    assert [(group.name, group.size) for group in view.groups] == [
        ("lstm.0 h →", "12 of 24"),
        ("lstm.0 h ←", "12 of 24"),
        ("hidden out", "12 of 30"),
    ]
    enough = debiased.isel(pair=[has_enough_data(*row[:2]) and has_enough_data(*row[2:]) for row in counts(debiased)])
    best = enough.distance.max("pair")
    names = debiased.unit.values[(debiased.quantity == "h") & (debiased.direction == "backward")]
    expected = best.sel(unit=names).to_series().sort_values(ascending=False).index[:12]
    assert set(expected) <= set(view.data["overview"].unit.values)


def counts(dist):
    names = ("n_target", "sources_target", "n_rest", "sources_rest")
    return list(zip(*(dist[name].values.tolist() for name in names), strict=True))


def test_dots_mark_selective_units_and_few_tokens_are_grey(views, debiased):
    view = views["overview"]
    boxes = {shape.key: shape for shape in view.compose().shapes if getattr(shape, "key", "")}
    assert boxes.pop("selective").label == "•"
    data, cases = view.data["overview"], set()
    for row, column in np.ndindex(*data.distance.shape):
        box = boxes[f"{row} {column}"]
        few = not all(has_enough_data(*pair) for pair in np.reshape(counts(data)[row], (2, 2)).tolist())
        distance, selective = float(data.distance[row, column]), bool(data.selective[row, column])
        assert box.color == ("missing" if few else colors.sequential(distance))
        assert bool(box.label) == (selective and not few)
        assert f"{distance:.3f}".replace("-", "−") in box.note
        cases.add((few, bool(box.label)))
    assert cases == {(True, False), (False, True), (False, False)}


def test_an_overview_without_a_test(drawn_dist):
    view = interp.draw(overview, drawn_dist, input="t")
    assert set(view.data["overview"].pair_input.values) == {"t"}
    assert "no test in this result" in view.caption
    assert not [shape for shape in view.compose().shapes if getattr(shape, "label", "") == "•"]


def test_one_pair_and_one_unit(drawn_dist, tmp_path):
    view = interp.draw(overview, drawn_dist.isel(pair=[0], unit=[3]))
    view.save(tmp_path / "a.png")
    assert view.data["overview"].distance.shape == (1, 1)


def test_all_nan_is_grey(drawn_dist):
    view = interp.draw(overview, drawn_dist.assign(distance=drawn_dist.distance * np.nan))
    assert "No distance was measured" in view.summary
    assert view.html()


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (lambda d: d.rename(distance="auc"), {}, SchemaError, r"measure\('hellinger', acts\)"),
        (lambda d: d.isel(pair=[]), {}, OptionError, "no pair"),
        (lambda d: d, {"input": "q"}, OptionError, "inputs: t, s, d"),
        (lambda d: d, {"quantity": "r"}, OptionError, "quantities: h, c"),
        (lambda d: d, {"n_units": 0}, OptionError, "at least 1"),
        (lambda d: d.expand_dims(model=["a", "b"]), {}, SchemaError, "several: a, b"),
    ],
)
def test_errors_name_the_fault(drawn_dist, change, options, error, message):
    with pytest.raises(error, match=message):
        interp.draw(overview, change(drawn_dist), **options)
