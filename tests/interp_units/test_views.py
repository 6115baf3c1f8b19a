"""The views of units: what is drawn, in which order, how it is marked, and what they say when something is missing."""

import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import interp
from interp import OptionError, SchemaError, captions, palette
from interp_units.card import unit_card
from interp_units.overview import overview
from interp_units.saturation import saturation_map
from interp_units.seriation import seriated

UNIT = "lstm.0.backward.h.11"
NAMES = ["overview", "saturation-map", "unit-card", "compare", "hypothesis"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_they_save_themselves_the_same_each_time(views, tmp_path, name, suffix):
    first = views[name].save(tmp_path / f"a{suffix}").read_bytes()
    assert views[name].save(tmp_path / f"b{suffix}").read_bytes() == first


@pytest.mark.parametrize("name", NAMES)
def test_each_has_numbers_words_and_a_holoviews_object(views, name):
    view = views[name]
    assert view.holoviews() is not None
    assert view.summary.endswith(".")
    assert "bilstm; data transliteration" in view.caption
    assert all(len(frame) for frame in view.tables().values())
    assert len(re.findall("<[a-z]", view.html())) < 5000
    assert view._repr_html_().startswith("<iframe")
    assert name in interp.viewers()


def test_rows_that_are_alike_stand_together():
    ramp = np.linspace(0, 1, 12)[:, None] * np.ones(5)
    shuffled = np.random.default_rng(1).permutation(12)
    assert shuffled[seriated(ramp[shuffled])].tolist() == list(range(11, -1, -1))


@settings(deadline=None)
@given(st.integers(0, 8), st.integers(0, 4), st.integers(0, 99))
def test_a_seriation_is_a_permutation(rows, columns, seed):
    values = np.random.default_rng(seed).random((rows, columns))
    values[values < 0.2] = np.nan
    assert sorted(seriated(values).tolist()) == list(range(rows))


def test_cells_hold_the_distances(views, honest):
    shown = views["overview"].data["overview"]
    assert shown.sizes["unit"] == 36
    again = honest.sel(unit=shown.unit.values, pair=shown.pair.values).transpose("pair", "unit", ...)
    assert np.array_equal(shown.distance.values, again.distance.values)
    assert (shown.known.values == honest.knows.sel(pair=shown.pair.values, unit=hidden(honest)).sum("unit")).all()


def hidden(dist):
    kept = np.isin(dist.quantity.values, ["h", "out"]) & (dist.symbol.values == "")
    return dist.unit.values[kept]


def test_the_strongest_of_each_group_are_shown(views, honest):
    view = views["overview"]
    assert [(group.name, group.of) for group in view.groups] == [
        ("lstm.0 h →", "12 of 24"),
        ("lstm.0 h ←", "12 of 24"),
        ("hidden out", "12 of 30"),
    ]
    enough = honest.isel(pair=[captions.enough(*row[:2]) and captions.enough(*row[2:]) for row in counts(honest)])
    best = enough.distance.max("pair")
    names = honest.unit.values[(honest.quantity == "h") & (honest.direction == "backward")]
    expected = best.sel(unit=names).to_series().sort_values(ascending=False).index[:12]
    assert set(expected) <= set(view.data["overview"].unit.values)


def counts(dist):
    names = ("n_with", "sources_with", "n_without", "sources_without")
    return list(zip(*(dist[name].values.tolist() for name in names), strict=True))


def test_a_dot_says_knows_and_few_tokens_are_grey(views, honest):
    view = views["overview"]
    boxes = {shape.key: shape for shape in view.compose().shapes if getattr(shape, "key", "")}
    assert boxes.pop("knows").label == "•"
    shown, seen = view.data["overview"], set()
    for row, column in np.ndindex(*shown.distance.shape):
        box = boxes[f"{row} {column}"]
        few = not all(captions.enough(*pair) for pair in np.reshape(counts(shown)[row], (2, 2)).tolist())
        distance, knows = float(shown.distance[row, column]), bool(shown.knows[row, column])
        assert box.color == ("missing" if few else palette.sequential(distance))
        assert bool(box.label) == (knows and not few)
        assert f"{distance:.3f}".replace("-", "−") in box.note
        seen.add((few, bool(box.label)))
    assert seen == {(True, False), (False, True), (False, False)}


def test_an_overview_without_a_test_says_so(drawn_dist):
    view = interp.draw(overview, drawn_dist, input="t")
    assert set(view.data["overview"].pair_input.values) == {"t"}
    assert "no test in this result" in view.caption
    assert not [shape for shape in view.compose().shapes if getattr(shape, "label", "") == "•"]


def test_one_pair_and_one_unit(drawn_dist, tmp_path):
    view = interp.draw(overview, drawn_dist.isel(pair=[0], unit=[3]))
    view.save(tmp_path / "a.png")
    assert view.data["overview"].distance.shape == (1, 1)


def test_all_nan_is_grey_and_not_an_error(drawn_dist):
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
def test_what_an_overview_lacks_is_named(drawn_dist, change, options, error, message):
    with pytest.raises(error, match=message):
        interp.draw(overview, change(drawn_dist), **options)


def test_a_point_lies_at_its_shares(views, saturated):
    view = views["saturation-map"]
    frame = view.data["units"].set_index("unit")
    assert set(frame["quantity"]) == {"i", "f", "o"}
    assert len(frame) == 24 * 2 * 3
    points = [shape for shape in view.compose().shapes if getattr(shape, "key", "")]
    origin = {}
    for point in points:
        row = frame.loc[point.key]
        key = (row["quantity"], row["direction"])
        place = (point.x - row["below"] * 240, point.y + row["above"] * 240)
        assert origin.setdefault(key, place) == pytest.approx(place, abs=1e-6)
        assert row["above"] == float(saturated.above.sel(unit=point.key))
    assert len(points) == len(frame)
    assert len(origin) == 6


def test_a_gru_has_two_gates_in_the_map(tmp_path):
    torch = pytest.importorskip("torch")
    model = torch.nn.GRU(3, 4, batch_first=True).eval()
    acts = interp.capture(model, torch.randn(6, 9, 3), progress=False)
    view = interp.draw(saturation_map, interp.measure("saturation", acts))
    assert set(view.data["units"]["quantity"]) == {"r", "z"}
    view.save(tmp_path / "a.png")
    assert interp.draw(saturation_map, interp.measure("saturation", acts), quantity="z").data["units"].shape[0] == 4
    card = interp.draw(unit_card, acts, unit=str(acts.unit.values[0]))
    assert set(card.tables()["gates"]["quantity"]) == {"r", "z"}
    assert "data" not in card.caption  # a tensor names no text
    card.save(tmp_path / "b.png")


def test_many_units_are_cut_and_it_is_said(saturated):
    many = xr.concat(
        [saturated.assign_coords(unit=saturated.unit + f".{at}") for at in range(12)], "unit", data_vars="minimal"
    )
    view = interp.draw(saturation_map, many)
    assert len([shape for shape in view.compose().shapes if getattr(shape, "key", "")]) == 1500
    assert "1,500 most saturated of 1,728" in view.caption


def test_what_a_map_lacks_is_named(saturated, honest):
    with pytest.raises(SchemaError, match=r"measure\('saturation', acts\)"):
        interp.draw(saturation_map, honest)
    with pytest.raises(OptionError, match="capture them with quantities="):
        interp.draw(saturation_map, saturated, quantity="z")
