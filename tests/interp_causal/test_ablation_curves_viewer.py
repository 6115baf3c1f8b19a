"""The viewer ablation-curves: table, positions of shapes, and texts."""

import numpy as np
import pytest
from helpers.causes import curves

import interp
from interp import SchemaError
from interp.plotting import scene
from interp_causal.ablation_curves_viewer import LEFT, WIDTH, ablation_curves, curve_table


def shapes(view, kind):
    return [shape for shape in view.compose().shapes if isinstance(shape, kind)]


def texts(view):
    return {shape.text: shape.color for shape in shapes(view, scene.Text)}


@pytest.fixture(scope="module")
def curve_view():
    return interp.draw(ablation_curves, curves())


def test_band_is_the_middle_of_the_random_orders():
    curve = curves()
    frame = curve_table(curve)
    assert frame["k"].tolist() == list(range(41))
    for side in ("removed", "kept"):
        assert frame[side].to_numpy() == pytest.approx(curve[side].values)
        assert frame[f"{side}_random"].to_numpy() == pytest.approx(curve[f"{side}_random"].values)
        for k in (1, 7, 30):  # 50 values: the 2.5th percentile lies 0.225 of the way from the second to the third
            ordered = sorted(curve[f"{side}_order"].values[k].tolist())
            low, high = (
                ordered[1] + 0.225 * (ordered[2] - ordered[1]),
                ordered[48] - 0.225 * (ordered[48] - ordered[47]),
            )
            assert frame[f"{side}_random_low"][k] == pytest.approx(low)
            assert frame[f"{side}_random_high"][k] == pytest.approx(high)


def test_k80_is_marked_at_80_percent_of_the_effect(curve_view):
    curve = curve_view.data["curve"]
    k80 = int(curve["k80"])
    assert k80 == 4  # a tenth of 40
    (mark,) = [box for box in shapes(curve_view, scene.Box) if box.color == "positive"]
    assert mark.x + mark.width / 2 == pytest.approx(LEFT + np.sqrt(k80 / 40) * WIDTH)
    dots = {box.key: box.y + box.height / 2 for box in shapes(curve_view, scene.Box) if box.key}
    assert dots["removed 4"] <= mark.y + mark.height / 2 <= dots["removed 3"]
    assert "k80 = 4" in texts(curve_view)
    assert "the first 4 units have 80 %" in curve_view.summary


def test_every_measured_k_has_a_note(curve_view):
    notes = {box.key: box.note for box in shapes(curve_view, scene.Box) if box.key}
    assert len(notes) == 2 * 41
    row = curve_view.tables()["curves"].iloc[10]
    assert f"{row['removed']:.3g} nats" in notes["removed 10"]
    assert f"{row['removed_random_low']:.3g} to" in notes["removed 10"]
    assert "the first 10 of 40 units" in notes["kept 10"]


def test_title_caption_and_summary(curve_view):
    assert curve_view.title == "t ⇒ ծ · ablation"
    for part in (
        "n = 400 / 90 tokens / sources",
        "made-up-bilstm",
        "40 units",
        "replace_with='resample'",
        "n_random_orders=50",
    ):
        assert part in curve_view.caption
    assert "ranking=" not in curve_view.caption
    assert "8 nats" in curve_view.summary


@pytest.mark.parametrize(("tokens", "sources", "color"), [(400, 90, "ink"), (299, 90, "muted"), (400, 49, "muted")])
def test_few_tokens_or_sources_are_grey(tokens, sources, color):
    view = interp.draw(ablation_curves, curves(tokens=tokens, sources=sources))
    assert texts(view)[f"n = {tokens} / {sources}"] == color
    assert ("grey" in view.caption) == (color == "muted")


def test_curves_without_random_orders_and_without_effect(tmp_path):
    view = interp.draw(ablation_curves, curves(orders=0))
    assert not [text for text in texts(view) if "random" in text]
    assert view.save(tmp_path / "a.png").stat().st_size
    flat = interp.draw(ablation_curves, curves(whole=0.0).assign(k80=-1))
    assert "no effect" in flat.summary
    assert not [text for text in texts(flat) if "k80" in text]
    assert flat.save(tmp_path / "a.svg").stat().st_size


def test_nan_intervals_are_not_drawn(curve_view):
    curve = curves()
    unknown = curve.assign({f"removed_{end}": curve["removed_ci_low"] * np.nan for end in ("ci_low", "ci_high")})
    bands = [[area for area in shapes(view, scene.Area) if area.color == "s16"] for view in
             (curve_view, interp.draw(ablation_curves, unknown))]  # fmt: skip
    assert [len(areas) for areas in bands] == [2, 1]


def test_curves_of_the_armenian_network(tmp_path):
    model = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration").batches("demo", limit=60, seed=0)
    acts = interp.capture(model, batches, quantities=["h"], progress=False)
    ranking = interp.select(acts, module="hidden").unit.values.tolist()
    options = {"pair": "t=>տ", "n_random_orders": 3, "k_values": [9, 100], "n_draws": 2}
    curve = interp.measure("ablation-curve", acts, model=model, ranking=ranking, **options)
    view = interp.draw("ablation-curves", curve)
    assert view.tables()["curves"]["k"].tolist() == [0, 9, 100, 228]
    mask = (acts.input.values == "t") & (acts.output.values == "տ")
    n = int(mask.sum()), np.unique(acts.source.values[mask]).size
    assert interp.plotting.format_counts(*n) in view.caption
    assert view.save(tmp_path / "a.html").stat().st_size


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_saved_files_are_reproducible(tmp_path, curve_view, suffix):
    first = curve_view.save(tmp_path / f"a{suffix}").read_bytes()
    assert curve_view.save(tmp_path / f"b{suffix}").read_bytes() == first


def test_holoviews_and_notebook(curve_view):
    assert len(curve_view.holoviews()) >= 2
    assert "<iframe" in curve_view._repr_html_()


def test_other_results_raise_an_error(drawn_dist):
    with pytest.raises(SchemaError, match=r"'ablation-curve', acts.*got variables distance"):
        interp.draw(ablation_curves, drawn_dist)
