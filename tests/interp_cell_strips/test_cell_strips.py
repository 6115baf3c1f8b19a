"""Cell strips: values, selection of the text, and files."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import interp
from interp import OptionError, UnknownNameError
from interp.plotting import colors, scene
from interp_cell_strips.cell_strips import cell_strips
from interp_cell_strips.data import MAX_CELLS

UNITS = ["lstm.0.backward.c.6", "lstm.0.forward.h.14", "hidden.out.7", "lstm.0.forward.f.9"]


@pytest.fixture(scope="module")
def strips(drawn_acts):
    return interp.draw(cell_strips, drawn_acts, units=UNITS, around="tyun")


def acts_of(text, values=None, **labels):
    n = len(text)
    units = {"unit": ["a.0.forward.h.0", "a.0.backward.i.1"], "module": ["a", "a"], "layer": [0, 0]}
    units |= {"direction": ["forward", "backward"], "quantity": ["h", "i"], "index": [0, 1]}
    tokens = {"sample": [0] * n, "step": range(n), "source": [0] * n, "input": list(text), "output": list(text)}
    data = np.zeros((n, 2), "float32") if values is None else np.array(values, "float32")
    return interp.make_dataset(data, units, tokens | labels)


def test_values_equal_the_captured_ones(strips, drawn_acts):
    data = strips.data["strips"]
    assert data.unit.values.tolist() == UNITS
    for at in (0, 50, -1):
        token = (drawn_acts["sample"] == data["sample"][at]) & (drawn_acts.step == data.step[at])
        row = drawn_acts.sel(unit=UNITS).isel(token=np.flatnonzero(token))
        assert data.activation.values[at].tolist() == row.activation.values[0].tolist()
        assert str(row.input.values[0]) == str(data.input.values[at])


def test_windows_contain_the_text(strips):
    data = strips.data["strips"]
    inside = "".join(data.input.values[data.inside.values].tolist())
    assert inside == "tyun" * (len(inside) // 4)
    assert inside
    assert data.sizes["character"] == 160


def test_one_passage_of_each_source_comes_first(drawn_acts):
    data = interp.draw(cell_strips, drawn_acts, units=UNITS, max_characters=400).data["strips"]
    assert len(set(data.source.values.tolist())) == len(set(data["sample"].values.tolist()))


@pytest.mark.parametrize("units", [1, 4, 12])
def test_a_page_stays_small(drawn_acts, units):
    names = drawn_acts.unit.values[:units].tolist()
    view = interp.draw(cell_strips, drawn_acts, units=names, max_characters=10_000)
    n = view.data["strips"].sizes["character"]
    assert n <= 400
    assert n * (units + 2) <= MAX_CELLS
    assert len(re.findall("<[a-z]", view.html())) < 5000
    assert len(view.html()) < 1.5e6


def test_samples_and_sources_are_selected(drawn_acts):
    data = interp.draw(cell_strips, drawn_acts, units=UNITS, samples=[3, 5]).data["strips"]
    assert set(data["sample"].values.tolist()) == {3, 5}
    data = interp.draw(cell_strips, drawn_acts, units=UNITS, sources=[4]).data["strips"]
    assert set(data.source.values.tolist()) == {4}


def test_the_scale_covers_the_whole_dataset(drawn_acts):
    values = np.abs(drawn_acts.activation.sel(unit="hidden.out.7").values.astype(float))
    view = interp.draw(cell_strips, drawn_acts, units=UNITS, samples=[0])
    assert float(view.data["strips"].scale_max.sel(unit="hidden.out.7")) == pytest.approx(
        np.percentile(values, 99.5), rel=1e-6
    )


def test_colours_clipping_and_nan():
    values = [[0.0, 0.0], [1.0, 0.5], [-1.0, 1.0], [float("nan"), 0.2]]
    view = interp.draw(cell_strips, acts_of("abcd", values), units=["a.0.forward.h.0", "a.0.backward.i.1"])
    _, _, h, gate = view.rows()[0]
    limit = float(view.data["strips"].scale_max[0])
    assert [cell.color for cell in h.cells] == [
        "d0",
        colors.diverging(1 / limit),
        colors.diverging(-1 / limit),
        "missing",
    ]
    assert [cell.color for cell in gate.cells] == ["s0", "s16", "s32", colors.sequential(0.2)]
    assert (h.arrow, gate.arrow) == ("→", "←")


def test_values_outside_the_scale_are_marked():
    values = np.zeros((1000, 2), "float32")
    values[:, 0] = 0.5
    values[0, 0] = 9
    acts = acts_of("a" * 1000, values)
    row = interp.draw(cell_strips, acts, units="a.0.forward.h.0").rows()[0][2]
    assert row.cells[0].mark == "clipped"
    assert {cell.mark for cell in row.cells[1:]} == {""}


def test_a_wrong_output_is_framed():
    acts = acts_of("abc", predicted=["a", "x", "c"])
    view = interp.draw(cell_strips, acts, units="a.0.forward.h.0")
    output = view.rows()[0][1]
    assert [(cell.letter, cell.mark) for cell in output.cells] == [("a", ""), ("x", "framed"), ("c", "")]
    assert output.cells[1].note == "right: b"
    assert "framed" in view.html()
    assert [shape for shape in view.compose().shapes if getattr(shape, "outline", "") == "wrong"]


def test_likely_outputs_are_below_each_letter(drawn_acts):
    view = interp.draw(cell_strips, drawn_acts, units="lstm.0.forward.h.14", samples=[3], max_characters=20)
    data, outputs = view.data["strips"], drawn_acts.symbol.values != ""
    symbols = drawn_acts.symbol.values[outputs]
    for at in range(20):
        token = (drawn_acts["sample"].values == 3) & (drawn_acts.step.values == int(data.step[at]))
        logits = drawn_acts.activation.values[token][0][outputs].astype(float)
        probability = np.exp(logits) / np.exp(logits).sum()
        assert data.likely_output.values[at].tolist() == symbols[np.argsort(-probability)[:3]].tolist()
        assert data.probability.values[at] == pytest.approx(np.sort(probability)[::-1][:3])
    rows = view.rows()[0]
    assert [row.kind for row in rows] == ["input", "output", "likely", "likely", "likely", "unit"]
    assert {"output_1", "probability_3"} <= set(view.tables()["characters"].columns)
    view = interp.draw(cell_strips, drawn_acts, units="lstm.0.forward.h.14", show_predictions=0)
    assert "likely_output" not in view.data["strips"]
    with pytest.raises(OptionError, match="0 to 5"):
        interp.draw(cell_strips, drawn_acts, units="lstm.0.forward.h.14", show_predictions=6)


def test_the_output_shown_is_not_shown_twice(drawn_acts):
    outputs = np.flatnonzero(drawn_acts.symbol.values != "")
    best = drawn_acts.symbol.values[outputs][drawn_acts.activation.values[:, outputs].argmax(1)]
    acts = drawn_acts.assign_coords(predicted=("token", best))
    view = interp.draw(cell_strips, acts, units="lstm.0.forward.h.14")
    assert [row.name for row in view.rows()[0][2:4]] == ["2nd likeliest", "3rd likeliest"]


def test_the_map_summarises_the_text_and_marks_the_characters(drawn_acts):
    unit = "lstm.0.backward.c.6"
    view = interp.draw(cell_strips, drawn_acts, units=unit, around="tyun")
    data, n = view.data["strips"], drawn_acts.sizes["token"]
    size = np.abs(drawn_acts.activation.sel(unit=unit).values.astype(float)) / float(data.scale_max[0])
    parts = [np.arange(n * part // 240, n * (part + 1) // 240) for part in range(240)]
    assert data.max_share.values[0] == pytest.approx([min(size[part].max(), 1) for part in parts], abs=1e-6)
    assert data.mean_share.values[0] == pytest.approx([size[part].clip(0, 1).mean() for part in parts], abs=1e-6)
    positions = set(data.position.values.tolist())
    assert data.is_shown.values.tolist() == [bool(positions & set(part.tolist())) for part in parts]
    text = "".join(drawn_acts.input.values)
    matches = {at + k for at in range(n) if text.startswith("tyun", at) for k in range(4)}
    assert data.is_match.values.tolist() == [bool(matches & set(part.tolist())) for part in parts]
    assert 'class="minimap"' in view.html()
    assert "minimap" not in interp.draw(cell_strips, drawn_acts.isel(token=slice(0, 20)), units=unit).picture()


def test_without_predictions_the_right_output_is_shown():
    row = interp.draw(cell_strips, acts_of("ab"), units="a.0.forward.h.0").rows()[0][1]
    assert [(cell.letter, cell.mark) for cell in row.cells] == [("a", ""), ("b", "")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(st.characters(exclude_categories=()), min_size=1, max_size=4), min_size=1, max_size=12))
def test_any_letters_give_a_safe_page(letters):
    acts = acts_of(letters)
    html = interp.draw(cell_strips, acts, units="a.0.forward.h.0").picture()
    assert set(re.findall(r"<(\w+)", html)) <= {"div", "table", "tr", "th", "td", "bdi", "span", "i", "b"}
    html.encode()


def test_hostile_letters_are_text(tmp_path):
    letters = ["<script>", "<img onerror=1>", "\u202e", "a\u0301", "\ue000", "x" * 10_000, "$", "&amp;", " "]
    view = interp.draw(cell_strips, acts_of(letters), units="a.0.forward.h.0")
    assert "<script>" not in view.picture()
    assert "<img" not in view.html()
    for suffix in ("html", "png", "svg"):
        assert view.save(tmp_path / f"a.{suffix}").stat().st_size


def test_texts(strips):
    assert strips.title == "tyun"
    assert "160 characters" in strips.caption
    assert "around='tyun'" in strips.caption
    assert "lstm.0.backward.c.6" in strips.summary


def test_table(strips):
    frame = strips.tables()["characters"]
    assert len(frame) == 160
    assert set(UNITS) <= set(frame.columns)
    assert frame["hidden.out.7"].tolist() == strips.data["strips"].activation.sel(unit="hidden.out.7").values.tolist()


def test_holoviews_has_positions_not_letters(strips):
    heatmap = strips.holoviews()
    assert heatmap.dimension_values("character", expanded=False).size == 160


def test_letters_stay_in_their_cells(strips):
    composed = strips.compose()
    for shape in composed.shapes:
        if isinstance(shape, scene.Box) and shape.label:
            assert len(shape.label) * shape.label_size * 0.61 <= shape.width
            assert shape.x >= 0
            assert shape.x + shape.width <= composed.width


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_saved_files_are_reproducible(strips, tmp_path, suffix):
    first = strips.save(tmp_path / f"a{suffix}").read_bytes()
    assert strips.save(tmp_path / f"b{suffix}").read_bytes() == first


def test_one_token_and_one_unit(tmp_path):
    view = interp.draw(cell_strips, acts_of("a"), units="a.0.forward.h.0")
    view.save(tmp_path / "a.png")
    assert view.data["strips"].sizes == {"character": 1, "unit": 1}


def test_errors_name_the_fault(drawn_acts):
    with pytest.raises(UnknownNameError, match=r"No unit named 'lstm.0.forward.h.99'"):
        interp.draw(cell_strips, drawn_acts, units=["lstm.0.forward.h.99"])
    with pytest.raises(OptionError, match=r"1 to 12 units; got 0. Type units=\['lstm"):
        interp.draw(cell_strips, drawn_acts, units=[])
    with pytest.raises(OptionError, match="no text with 'qqq'"):
        interp.draw(cell_strips, drawn_acts, units=UNITS, around="qqq")
    with pytest.raises(OptionError, match="no text"):
        interp.draw(cell_strips, drawn_acts, units=UNITS, samples=[10**6])
    with pytest.raises(OptionError, match="line_width >= 8"):
        interp.draw(cell_strips, drawn_acts, units=UNITS, line_width=2)
