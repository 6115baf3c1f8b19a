"""The views of units: what is drawn, in which order, how it is marked, and what they say when something is missing."""

import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import interp
from interp import OptionError, SchemaError, UnknownNameError, captions, palette, scene
from interp_units.card import unit_card
from interp_units.compare import compare, partners
from interp_units.correlation import correlations, matched, with_one
from interp_units.found import hypothesis_view
from interp_units.overview import overview
from interp_units.reading import spread
from interp_units.saturation import saturation_map
from interp_units.seriation import seriated

UNIT = "lstm.0.backward.h.11"
NAMES = ["overview", "saturation-map", "unit-card", "compare", "hypothesis"]


@pytest.fixture(scope="module")
def other(drawn_acts):
    """A second model: the first one's units in another order within each kind, some turned, with noise."""
    draw = np.random.default_rng(3)
    keys = list(zip(*(drawn_acts[name].values for name in ("module", "direction", "quantity")), strict=True))
    order = np.arange(len(keys))
    for key in dict.fromkeys(keys):
        members = np.array([at for at, own in enumerate(keys) if own == key])
        order[members] = draw.permutation(members)
    sign = draw.choice([-1, 1], len(keys))
    values = drawn_acts.activation.values[:, order] * sign + draw.normal(0, 0.1, drawn_acts.activation.shape)
    return drawn_acts.assign(activation=(("token", "unit"), values.astype("float32"))).assign_attrs(
        model="other"
    ), order


@pytest.fixture(scope="module")
def views(drawn_acts, drawn_links, drawn_dist, honest, saturated, searched, other):
    drawn = [
        interp.draw(overview, honest),
        interp.draw(saturation_map, saturated),
        interp.draw(unit_card, drawn_acts, honest, unit=UNIT, wiring=drawn_links),
        interp.draw(compare, drawn_acts, other[0], honest, honest),
        interp.draw(hypothesis_view, searched),
    ]
    return dict(zip(NAMES, drawn, strict=True))


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


# The overview.


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


# Gate saturation.


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


# The card.


def test_a_card_tells_what_others_measure(views, drawn_acts, honest, drawn_links):
    card, column = views["unit-card"], drawn_acts.activation.sel(unit=UNIT).values.astype(float)
    bins = card.data["distribution"]
    assert bins["all"].sum() == column.size
    best = card.data["pairs"].iloc[0]
    assert best["distance"] == float(honest.distance.sel(unit=UNIT, pair=best["pair"]))
    among = drawn_acts.input.values == best["pair_input"]
    here = among & (drawn_acts.output.values == best["pair_output"])
    assert (bins["with"].sum(), bins["without"].sum()) == (here.sum(), (among & ~here).sum())
    near = card.data["correlated"].iloc[0]
    assert near["r"] == pytest.approx(np.corrcoef(column, drawn_acts.activation.sel(unit=near["unit"]))[0, 1], abs=1e-6)
    assert not near["unit"].endswith("backward.h.11")
    pushed = card.data["pushes"]
    weight = drawn_links.weight.sel(lower_unit=UNIT)
    assert pushed["push"].iloc[0] == pytest.approx(float(weight.max()) * column.std())


def test_gates_of_the_same_neuron(views, saturated):
    gates = views["unit-card"].data["gates"].set_index("unit")
    assert set(gates.index) == {f"lstm.0.backward.{gate}.11" for gate in "ifo"}
    for unit, row in gates.iterrows():
        assert row["above"] == float(saturated.above.sel(unit=unit))


def test_text_goes_from_the_highest_to_the_lowest(views):
    text = views["unit-card"].data["contexts"]
    assert text["row"].iloc[0] == "highest"
    assert text["row"].iloc[-1] == "lowest"
    assert text["row"].nunique() == 12
    means = text.groupby("row", sort=False)["value"].mean().to_numpy()
    assert (np.diff(means) <= 0).all()


def test_contexts_can_be_given(drawn_acts):
    contexts = interp.measure("top-contexts", drawn_acts, examples=3, quantiles=4)
    card = interp.draw(unit_card, drawn_acts, None, contexts, unit=UNIT)
    assert card.data["contexts"]["row"].nunique() == 6


def test_a_long_text_is_looked_through_in_part_and_it_is_said(drawn_acts, monkeypatch):
    monkeypatch.setattr("interp_units.cardtables.TEXT", 400)
    few, contexts = interp.draw(unit_card, drawn_acts, unit=UNIT), interp.measure("top-contexts", drawn_acts)
    assert "text from 400 tokens: pass interp.measure('top-contexts', acts) for all" in few.caption
    assert "text from" not in interp.draw(unit_card, drawn_acts, None, contexts, unit=UNIT).caption


def test_an_output_unit_is_called_by_its_symbol(drawn_acts, drawn_links):
    card = interp.draw(unit_card, drawn_acts, unit="hidden.out.3", wiring=drawn_links)
    pushed = card.data["pushes"]
    assert len(pushed) == 10
    weight = drawn_links.weight.sel(lower_unit="hidden.out.3").dropna("upper_unit")
    sd = drawn_acts.activation.sel(unit="hidden.out.3").values.astype(float).std()
    assert pushed["push"].iloc[0] == pytest.approx(float(weight.max() - weight.mean()) * sd)
    assert pushed["symbol"].iloc[0] in card.html()


def test_a_bare_card_says_how_to_fill_it(drawn_acts):
    bare = interp.pick(drawn_acts, quantity="h").drop_vars(["input", "output", "predicted"])
    html = interp.draw(unit_card, bare, unit=UNIT).html()
    for words in ("interp.measure(&#x27;hellinger&#x27;", "of this neuron was captured", "Pass model=", "no label"):
        assert words in html


@pytest.mark.parametrize("n", [1, 2])
def test_a_card_of_few_tokens_and_one_unit(drawn_acts, tmp_path, n):
    card = interp.draw(unit_card, drawn_acts.isel(token=slice(0, n)).sel(unit=[UNIT]), unit=UNIT)
    for suffix in ("html", "png", "svg"):
        card.save(tmp_path / f"a.{suffix}")
    assert "No other neuron" in card.html()


def test_a_dead_unit_has_a_card(drawn_acts, tmp_path):
    values = drawn_acts.activation.values.copy()
    values[:, 0] = 0
    card = interp.draw(
        unit_card, drawn_acts.assign(activation=(("token", "unit"), values)), unit=drawn_acts.unit.values[0]
    )
    card.save(tmp_path / "a.png")
    assert not len(card.data["correlated"])


def test_what_a_card_lacks_is_named(drawn_acts, honest):
    with pytest.raises(UnknownNameError, match="No unit named 'a'"):
        interp.draw(unit_card, drawn_acts, unit="a")
    with pytest.raises(UnknownNameError, match="No pair named"):
        interp.draw(unit_card, drawn_acts, honest, unit=UNIT, pair="q=>q")
    with pytest.raises(OptionError, match="no token"):
        interp.draw(unit_card, drawn_acts.isel(token=[]), unit=UNIT)
    with pytest.raises(OptionError, match="1 to 4"):
        interp.draw(unit_card, drawn_acts, unit=UNIT, examples=9)


def test_a_card_on_a_page_has_what_the_picture_has(drawn_acts, honest):
    card = interp.draw(unit_card, drawn_acts, honest, unit=UNIT)
    page = card.picture()
    assert page.count("<svg") == 2
    texts = [shape for shape in card.compose().shapes if isinstance(shape, scene.Text)]
    assert page.count("<text") >= len(texts) > 50


# Two models.


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
