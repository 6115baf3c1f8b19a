"""Attribution strip: targets, text, values and drawing."""

import numpy as np
import pytest
import xarray as xr
from helpers.causes import attributed

import interp
from interp import OptionError, SchemaError, UnknownNameError
from interp.plotting import colors, scene
from interp_cell_strips.attribution_strip import attribution_strip

UNIT = "lstm.0.backward.h.11"


@pytest.fixture(scope="module")
def attribution(drawn_acts):
    return attributed(drawn_acts)


@pytest.fixture(scope="module")
def strip(drawn_acts, attribution):
    return interp.draw("attribution-strip", drawn_acts, attribution, unit=UNIT, pair="t=>ծ")


def test_each_line_is_a_target_with_the_text_around_it(strip, drawn_acts):
    data = strip.data["strips"]
    assert set(data["line"].values.tolist()) == set(range(6))
    for line in range(6):
        part = data.isel(character=np.flatnonzero(data["line"].values == line))
        (target,) = np.flatnonzero(part["target"].values)
        assert (str(part["input"].values[target]), str(part["output"].values[target])) == ("t", "ծ")
        assert int(part["column"].values[target]) == 14
        steps, sample = part["step"].values, int(part["sample"].values[0])
        low, last = (
            max(int(steps[target]) - 14, 0),
            drawn_acts["step"].values[drawn_acts["sample"].values == sample].max(),
        )
        assert steps.tolist() == list(range(low, min(int(steps[target]) + 14, last) + 1))


def test_one_target_of_each_source_comes_first(strip):
    data = strip.data["strips"]
    sources = data["source"].values[data["target"].values].tolist()
    assert len(set(sources)) == len(sources) == 6


def test_values_equal_those_of_the_datasets(strip, drawn_acts, attribution):
    data = strip.data["strips"]
    targets = {int(line): at for at, line in enumerate(data["line"].values) if data["target"].values[at]}
    for at in (0, 17, 60, data.sizes["character"] - 1):
        target = targets[int(data["line"].values[at])]
        sample, step = int(data["sample"].values[at]), int(data["step"].values[at])
        row = (attribution["sample"].values == sample) & (
            attribution["step"].values == int(data["step"].values[target])
        )
        expected = attribution["attribution"].values[row][0, step]
        assert data["attribution"].values[at] == expected
        token = (drawn_acts["sample"].values == sample) & (drawn_acts["step"].values == step)
        assert data["activation"].values[at, 0] == drawn_acts.sel(unit=UNIT)["activation"].values[token][0]


def test_both_scales_cover_the_whole_datasets(strip, drawn_acts, attribution):
    data = strip.data["strips"]
    size = np.abs(attribution["attribution"].values)
    assert float(data["attribution_scale_max"]) == pytest.approx(np.percentile(size[np.isfinite(size)], 99.5))
    size = np.abs(drawn_acts.sel(unit=UNIT)["activation"].values.astype(float))
    assert float(data["scale_max"][0]) == pytest.approx(np.percentile(size, 99.5))
    assert [scale.letter for scale in strip.scales()] == ["d", "u"]


def test_activation_is_the_background_and_attribution_the_underline(strip):
    data = strip.data["strips"]
    head, output, unit, under = strip.rows()[0]
    assert [row.kind for row in (head, output, unit, under)] == ["input", "output", "unit", "underline"]
    value, limit = float(data["attribution"].values[14]), float(data["attribution_scale_max"])
    assert under.cells[14].color == colors.underline(value / limit)
    assert unit.cells[14].color == colors.diverging(
        float(data["activation"].values[14, 0]) / float(data["scale_max"][0])
    )
    assert [cell.column for cell in head.cells if cell.mark == "target"] == [14]
    assert (unit.arrow, [cell.letter for cell in under.cells if cell.letter]) == ("←", [])


def test_a_gate_has_its_own_scale(drawn_acts, attribution):
    view = interp.draw("attribution-strip", drawn_acts, attribution, unit="lstm.0.forward.f.9")
    assert (view.scales()[0].letter, view.scales()[0].limit) == ("s", 1.0)
    assert view.title == "Targets · lstm.0.forward.f.9"


def test_values_outside_the_scale_are_marked(drawn_acts, attribution):
    target = attribution.isel(token=[40])
    row = target["attribution"].values
    row = np.where(np.isnan(row), np.nan, 0.01)
    row[0, int(target["step"].values[0])] = -5.0
    view = interp.draw(
        "attribution-strip", drawn_acts, target.assign(attribution=(target["attribution"].dims, row)), unit=UNIT
    )
    under = view.rows()[0][3]
    clipped = [cell for cell in under.cells if cell.mark]
    assert [(cell.column, cell.mark) for cell in clipped] == [(14, "clipped")]
    assert clipped[0].color == f"u-{colors.UNDER_STEPS}"
    ink = [
        box for box in view.compose().shapes if isinstance(box, scene.Box) and box.color == "ink" and box.height == 4
    ]
    assert len(ink) == 1


