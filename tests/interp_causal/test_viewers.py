"""Ablation curves and context reach: the numbers that are drawn, where they are drawn, and what is said of them."""

import numpy as np
import pytest
from causes import attributed, curves

import interp
from interp import OptionError, SchemaError, UnknownNameError, scene
from interp_causal.curves import LEFT, WIDTH, ablation_curves, table
from interp_causal.panel import Panel, limits
from interp_causal.reach import context_reach, means, width_of


def shapes(view, kind):
    return [shape for shape in view.compose().shapes if isinstance(shape, kind)]


def texts(view):
    return {shape.text: shape.color for shape in shapes(view, scene.Text)}


@pytest.fixture(scope="module")
def curve_view():
    return interp.draw(ablation_curves, curves())


@pytest.fixture(scope="module")
def attribution(drawn_acts):
    return attributed(drawn_acts)


@pytest.fixture(scope="module")
def reach_view(attribution):
    return interp.draw(context_reach, attribution)


def test_a_panel_puts_its_ends_on_its_edges():
    panel = Panel(10, 20, 100, 50, (0, 16), (-1, 4), np.sqrt)
    assert [panel.x(value) for value in (0, 4, 16)] == [10, 60, 110]
    assert [panel.y(value) for value in (4, -1, 1.5)] == [20, 70, 45]


def test_limits_hold_all_that_is_finite_and_zero():
    assert limits([1.0, np.nan], [[3.0], [2.0]]) == (0.0, pytest.approx(3.15))
    low, high = limits([-1.0, np.inf])
    assert low < -1
    assert 0 < high < 1
    assert limits([np.nan])[0] < limits([np.nan])[1]


def test_the_band_is_the_middle_of_the_orders():
    curve = curves()
    frame = table(curve)
    assert frame["k"].tolist() == list(range(41))
    for side in ("removed", "kept"):
        assert frame[side].to_numpy() == pytest.approx(curve[side].values)
        assert frame[f"{side}_random"].to_numpy() == pytest.approx(curve[f"{side}_random"].values)
        for k in (1, 7, 30):  # 50 values: 2.5 % lies .225 of the way from the second to the third
            ranked = sorted(curve[f"{side}_order"].values[k].tolist())
            low, high = (ranked[1] + 0.225 * (ranked[2] - ranked[1]), ranked[48] - 0.225 * (ranked[48] - ranked[47]))
            assert frame[f"{side}_random_low"][k] == pytest.approx(low)
            assert frame[f"{side}_random_high"][k] == pytest.approx(high)


def test_k80_is_marked_where_the_curve_has_80_percent(curve_view):
    curve = curve_view.data["curve"]
    k80 = int(curve["k80"])
    assert k80 == 4  # a tenth of 40
    (mark,) = [box for box in shapes(curve_view, scene.Box) if box.color == "positive"]
    assert mark.x + mark.width / 2 == pytest.approx(LEFT + np.sqrt(k80 / 40) * WIDTH)
    dots = {box.key: box.y + box.height / 2 for box in shapes(curve_view, scene.Box) if box.key}
    assert dots["removed 4"] <= mark.y + mark.height / 2 <= dots["removed 3"]
    assert "k80 = 4" in texts(curve_view)
    assert "the first 4 of the ranking have 80 %" in curve_view.summary


def test_every_measured_k_says_its_numbers(curve_view):
    notes = {box.key: box.note for box in shapes(curve_view, scene.Box) if box.key}
    assert len(notes) == 2 * 41
    row = curve_view.tables()["curves"].iloc[10]
    assert f"{row['removed']:.3g} nats" in notes["removed 10"]
    assert f"{row['removed_random_low']:.3g} to" in notes["removed 10"]
    assert "the first 10 of 40 units" in notes["kept 10"]


def test_words_of_the_curves(curve_view):
    assert curve_view.title == "t ⇒ ծ · ablation"
    for part in ("n = 400 / 90 tokens / sources", "made-up-bilstm", "40 units", "to='resample'", "orders=50"):
        assert part in curve_view.caption
    assert "ranking=" not in curve_view.caption
    assert "8 nats" in curve_view.summary


