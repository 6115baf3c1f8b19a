"""The viewer context-reach: means, positions of shapes, and texts."""

import numpy as np
import pytest
from helpers.causes import attributed

import interp
from interp import OptionError, SchemaError, UnknownNameError
from interp.plotting import scene
from interp_causal.context_reach_viewer import context_reach, context_width, offset_means


def shapes(view, kind):
    return [shape for shape in view.compose().shapes if isinstance(shape, kind)]


def texts(view):
    return {shape.text: shape.color for shape in shapes(view, scene.Text)}


@pytest.fixture(scope="module")
def attribution(drawn_acts):
    return attributed(drawn_acts)


@pytest.fixture(scope="module")
def reach_view(attribution):
    return interp.draw(context_reach, attribution)


def naive_mean(values, step, source, offset, length):
    """Return the mean over sources of the mean over tokens of |attribution| at an offset, in a loop."""
    by_source = {}
    for row, at, origin in zip(values, step, source, strict=True):
        if 0 <= at + offset < length and not np.isnan(row[at + offset]):
            by_source.setdefault(origin, []).append(abs(row[at + offset]))
    return (
        np.mean([np.mean(values) for values in by_source.values()]),
        sum(map(len, by_source.values())),
        len(by_source),
    )


def parts(attribution, here):
    columns = attribution["attribution"].values[here], attribution["step"].values[here]
    return *columns, attribution["source"].values[here], attribution["source_step"].values


@pytest.mark.parametrize("offset", [-3, 0, 1, 60])
def test_means_equal_a_naive_loop(attribution, offset):
    values, step, source, source_step = parts(attribution, attribution.output.values == "ծ")
    row = offset_means(values, step, source, source_step, [offset]).iloc[0]
    mean, tokens, sources = naive_mean(values, step, source, offset, source_step.size)
    assert row["mean"] == pytest.approx(mean)
    assert (row["tokens"], row["sources"]) == (tokens, sources)
    assert not row["mean"] > row["ci_high"]


def test_offset_without_tokens_is_nan():
    row = offset_means(np.ones((2, 3)), np.array([0, 1]), np.array([0, 1]), np.arange(3), [-2]).iloc[0]
    assert np.isnan(row["mean"])
    assert row["tokens"] == 0


def test_equal_values_have_an_empty_interval_and_signs_do_not_cancel():
    values = np.where(np.arange(30)[:, None] % 2, 2.0, -2.0) * np.ones((30, 5))
    row = offset_means(values, np.full(30, 2), np.arange(30), np.arange(5), [1]).iloc[0]
    assert row[["mean", "ci_low", "ci_high"]].tolist() == pytest.approx([2.0, 2.0, 2.0])


def test_width_contains_90_percent():
    values = np.array([[0.0, 2.0, -5.0, 2.0, 1.0]])
    one = (np.array([2]), np.array([0]), np.arange(5))
    assert context_width(values, *one) == 1  # 5 + 4 of 10
    assert context_width(values + np.eye(5)[4], *one) == 2
    assert context_width(np.array([[0.0, np.nan, 1.0, 0.0, 0.0]]), *one) == 0


def test_panels_show_the_most_frequent_pairs(reach_view, attribution):
    names, counts = np.unique(attribution.output.values, return_counts=True)
    expected = [f"t=>{name}" for name in names[np.argsort(-counts, kind="stable")]]
    assert reach_view.data["groups"]["group"].tolist() == expected[:6]
    frame = reach_view.tables()["reach"]
    assert frame.groupby("group")["offset"].apply(list).tolist() == [list(range(-8, 9))] * len(expected)
    bars = [box for box in shapes(reach_view, scene.Box) if box.key]
    assert len(bars) == frame["mean"].notna().sum()


def test_bars_are_as_tall_as_their_means(reach_view):
    frame = reach_view.tables()["reach"].set_index(["group", "offset"])["mean"]
    bars = {box.key: box.height for box in shapes(reach_view, scene.Box) if box.key}
    first, second = frame["t=>տ", 1], frame["t=>ծ", 0]
    assert bars["t=>տ 1"] / bars["t=>ծ 0"] == pytest.approx(first / second)


def test_group_by_input_has_one_panel(attribution):
    view = interp.draw(context_reach, attribution, group_by="input", max_offset=2)
    assert view.data["groups"][["group", "tokens"]].to_numpy().tolist() == [["t", attribution.sizes["token"]]]
    assert view.data["reach"]["offset"].tolist() == [-2, -1, 0, 1, 2]
    assert view.title == "Context reach · t"


def test_summary_caption_and_counts(reach_view):
    assert "largest at 1 letter after" in reach_view.summary
    assert "IntegratedGradients" in reach_view.caption
    colors = texts(reach_view)
    assert colors["n = 209 / 90"] == "muted"
    assert "ink" in [color for text, color in colors.items() if text.startswith("n = ")]


def test_groups_with_few_sources_are_shown_on_request(attribution):
    reduced = attribution.isel(
        token=np.flatnonzero((attribution.output.values != "ծ") | (attribution.source.values < 5))
    )
    assert "t=>ծ" not in interp.draw(context_reach, reduced).data["groups"]["group"].tolist()
    requested = interp.draw(context_reach, reduced, groups=["t=>ծ"])
    assert requested.data["groups"]["sources"].tolist() == [4]


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_saved_files_are_reproducible(tmp_path, reach_view, suffix):
    first = reach_view.save(tmp_path / f"a{suffix}").read_bytes()
    assert reach_view.save(tmp_path / f"b{suffix}").read_bytes() == first


def test_holoviews_and_notebook(reach_view):
    assert len(reach_view.holoviews()) >= 2
    assert "<iframe" in reach_view._repr_html_()


def test_invalid_results_and_options_raise_errors(attribution, drawn_dist):
    with pytest.raises(SchemaError, match=r"attribution \(token, source_step\)"):
        interp.draw(context_reach, drawn_dist)
    with pytest.raises(SchemaError, match="labels step, source, input, output"):
        interp.draw(context_reach, attribution.drop_vars("output"))
    with pytest.raises(UnknownNameError, match="No pair 't=>x' was explained"):
        interp.draw(context_reach, attribution, groups=["t=>x"])
    with pytest.raises(OptionError, match="groups= takes 1 to 6 names; got 0"):
        interp.draw(context_reach, attribution, groups=[])
    for options in ({"group_by": "unit"}, {"max_offset": 0}, {"groups": "t=>ծ"}):
        with pytest.raises(OptionError, match="Expected group_by="):
            interp.draw(context_reach, attribution, **options)
