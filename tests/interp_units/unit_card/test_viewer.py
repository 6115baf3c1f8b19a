"""The unit card: its tables, captions and layout, and the reasons given for empty parts."""

import numpy as np
import pytest
import xarray as xr
from helpers.shapes import extent, overlapping

import interp
from interp import OptionError, UnknownNameError
from interp.plotting import format_counts_short, scene
from interp_units.overview import overview
from interp_units.unit_card.viewer import unit_card

UNIT = "lstm.0.backward.h.11"


def test_tables_agree_with_probes(views, drawn_acts, debiased, drawn_links):
    card, column = views["unit-card"], drawn_acts.activation.sel(unit=UNIT).values.astype(float)
    bins = card.data["distribution"]
    assert bins["all"].sum() == column.size
    best = card.data["pairs"].iloc[0]
    assert best["distance"] == float(debiased.distance.sel(unit=UNIT, pair=best["pair"]))
    same_input = drawn_acts.input.values == best["pair_input"]
    target = same_input & (drawn_acts.output.values == best["pair_output"])
    assert (bins["target"].sum(), bins["rest"].sum()) == (target.sum(), (same_input & ~target).sum())
    nearest = card.data["correlated"].iloc[0]
    r = np.corrcoef(column, drawn_acts.activation.sel(unit=nearest["unit"]))[0, 1]
    assert nearest["r"] == pytest.approx(r, abs=1e-6)
    assert not nearest["unit"].endswith("backward.h.11")
    connections = card.data["connections"]
    weight = drawn_links.weight.sel(lower_unit=UNIT)
    assert connections["scaled_weight"].iloc[0] == pytest.approx(float(weight.max()) * column.std())


def test_gates_of_the_same_neuron(views, saturated):
    gates = views["unit-card"].data["gates"].set_index("unit")
    assert set(gates.index) == {f"lstm.0.backward.{gate}.11" for gate in "ifo"}
    for unit, row in gates.iterrows():
        assert row["frac_saturated_high"] == float(saturated.frac_saturated_high.sel(unit=unit))


def test_text_goes_from_the_highest_to_the_lowest(views):
    text = views["unit-card"].data["contexts"]
    assert text["row"].iloc[0] == "highest"
    assert text["row"].iloc[-1] == "lowest"
    assert text["row"].nunique() == 12
    means = text.groupby("row", sort=False)["value"].mean().to_numpy()
    assert (np.diff(means) <= 0).all()


def test_contexts_can_be_passed(drawn_acts):
    contexts = interp.measure("top-contexts", drawn_acts, examples=3, quantiles=4)
    card = interp.draw(unit_card, drawn_acts, None, contexts, unit=UNIT)
    assert card.data["contexts"]["row"].nunique() == 6


def test_the_caption_says_how_much_text_was_used(drawn_acts, monkeypatch):
    monkeypatch.setattr("interp_units.unit_card.data.MAX_TEXT_TOKENS", 400)
    partial, contexts = interp.draw(unit_card, drawn_acts, unit=UNIT), interp.measure("top-contexts", drawn_acts)
    assert "text from 400 tokens: pass interp.measure('top-contexts', acts) to use all" in partial.caption
    assert "text from" not in interp.draw(unit_card, drawn_acts, None, contexts, unit=UNIT).caption


def test_output_units_are_labelled_with_their_symbol(drawn_acts, drawn_links):
    card = interp.draw(unit_card, drawn_acts, unit="hidden.out.3", connectivity=drawn_links)
    connections = card.data["connections"]
    assert len(connections) == 10
    weight = drawn_links.weight.sel(lower_unit="hidden.out.3").dropna("upper_unit")
    sd = drawn_acts.activation.sel(unit="hidden.out.3").values.astype(float).std()
    assert connections["scaled_weight"].iloc[0] == pytest.approx(float(weight.max() - weight.mean()) * sd)
    assert connections["symbol"].iloc[0] in card.html()


def test_empty_parts_say_how_to_fill_them(drawn_acts):
    bare = interp.select(drawn_acts, quantity="h").drop_vars(["input", "output", "predicted"])
    html = interp.draw(unit_card, bare, unit=UNIT).html()
    for words in ("interp.measure(&#x27;hellinger&#x27;", "of this neuron was captured", "Pass model=", "no label"):
        assert words in html


@pytest.mark.parametrize("n", [1, 2])
def test_a_card_of_few_tokens_and_one_unit(drawn_acts, tmp_path, n):
    card = interp.draw(unit_card, drawn_acts.isel(token=slice(0, n)).sel(unit=[UNIT]), unit=UNIT)
    for suffix in ("html", "png", "svg"):
        card.save(tmp_path / f"a.{suffix}")
    assert "No other neuron" in card.html()


def test_a_constant_unit_has_a_card(drawn_acts, tmp_path):
    values = drawn_acts.activation.values.copy()
    values[:, 0] = 0
    card = interp.draw(
        unit_card, drawn_acts.assign(activation=(("token", "unit"), values)), unit=drawn_acts.unit.values[0]
    )
    card.save(tmp_path / "a.png")
    assert not len(card.data["correlated"])


def test_errors_name_the_fault(drawn_acts, debiased):
    with pytest.raises(UnknownNameError, match="No unit named 'a'"):
        interp.draw(unit_card, drawn_acts, unit="a")
    with pytest.raises(UnknownNameError, match="No pair named"):
        interp.draw(unit_card, drawn_acts, debiased, unit=UNIT, pair="q=>q")
    with pytest.raises(OptionError, match="no token"):
        interp.draw(unit_card, drawn_acts.isel(token=[]), unit=UNIT)
    with pytest.raises(OptionError, match="1 to 4"):
        interp.draw(unit_card, drawn_acts, unit=UNIT, examples=9)


def test_the_page_has_the_content_of_the_picture(drawn_acts, debiased):
    card = interp.draw(unit_card, drawn_acts, debiased, unit=UNIT)
    page = card.picture()
    assert page.count("<svg") == 2
    texts = [shape for shape in card.compose().shapes if isinstance(shape, scene.Text)]
    assert page.count("<text") >= len(texts) > 50


@pytest.mark.parametrize("n", [9_999, 999_499, 12_345_678])
def test_large_counts_do_not_overlap(drawn_acts, debiased, n):
    names = ("n_target", "n_rest", "sources_target", "sources_rest")
    many = debiased.assign({name: xr.full_like(debiased[name], n) for name in names})
    for view in (interp.draw(unit_card, drawn_acts, many, unit=UNIT), interp.draw(overview, many)):
        texts = [shape for shape in view.compose().shapes if isinstance(shape, scene.Text)]
        assert any(format_counts_short(n, n) in text.text for text in texts)
        assert not overlapping([extent(text) for text in texts])
