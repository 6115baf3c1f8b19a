"""The probe ``hypothesis``, on text with planted units and on a shipped network."""

import json

import numpy as np
import pytest
import xarray as xr

import interp
from interp import OptionError, UnknownNameError
from interp.storage.encoding import VocabularyArray


def test_planted_units_are_found_with_their_places(planted, texts):
    result = interp.measure("hypothesis", planted(), span=(0, 1, 4), high=0.5, low=-0.5, regex="tyun")
    assert set(result.unit.values) == {"a.0.forward.h.0", "a.0.forward.c.1"}
    assert result.state.sel(unit="a.0.forward.c.1") == -1
    assert result.threshold.values.tolist() == [0.5 if state > 0 else -0.5 for state in result.state.values]
    others = sum("tyun" in text for text in texts) - 1  # the span's own source is not counted
    strict = result.sel(level="strict")
    assert int(strict.n_places) == int(strict.sources) == int(result.matches) == others
    assert float(strict.precision) == float(strict.recall) == 1
    assert set(result.match_text.values.tolist()) == {"tyun"}
    assert 0 not in result.source.values


def test_fuzzy_places_need_a_share_of_the_units(planted, texts):
    result = interp.measure("hypothesis", planted(), span=(0, 2, 4), high=0.5, low=-0.5, regex="yun", min_agreement=0.3)
    yun = sum("yun" in text for text in texts) - 1
    assert result.n_places.values.tolist() == [yun - 8, yun]
    assert result.recall.sel(level="fuzzy") == 1
    assert result.n_agreeing.values.tolist() == sorted(result.n_agreeing.values.tolist(), reverse=True)
    assert (result.active.sum("unit").values == result.n_agreeing.values).all()


def test_units_may_have_to_be_off_around_the_span(planted, texts):
    acts = planted()
    inner = interp.measure("hypothesis", acts, span=(0, 2, 4), high=0.5, low=-0.5, before=1)
    assert inner.unit.values.tolist() == ["a.0.forward.i.2"]
    assert int(inner.n_places.sel(level="strict")) == sum("yun" in text for text in texts) - 1


def test_rarest_units_are_selected_first(planted):
    result = interp.measure("hypothesis", planted(), span=(0, 2, 4), high=0.5, low=-0.5, n_units=1)
    assert result.unit.values.tolist() == ["a.0.forward.i.2"]  # the others are on for four letters
    assert int(result.n_with_pattern) == 3


def test_own_thresholds_make_quantities_comparable(planted):
    acts = planted(noise=0.01)
    scaled = acts.assign(activation=acts.activation * scale() + 7)
    results = [interp.measure("hypothesis", one, span=(0, 1, 4), quantile=0.3, regex="tyun") for one in (acts, scaled)]
    assert results[0].unit.values.tolist() == results[1].unit.values.tolist()
    assert results[0].n_places.values.tolist() == results[1].n_places.values.tolist()
    only = interp.measure("hypothesis", acts, span=(0, 1, 4), quantile=0.3, quantity="c")
    assert only.unit.values.tolist() == ["a.0.forward.c.1"]


def scale():
    return xr.DataArray(np.array([1, 100, 0.01, 5], "float32"), dims="unit")


def test_expected_is_the_mean_number_of_units_with_a_pattern(planted, texts):
    acts = planted()
    result = interp.measure("hypothesis", acts, span=(0, 1, 4), high=0.5, low=-0.5)
    values, counts = acts.activation.values, []
    for number, text in enumerate(texts):
        rows = values[acts["sample"].values == number]
        for at in range(len(text) - 3):
            window = rows[at : at + 4]
            counts.append(((window > 0.5).all(0) | (window < -0.5).all(0)).sum())
    others = counts[len(texts[0]) - 3 :]
    assert int(result.n_spans) == len(others)
    assert float(result.expected) == pytest.approx(np.mean(others))


def test_the_order_of_tokens_does_not_matter(demo, searched):
    acts = demo
    order = np.random.default_rng(0).permutation(acts.sizes["token"])
    span = json.loads(searched.attrs["options"])["span"]
    again = interp.measure("hypothesis", acts.isel(token=order), span=span, regex="tyun", quantity=["h", "c"])
    assert again.drop_attrs().identical(searched.drop_attrs())


def test_the_network_has_units_for_the_suffix(demo, searched):
    fuzzy = searched.sel(level="fuzzy")
    assert float(fuzzy.precision) > 0.5, "fewer than 5 % of the spans of four letters are tyun"
    assert float(fuzzy.recall) > 0.3
    assert float(fuzzy.recall_ci_low) <= float(fuzzy.recall) <= float(fuzzy.recall_ci_high)
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
        ({"span": (0, 0)}, "span= must be"),
        ({"span": (0, 4, 2)}, "span= must be"),
        ({"span": (0, 3, 99)}, "sample 0 has steps 0 to 5"),
        ({"span": (999, 0, 1)}, "sample 999 was not captured"),
        ({"span": (0, 1, 4), "quantile": 0.5}, "0 < quantile < .5"),
        ({"span": (0, 1, 4), "min_agreement": 0}, "0 < min_agreement"),
        ({"span": (0, 1, 4), "before": -1}, "before="),
        ({"span": (0, 1, 4), "low": 2, "high": 1}, "low= must be at most high="),
        ({"span": (0, 1, 4), "regex": "("}, "valid regular expression"),
        ({"span": (0, 1, 4), "high": 9, "low": -9}, "None of 4 units has one state throughout"),
    ],
)
def test_errors_name_the_fault(planted, options, message):
    with pytest.raises(OptionError, match=message):
        interp.measure("hypothesis", planted(), **options)


def test_an_unknown_label_is_named(planted):
    with pytest.raises(UnknownNameError, match="'output'; labels of tokens: sample, step, source, input"):
        interp.measure("hypothesis", planted(), span=(0, 1, 4), label="output")


def test_only_the_text_of_places_is_read_from_a_store(planted, tmp_path, monkeypatch):
    monkeypatch.setattr("interp.storage.encoding.LABEL_CHUNK", 10)
    acts, reads = planted(), []
    read = VocabularyArray._read
    monkeypatch.setattr(VocabularyArray, "_read", lambda words, key: reads.append(read(words, key)) or reads[-1])
    lazy = interp.open(interp.save(acts, tmp_path / "a.zarr"))
    options = {"span": (0, 1, 4), "high": 0.5, "low": -0.5, "max_places": 2}
    result = interp.measure("hypothesis", lazy, **options)
    assert 0 < sum(text.size for text in reads) < acts.sizes["token"] / 8
    xr.testing.assert_identical(result.load(), interp.measure("hypothesis", acts, **options))
