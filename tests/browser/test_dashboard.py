"""Selections on the dashboard and their effects, in a browser that can reach only the server."""

import numpy as np
import pytest
from helpers.dashboards import serving
from helpers.readers import UNIT

import interp
from interp_dashboard.data import DashboardData


@pytest.fixture(scope="module")
def network():
    """Shipped network, and its activations on some sentences."""
    model = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration").batches("demo", limit=20, seed=0)
    return model, interp.capture(model, batches, quantities=["h"], progress=False)


def test_views_follow_the_pair(reader, served):
    reader.open(served)
    reader.choose("t=>թ")
    for panel in ("graph", "histogram"):
        assert "t ⇒ թ" in reader.view(panel).locator("h1").inner_text()
    assert "pair=t%3D%3E" in reader.page.url


def test_views_follow_a_clicked_unit(reader, served):
    reader.open(served)
    reader.choose("t=>թ")
    node = reader.view("graph").locator(".node[data-key*='.h.']").nth(3)
    key = node.get_attribute("data-key")
    reader.does(node.click)
    assert reader.unit() == key
    assert key in reader.view("histogram").locator("h1").inner_text()
    assert reader.view("strips").locator("tr.unit bdi").first.inner_text() == key


def test_a_span_of_letters_is_selected(reader, served):
    page = reader.open(served)
    letters = reader.view("strips").locator("tr.input td[data-note]")
    page.locator("[data-panel=strips]").evaluate(
        "panel => panel.scrollIntoView()"
    )  # frames out of sight are not updated
    page.wait_for_timeout(300)
    start, end = letters.nth(2).bounding_box(), letters.nth(5).bounding_box()
    page.mouse.move(start["x"] + 5, start["y"] + 5)
    page.mouse.down()
    page.mouse.move(end["x"] + 5, end["y"] + 5)
    reader.does(page.mouse.up)
    assert "span=%5B2%2C+6%5D" in page.url
    assert reader.view("strips").locator("td.spanned").count() == 4


def test_pointing_at_a_letter_draws_a_line_in_the_histogram(reader, served, drawn_acts):
    reader.open(f"{served}/?sample=3&pair=t%3D%3E%D5%AE&unit={UNIT}")
    letter = reader.view("strips").locator("tr.input td[data-note]").nth(4)
    letter.dispatch_event("pointerover", {"bubbles": True})
    line = reader.view("histogram").locator("line.pointed")
    line.wait_for(state="attached")
    value = float(interp.select(drawn_acts, sample=3, step=4, unit=UNIT)["activation"].values.item())
    assert f"{value:.3g}" in reader.view("histogram").locator("text.pointed").text_content()
    low, high = (float(drawn_acts["activation"].sel(unit=UNIT).reduce(ends)) for ends in (np.min, np.max))
    assert float(line.get_attribute("x1")) == pytest.approx(64 + 760 * (value - low) / (high - low), abs=2)
    letter.dispatch_event("pointerout", {"bubbles": True})
    reader.view("strips").locator(".strips").dispatch_event("pointerleave")
    line.wait_for(state="detached")


def test_the_span_is_marked_after_a_reload_and_another_unit(reader, served):
    reader.open(f"{served}/?sample=3&span=[2,5]&unit=lstm.0.forward.h.3")
    letters = reader.view("strips").locator("td.spanned")
    reader.until(lambda: letters.count() == 3)
    assert "step 2" in letters.first.get_attribute("data-note")
    unit = reader.page.get_by_label("Unit", exact=True)
    reader.does(lambda: (unit.fill(UNIT), unit.press("Enter")))
    reader.until(lambda: letters.count() == 3)


@pytest.mark.skipif("hypothesis" not in interp.viewers(), reason="the viewer hypothesis is not installed")
def test_a_hypothesis_is_run(reader, served):
    page = reader.open(f"{served}/?sample=3&span=[2,5]&pattern=%7B%22quantile%22%3A0.3%7D")
    assert reader.view("hypothesis").locator("h1").is_visible()
    page.get_by_label("Regular expression").fill("tyun")
    reader.does(lambda: page.get_by_role("button", name="Search").click())
    assert "tyun" in reader.view("hypothesis").locator("main").inner_text()
    assert "quantile" in page.url


def test_the_back_button_returns_from_a_place(reader, served):
    page = reader.open(f"{served}/?sample=3&span=[2,5]&pattern=%7B%22quantile%22%3A0.3%7D")
    node = reader.view("hypothesis").locator(".node").first
    sample, step = node.get_attribute("data-key").split()
    reader.does(lambda: node.dispatch_event("click"))
    assert page.get_by_label("Sample", exact=True).input_value() == sample
    assert f"span=%5B{step}%2C+{int(step) + 3}%5D" in page.url
    reader.does(page.go_back)
    assert page.get_by_label("Sample", exact=True).input_value() == "3"
    assert "span=%5B2%2C+5%5D" in page.url


def test_a_pattern_is_searched_for_among_units_of_one_quantity(reader, served):
    page = reader.open(f"{served}/?sample=3&span=[2,5]&pattern=%7B%22quantile%22%3A0.3%7D")
    page.get_by_label("Quantity", exact=True).select_option("c")
    reader.does(lambda: page.get_by_role("button", name="Search").click())
    names = reader.view("hypothesis").locator("svg").text_content()
    assert ".c." in names
    assert ".h." not in names
    assert "quantile" in page.url


@pytest.mark.skipif("overview" not in interp.viewers(), reason="the viewer overview is not installed")
def test_a_cell_of_the_overview_selects_a_pair_and_a_unit(reader, served):
    reader.open(served)
    cell = reader.view("overview").locator(".node").nth(40)
    pair, unit = cell.get_attribute("data-note").split("\n")[:2]
    reader.does(cell.click)
    assert reader.unit() == unit
    assert reader.page.get_by_label("Pair", exact=True).input_value() == pair


def test_letters_are_selected_by_keyboard(reader, served):
    page = reader.open(served)
    reader.view("strips").locator("tr.input td[tabindex='0']").focus()
    reader.does(lambda: page.keyboard.press("Enter"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    reader.does(lambda: page.keyboard.press("Shift+Enter"))
    assert "span=%5B0%2C+3%5D" in page.url


def test_a_sentence_is_typed_and_a_unit_ablated(reader, network):
    model, acts = network
    with serving(DashboardData(acts, model=model)) as url:
        page = reader.open(url)
        sentence = page.get_by_label("A sentence of your own")
        reader.does(lambda: (sentence.fill("hayeren"), sentence.press("Enter")))
        assert "".join(reader.view("strips").locator("tr.input td[data-note]").all_inner_texts()) == "hayeren"
        reader.does(lambda: page.get_by_role("button", name="Apply").click())
        rows = reader.view("edit").locator("tr.output th").all_inner_texts()
        assert [row.strip() for row in rows[:3]] == ["right", "before", "after"]
        assert "lstm.0.forward.h.0 → zero" in page.locator(".edits").inner_text()
        reader.does(lambda: page.get_by_role("button", name="Undo all edits").click())
        assert page.locator(".edits li").count() == 0