@pytest.mark.parametrize(("tokens", "sources", "color"), [(400, 90, "ink"), (299, 90, "muted"), (400, 49, "muted")])
def test_few_tokens_or_sources_are_grey(tokens, sources, color):
    view = interp.draw(ablation_curves, curves(tokens=tokens, sources=sources))
    assert texts(view)[f"n = {tokens} / {sources}"] == color
    assert ("grey" in view.caption) == (color == "muted")


def test_without_orders_and_without_effect_there_is_still_a_picture(tmp_path):
    view = interp.draw(ablation_curves, curves(orders=0))
    assert not [text for text in texts(view) if "random" in text]
    assert view.save(tmp_path / "a.png").stat().st_size
    none = interp.draw(ablation_curves, curves(whole=0.0).assign(k80=-1))
    assert "no effect" in none.summary
    assert not [text for text in texts(none) if "k80" in text]
    assert none.save(tmp_path / "a.svg").stat().st_size


def test_intervals_that_are_not_known_are_not_drawn(curve_view):
    curve = curves()
    unknown = curve.assign({f"removed_{end}": curve["removed_low"] * np.nan for end in ("low", "high")})
    bands = [[area for area in shapes(view, scene.Area) if area.color == "s16"] for view in
             (curve_view, interp.draw(ablation_curves, unknown))]  # fmt: skip
    assert [len(drawn) for drawn in bands] == [2, 1]


def test_curves_of_the_network(tmp_path):
    model = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration").batches("demo", limit=60, seed=0)
    acts = interp.capture(model, batches, quantities=["h"], progress=False)
    ranking = interp.pick(acts, module="hidden").unit.values.tolist()
    options = {"pair": "t=>տ", "orders": 3, "sizes": [9, 100], "draws": 2}
    curve = interp.measure("ablation-curve", acts, model=model, ranking=ranking, **options)
    view = interp.draw("ablation-curves", curve)
    assert view.tables()["curves"]["k"].tolist() == [0, 9, 100, 228]
    chosen = (acts.input.values == "t") & (acts.output.values == "տ")
    n = int(chosen.sum()), np.unique(acts.source.values[chosen]).size
    assert interp.captions.counts(*n) in view.caption
    assert view.save(tmp_path / "a.html").stat().st_size


def naive(values, step, source, offset, length):
    """The mean over sources of the mean over tokens of |attribution| at an offset, one at a time."""
    found = {}
    for row, at, origin in zip(values, step, source, strict=True):
        if 0 <= at + offset < length and not np.isnan(row[at + offset]):
            found.setdefault(origin, []).append(abs(row[at + offset]))
    return np.mean([np.mean(held) for held in found.values()]), sum(map(len, found.values())), len(found)


def parts(attribution, here):
    columns = attribution["attribution"].values[here], attribution["step"].values[here]
    return *columns, attribution["source"].values[here], attribution["source_step"].values


@pytest.mark.parametrize("offset", [-3, 0, 1, 60])
def test_means_are_those_of_a_naive_loop(attribution, offset):
    values, step, source, source_step = parts(attribution, attribution.output.values == "ծ")
    row = means(values, step, source, source_step, [offset]).iloc[0]
    mean, tokens, sources = naive(values, step, source, offset, source_step.size)
    assert row["mean"] == pytest.approx(mean)
    assert (row["tokens"], row["sources"]) == (tokens, sources)
    assert not row["mean"] > row["high"]


def test_an_offset_that_no_token_has_is_nan():
    row = means(np.ones((2, 3)), np.array([0, 1]), np.array([0, 1]), np.arange(3), [-2]).iloc[0]
    assert np.isnan(row["mean"])
    assert row["tokens"] == 0


def test_equal_values_have_no_interval_and_signs_do_not_cancel():
    values = np.where(np.arange(30)[:, None] % 2, 2.0, -2.0) * np.ones((30, 5))
    row = means(values, np.full(30, 2), np.arange(30), np.arange(5), [1]).iloc[0]
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([2.0, 2.0, 2.0])


