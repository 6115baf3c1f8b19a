"""The probe ``hypothesis`` and its view, on text in which all is known and on a made-up capture."""

import json

import numpy as np
import pytest
import xarray as xr

import interp
from interp import OptionError, SchemaError, UnknownNameError
from interp.lazyarrays import Words
from interp_units.found import hypothesis_view, share

TEXTS = ["xtyunx", "tyun", "xxyunt", "untyun", "ttyun", 30 * "x"] * 8
QUANTITIES = ["h", "c", "i", "h"]


def planted(noise=0.0, seed=0):
    """Unit 0 is on through ``tyun``, unit 1 below zero there, unit 2 on through ``yun``, unit 3 noise."""
    rows = [(number, step, letter) for number, text in enumerate(TEXTS) for step, letter in enumerate(text)]
    sample, step, letters = zip(*rows, strict=True)
    values = np.zeros((len(rows), 4), "float32")
    at = 0
    for text in TEXTS:
        for column, part, size in ((0, "tyun", 1.0), (1, "tyun", -1.0), (2, "yun", 1.0)):
            place = text.find(part)
            if place >= 0:
                values[at + place : at + place + len(part), column] = size
        at += len(text)
    draw = np.random.default_rng(seed)
    values[:, 3] = draw.normal(size=len(rows))
    values += noise * draw.normal(size=values.shape).astype("float32")
    units = {"unit": [f"a.0.forward.{q}.{k}" for k, q in enumerate(QUANTITIES)], "module": ["a"] * 4, "layer": [0] * 4}
    units |= {"direction": ["forward"] * 4, "quantity": QUANTITIES, "index": range(4)}
    return interp.dataset(values, units, {"sample": sample, "step": step, "source": sample, "input": letters})


def test_the_planted_units_are_found_with_their_places():
    found = interp.measure("hypothesis", planted(), span=(0, 1, 4), high=0.5, low=-0.5, regex="tyun")
    assert set(found.unit.values) == {"a.0.forward.h.0", "a.0.forward.c.1"}
    assert found.state.sel(unit="a.0.forward.c.1") == -1
    assert found.threshold.values.tolist() == [0.5 if state > 0 else -0.5 for state in found.state.values]
    others = sum("tyun" in text for text in TEXTS) - 1  # the span's own source is not counted
    strict = found.sel(level="strict")
    assert int(strict.places) == int(strict.sources) == int(found.matches) == others
    assert float(strict.precision) == float(strict.recall) == 1
    assert set(found.here.values.tolist()) == {"tyun"}
    assert 0 not in found.source.values


def test_fuzzy_places_need_a_share_of_the_units():
    kept = interp.measure("hypothesis", planted(), span=(0, 2, 4), high=0.5, low=-0.5, regex="yun", fuzzy=0.3)
    yun = sum("yun" in text for text in TEXTS) - 1
    assert kept.places.values.tolist() == [yun - 8, yun]
    assert kept.recall.sel(level="fuzzy") == 1
    assert kept.agree.values.tolist() == sorted(kept.agree.values.tolist(), reverse=True)
    assert (kept.on.sum("unit").values == kept.agree.values).all()


def test_a_unit_may_have_to_be_off_around_the_span():
    acts = planted()
    inner = interp.measure("hypothesis", acts, span=(0, 2, 4), high=0.5, low=-0.5, before=1)
    assert inner.unit.values.tolist() == ["a.0.forward.i.2"]
    assert int(inner.places.sel(level="strict")) == sum("yun" in text for text in TEXTS) - 1


def test_rarest_units_are_kept_first():
    found = interp.measure("hypothesis", planted(), span=(0, 2, 4), high=0.5, low=-0.5, n_units=1)
    assert found.unit.values.tolist() == ["a.0.forward.i.2"]  # the others are on for four letters
    assert int(found.with_pattern) == 3


def test_thresholds_of_its_own_make_any_quantity_comparable():
    acts = planted(noise=0.01)
    scaled = acts.assign(activation=acts.activation * scale() + 7)
    results = [interp.measure("hypothesis", one, span=(0, 1, 4), share=0.3, regex="tyun") for one in (acts, scaled)]
    assert results[0].unit.values.tolist() == results[1].unit.values.tolist()
    assert results[0].places.values.tolist() == results[1].places.values.tolist()
    only = interp.measure("hypothesis", acts, span=(0, 1, 4), share=0.3, quantity="c")
    assert only.unit.values.tolist() == ["a.0.forward.c.1"]


def scale():
    return xr.DataArray(np.array([1, 100, 0.01, 5], "float32"), dims="unit")


def test_expected_is_how_many_units_have_a_pattern_anywhere():
    acts = planted()
    found = interp.measure("hypothesis", acts, span=(0, 1, 4), high=0.5, low=-0.5)
    values, counts = acts.activation.values, []
    for number, text in enumerate(TEXTS):
        rows = values[acts["sample"].values == number]
        for at in range(len(text) - 3):
            window = rows[at : at + 4]
            counts.append(((window > 0.5).all(0) | (window < -0.5).all(0)).sum())
    others = counts[len(TEXTS[0]) - 3 :]
    assert int(found.spans) == len(others)
    assert float(found.expected) == pytest.approx(np.mean(others))