@pytest.mark.parametrize("offsets", [[0], [-2, 0, 1]])
def test_the_conductance_of_the_unit(drawn_acts, attribution, offsets):
    targets = attribution.isel(token=np.flatnonzero(attribution["step"].values > 20)[[3, 40]])
    values = np.random.default_rng(0).normal(size=(2, len(offsets), 2))
    labels = {name: coord for name, coord in targets.coords.items() if coord.dims == ("token",)}
    coords = labels | {"unit": ["hidden.out.1", UNIT], "offset": offsets}
    result = xr.Dataset({"conductance": (("token", "offset", "unit"), values)}, coords)
    result = result if len(offsets) > 1 else result.isel(offset=0)
    view = interp.draw("attribution-strip", drawn_acts, result.assign_attrs(probe="unit-attribution"), unit=UNIT)
    assert "attribution: unit-attribution" in view.caption
    data = view.data["strips"]
    for line in (0, 1):
        (target,) = np.flatnonzero((data["line"].values == line) & data["target"].values)
        row = np.flatnonzero(
            (targets["sample"].values == int(data["sample"][target])) & (targets["step"] == data["step"][target]).values
        )
        explained = (data["line"].values == line) & np.isfinite(data["attribution"].values)
        assert (data["column"].values[explained] - 14).tolist() == offsets
        assert data["attribution"].values[explained].tolist() == values[row[0], :, 1].tolist()
    assert [len(rows[3].cells) for rows in view.rows()] == [len(offsets)] * 2  # NaN has no cell


def test_samples_and_steps_are_selected(drawn_acts, attribution):
    target = attribution.isel(token=17)
    labels = {"samples": [int(target["sample"])], "steps": [int(target["step"])]}
    data = interp.draw("attribution-strip", drawn_acts, attribution, unit=UNIT, context=3, **labels).data["strips"]
    assert set(data["sample"].values.tolist()) == set(labels["samples"])
    assert data["step"].values[data["target"].values].tolist() == labels["steps"]
    assert data.sizes["character"] <= 7


def test_texts_and_table(strip):
    assert strip.title == f"t ⇒ ծ · {UNIT}"
    for part in ("6 of 209 targets", "IntegratedGradients", "at most 0.004", "made-up-bilstm", "pair='t=>ծ'"):
        assert part in strip.caption
    assert "1 after (" in strip.summary
    frame = strip.tables()["characters"]
    assert frame["target"].sum() == 6
    assert {UNIT, "attribution", "input", "output"} <= set(frame)


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_saved_files_are_reproducible(strip, tmp_path, suffix):
    first = strip.save(tmp_path / f"a{suffix}").read_bytes()
    assert strip.save(tmp_path / f"b{suffix}").read_bytes() == first


def test_a_page_stays_small_and_holoviews(strip, drawn_acts, attribution):
    large = interp.draw("attribution-strip", drawn_acts, attribution, unit=UNIT, context=30, max_targets=1000)
    assert large.data["strips"].sizes["character"] <= 400
    assert large.html().count("<td") < 5000
    assert len(strip.holoviews()) == 2
    assert "<iframe" in strip._repr_html_()


def test_errors_name_the_fault(drawn_acts, drawn_dist, attribution):
    draw = lambda acts, result, **options: interp.draw(attribution_strip, acts, result, **{"unit": UNIT, **options})  # noqa: E731
    with pytest.raises(UnknownNameError, match="No unit named 'a'"):
        draw(drawn_acts, attribution, unit="a")
    with pytest.raises(OptionError, match=r"None of the 1,195 targets has \{'pair': 't=>x'\}"):
        draw(drawn_acts, attribution, pair="t=>x")
    with pytest.raises(SchemaError, match=r"Expected attribution \(token, source_step\)"):
        draw(drawn_acts, drawn_dist)
    with pytest.raises(OptionError, match="context from 1 to 100"):
        draw(drawn_acts, attribution, context=0)
    half = drawn_acts.isel(token=drawn_acts["sample"].values > 20)
    with pytest.raises(OptionError, match="not in these activations"):
        draw(half, attribution)
    other = attribution.assign_coords(output=("token", ["x"] * attribution.sizes["token"]))
    with pytest.raises(OptionError, match="different text"):
        draw(drawn_acts, other)