def test_the_width_holds_90_percent():
    values = np.array([[0.0, 2.0, -5.0, 2.0, 1.0]])
    one = (np.array([2]), np.array([0]), np.arange(5))
    assert width_of(values, *one) == 1  # 5 + 4 of 10
    assert width_of(values + np.eye(5)[4], *one) == 2
    assert width_of(np.array([[0.0, np.nan, 1.0, 0.0, 0.0]]), *one) == 0


def test_panels_are_those_of_the_most_frequent_pairs(reach_view, attribution):
    names, counts = np.unique(attribution.output.values, return_counts=True)
    wanted = [f"t=>{name}" for name in names[np.argsort(-counts, kind="stable")]]
    assert reach_view.data["groups"]["group"].tolist() == wanted[:6]
    frame = reach_view.tables()["reach"]
    assert frame.groupby("group")["offset"].apply(list).tolist() == [list(range(-8, 9))] * len(wanted)
    bars = [box for box in shapes(reach_view, scene.Box) if box.key]
    assert len(bars) == frame["mean"].notna().sum()


def test_bars_are_as_tall_as_their_means(reach_view):
    frame = reach_view.tables()["reach"].set_index(["group", "offset"])["mean"]
    bars = {box.key: box.height for box in shapes(reach_view, scene.Box) if box.key}
    first, second = frame["t=>տ", 1], frame["t=>ծ", 0]
    assert bars["t=>տ 1"] / bars["t=>ծ 0"] == pytest.approx(first / second)


def test_by_letter_there_is_one_panel(attribution):
    view = interp.draw(context_reach, attribution, by="input", reach=2)
    assert view.data["groups"][["group", "tokens"]].to_numpy().tolist() == [["t", attribution.sizes["token"]]]
    assert view.data["reach"]["offset"].tolist() == [-2, -1, 0, 1, 2]
    assert view.title == "Context reach · t"


def test_words_of_the_reach(reach_view):
    assert "most at 1 letter after" in reach_view.summary
    assert "IntegratedGradients" in reach_view.caption
    said = texts(reach_view)
    assert said["n = 209 / 90"] == "muted"
    assert "ink" in [color for text, color in said.items() if text.startswith("n = ")]


def test_single_tokens_are_not_shown_unless_asked_for(attribution):
    few = attribution.isel(token=np.flatnonzero((attribution.output.values != "ծ") | (attribution.source.values < 5)))
    assert "t=>ծ" not in interp.draw(context_reach, few).data["groups"]["group"].tolist()
    asked = interp.draw(context_reach, few, which=["t=>ծ"])
    assert asked.data["groups"]["sources"].tolist() == [4]


@pytest.mark.parametrize("name", ["curve_view", "reach_view"])
@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_they_save_themselves_the_same_each_time(request, tmp_path, name, suffix):
    view = request.getfixturevalue(name)
    first = view.save(tmp_path / f"a{suffix}").read_bytes()
    assert view.save(tmp_path / f"b{suffix}").read_bytes() == first


@pytest.mark.parametrize("name", ["curve_view", "reach_view"])
def test_holoviews_and_notebook(request, name):
    view = request.getfixturevalue(name)
    assert len(view.holoviews()) >= 2
    assert "<iframe" in view._repr_html_()


def test_what_is_wrong_is_named(attribution, drawn_dist):
    with pytest.raises(SchemaError, match=r"'ablation-curve', acts.*got variables distance"):
        interp.draw(ablation_curves, drawn_dist)
    with pytest.raises(SchemaError, match=r"attribution \(token, source_step\)"):
        interp.draw(context_reach, drawn_dist)
    with pytest.raises(SchemaError, match="labels step, source, input, output"):
        interp.draw(context_reach, attribution.drop_vars("output"))
    with pytest.raises(UnknownNameError, match="No pair 't=>x' was explained"):
        interp.draw(context_reach, attribution, which=["t=>x"])
    with pytest.raises(OptionError, match="which= takes 1 to 6; got 0"):
        interp.draw(context_reach, attribution, which=[])
    for options in ({"by": "unit"}, {"reach": 0}, {"which": "t=>ծ"}):
        with pytest.raises(OptionError, match="Expected by="):
            interp.draw(context_reach, attribution, **options)