def test_the_order_of_tokens_does_not_matter(demo, searched):
    acts = demo
    order = np.random.default_rng(0).permutation(acts.sizes["token"])
    span = json.loads(searched.attrs["options"])["span"]
    again = interp.measure("hypothesis", acts.isel(token=order), span=span, regex="tyun", quantity=["h", "c"])
    assert again.drop_attrs().identical(searched.drop_attrs())


def test_the_network_has_units_for_the_suffix(demo, searched):
    fuzzy = searched.sel(level="fuzzy")
    assert float(fuzzy.precision) > 0.5, "of the spans of four letters fewer than one in twenty are tyun"
    assert float(fuzzy.recall) > 0.3
    assert float(fuzzy.recall_low) <= float(fuzzy.recall) <= float(fuzzy.recall_high)
    assert int(searched.matches) == sum("".join(one.input.values).count("tyun") for _, one in others(demo, searched))


def others(demo, searched):
    acts = demo.sortby(["sample", "step"])
    own = json.loads(searched.attrs["options"])["span"][0]
    groups = acts.groupby("sample")
    source = {int(number): int(one.source[0]) for number, one in groups}
    return [(number, one) for number, one in groups if source[int(number)] != source[own]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"span": (0, 0)}, "span= is"),
        ({"span": (0, 4, 2)}, "span= is"),
        ({"span": (0, 3, 99)}, "sample 0 has steps 0 to 5"),
        ({"span": (999, 0, 1)}, "no such sample"),
        ({"span": (0, 1, 4), "share": 0.5}, "0 < share < .5"),
        ({"span": (0, 1, 4), "fuzzy": 0}, "0 < fuzzy"),
        ({"span": (0, 1, 4), "before": -1}, "before="),
        ({"span": (0, 1, 4), "low": 2, "high": 1}, "low= is at most high="),
        ({"span": (0, 1, 4), "regex": "("}, "no regular expression"),
        ({"span": (0, 1, 4), "high": 9, "low": -9}, "None of 4 units keeps one state"),
    ],
)
def test_what_is_wrong_is_named(options, message):
    with pytest.raises(OptionError, match=message):
        interp.measure("hypothesis", planted(), **options)


def test_an_unknown_label_is_named():
    with pytest.raises(UnknownNameError, match="'output'; labels of tokens: sample, step, source, input"):
        interp.measure("hypothesis", planted(), span=(0, 1, 4), label="output")


@pytest.fixture(scope="module")
def view(searched):
    return interp.draw(hypothesis_view, searched)


def test_words(view, searched):
    assert view.title.startswith("tyun")
    assert f"{int(searched.with_pattern):,} of {int(searched.of_units):,} units" in view.summary
    assert "regex='tyun'" in view.caption
    assert "tokens / sources" in view.caption


def test_table_twins(view, searched):
    tables = view.tables()
    assert tables["units"]["unit"].tolist() == searched.unit.values.tolist()
    assert tables["places"]["here"].tolist() == searched.here.values.tolist()
    assert tables["counts"]["places"].tolist() == searched.places.values.tolist()


def test_no_place_is_said():
    acts = interp.pick(planted(), sample=[0, 2])
    found = interp.measure("hypothesis", acts, span=(0, 1, 4), high=0.5, low=-0.5, regex="tyun", fuzzy=1)
    assert found.sizes["place"] == 0
    view = interp.draw(hypothesis_view, found)
    assert "No place" in view.html()
    assert np.isnan(found.recall.values).all()


def test_shares_are_written_with_their_interval():
    assert share(0.5, 0.25, 0.75) == "0.50 (0.25–0.75)"
    assert share(np.nan, np.nan, np.nan) == "–"
    assert share(1.0, np.nan, np.nan) == "1.00"


def test_other_results_are_refused(honest, searched):
    with pytest.raises(SchemaError, match=r"measure\('hypothesis'"):
        interp.draw(hypothesis_view, honest)
    with pytest.raises(OptionError, match="1 to 100"):
        interp.draw(hypothesis_view, searched, n_places=0)


def test_of_a_store_only_the_text_of_places_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("interp.storage.LABELS", 10)
    acts, read = planted(), []
    whole = Words._read
    monkeypatch.setattr(Words, "_read", lambda words, key: read.append(whole(words, key)) or read[-1])
    lazy = interp.open(interp.save(acts, tmp_path / "a.zarr"))
    options = {"span": (0, 1, 4), "high": 0.5, "low": -0.5, "n_places": 2}
    found = interp.measure("hypothesis", lazy, **options)
    assert 0 < sum(held.size for held in read) < acts.sizes["token"] / 8
    xr.testing.assert_identical(found.load(), interp.measure("hypothesis", acts, **options))
