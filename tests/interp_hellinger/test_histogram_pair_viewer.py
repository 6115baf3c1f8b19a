"""The two histograms behind a distance."""

import json

import numpy as np
import pytest

import interp
from interp import OptionError, UnknownNameError
from interp.plotting import scene
from interp_hellinger.histogram_pair_viewer import histogram_pair, histograms

UNIT = "lstm.0.backward.h.11"


def test_histograms_of_plain_values():
    values, is_target = np.array([0.0, 0.1, 0.6, 1.0, 0.4]), np.array([True, True, False, False, True])
    edges, counts = histograms(values, is_target, 0.0, 1.0, 2)
    assert edges.tolist() == [0, 0.5, 1]
    assert counts.tolist() == [[3, 0], [0, 2]]


def test_constant_unit_has_a_range():
    edges, counts = histograms(np.full(4, 2.0), np.array([True, False, False, True]), 2.0, 2.0, 4)
    assert edges[0] < 2 < edges[-1]
    assert counts.sum(axis=1).tolist() == [2, 2]


@pytest.fixture(scope="module")
def pair_view(drawn_acts, drawn_dist):
    return interp.draw(histogram_pair, drawn_acts, drawn_dist, unit=UNIT, pair=("t", "ծ"))


def test_both_sides_are_counted(pair_view, drawn_acts):
    bins, of_input = pair_view.data["bins"], drawn_acts.input.values == "t"
    is_target = of_input & (drawn_acts.output.values == "ծ")
    assert len(bins) == 40
    assert bins["n_target"].sum() == is_target.sum() == 209
    assert bins["n_rest"].sum() == (of_input & ~is_target).sum() == 986
    assert bins["share_target"].sum() == pytest.approx(1)
    values = drawn_acts.activation.sel(unit=UNIT).values
    assert bins["low"].iloc[0] == pytest.approx(values.min())
    assert bins["high"].iloc[-1] == pytest.approx(values.max())


def test_text_of_the_pair(pair_view, drawn_dist):
    distance = float(interp.plotting.select_unit(interp.plotting.select_pair(drawn_dist, "t=>ծ"), UNIT).distance)
    assert f"{distance:.3f}" in pair_view.caption
    assert f"{distance:.3f}" in pair_view.summary
    assert "209 / 90 against 986 / 100" in pair_view.caption
    assert pair_view.title == f"t ⇒ ծ · {UNIT}"


def test_the_caption_quotes_the_bins_of_the_distance(drawn_acts, drawn_dist):
    dist = drawn_dist.assign_attrs(options=json.dumps({"bins": 1000, "labels": ["input", "output"]}))
    assert "(1,000 bins)" in interp.draw(histogram_pair, drawn_acts, dist, unit=UNIT, pair="t=>ծ").caption


def test_distance_of_other_tokens_names_its_own_n(drawn_acts, drawn_dist):
    half = drawn_acts.isel(token=drawn_acts.source.values < 50)
    caption = interp.draw(histogram_pair, half, drawn_dist, unit=UNIT, pair="t=>ծ").caption
    assert "(measured on n = 209 / 90 against 986 / 100)" in caption


def test_labels_are_read_from_the_result(drawn_acts, drawn_dist):
    acts = drawn_acts.rename(input="letter", output="sound")
    dist = drawn_dist.assign_attrs(options=json.dumps({"labels": ["letter", "sound"]}))
    assert interp.draw(histogram_pair, acts, dist, unit=UNIT, pair="t=>ծ").data["bins"]["n_target"].sum() == 209


def test_missing_label_is_named(drawn_acts, drawn_dist):
    with pytest.raises(UnknownNameError, match="No label named 'output'"):
        interp.draw(histogram_pair, drawn_acts.drop_vars("output"), drawn_dist, unit=UNIT, pair="t=>ծ")


def test_few_tokens_are_grey(pair_view):
    colors = {shape.text: shape.color for shape in pair_view.compose().shapes if isinstance(shape, scene.Text)}
    assert colors["n = 209 / 90"] == "muted"
    assert colors["n = 986 / 100"] == "ink"


def test_steps_end_on_the_axis(pair_view):
    areas = [shape for shape in pair_view.compose().shapes if isinstance(shape, scene.Area)][:2]
    for area in areas:
        assert area.points[0][1] == area.points[-1][1] == max(y for _, y in area.points)
    assert [bool(area.dash) for area in areas] == [False, True]


def test_token_is_a_line_at_its_activation(drawn_acts, drawn_dist):
    view = interp.draw(histogram_pair, drawn_acts, drawn_dist, unit=UNIT, pair="t=>ծ", token=(3, 7))
    row = (drawn_acts["sample"].values == 3) & (drawn_acts.step.values == 7)
    value = float(drawn_acts.activation.sel(unit=UNIT).values[row][0])
    assert view.token["value"] == value
    bins = view.data["bins"]
    (line,) = [
        shape for shape in view.compose().shapes if getattr(shape, "color", "") == "ink" and hasattr(shape, "x1")
    ]
    share = (line.x1 - 64) / 760
    assert bins["low"].iloc[0] + share * (bins["high"].iloc[-1] - bins["low"].iloc[0]) == pytest.approx(value, abs=1e-6)
    assert view.html().count(f"{value:.3f}".replace("-", "−")) == 1
    with pytest.raises(OptionError, match=r"no token {'sample': 3, 'step': 9999}"):
        interp.draw(histogram_pair, drawn_acts, drawn_dist, unit=UNIT, pair="t=>ծ", token=(3, 9999))


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_saved_files_are_reproducible(pair_view, tmp_path, suffix):
    first = pair_view.save(tmp_path / f"a{suffix}").read_bytes()
    assert pair_view.save(tmp_path / f"b{suffix}").read_bytes() == first


def test_holoviews(pair_view):
    assert pair_view.holoviews() is not None


def test_errors_say_what_to_type(drawn_acts, drawn_dist):
    with pytest.raises(UnknownNameError, match="No pair named 'a=>b'"):
        interp.draw(histogram_pair, drawn_acts, drawn_dist, unit=UNIT, pair=("a", "b"))
    with pytest.raises(OptionError, match="at least 2; got 1"):
        interp.draw(histogram_pair, drawn_acts, drawn_dist, unit=UNIT, pair="t=>ծ", bins=1)
    only = drawn_acts.isel(token=np.flatnonzero(drawn_acts.output.values == "ծ"))
    with pytest.raises(OptionError, match="nothing to contrast: of 209 tokens with input 't', 209 have output 'ծ'"):
        interp.draw(histogram_pair, only, drawn_dist, unit=UNIT, pair="t=>ծ")
