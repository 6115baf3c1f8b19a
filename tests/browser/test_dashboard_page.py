"""Page of the dashboard: sizes, colours, files, notes, URL and hostile text."""

import numpy as np
import pytest
from helpers.causes import attributed, curves
from helpers.dashboards import serving
from helpers.readers import UNIT

from interp import Selection
from interp_dashboard.annotations import Notes
from interp_dashboard.data import DashboardData

SIZES = [(1440, "light"), (1440, "dark"), (800, "light"), (800, "dark")]
HOSTILE = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\u202e", "a\u0301", "\ue000", "x" * 10_000]
HOSTILE += ["&lt;", " "]


def test_panels_have_their_height_before_they_are_in_view(reader, served):
    page = reader.open(served)
    heights = page.locator(".panel iframe").evaluate_all("frames => frames.map(frame => frame.clientHeight)")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for_timeout(300)
    assert heights == page.locator(".panel iframe").evaluate_all("frames => frames.map(frame => frame.clientHeight)")
    assert 300 not in heights


def test_reloading_keeps_the_selection(reader, served):
    page = reader.open(served)
    reader.choose("t=>տ")
    unit = page.get_by_label("Unit", exact=True)
    reader.does(lambda: (unit.fill(UNIT), unit.press("Enter")))
    page.reload()
    page.locator(".dash[data-settled]").wait_for()
    assert reader.unit() == UNIT
    assert f"t ⇒ տ · {UNIT}" == reader.view("histogram").locator("h1").inner_text()


def test_without_a_model_the_panel_gives_instructions(reader, served):
    page = reader.open(served)
    sentence = page.get_by_label("A sentence of your own")
    reader.does(lambda: (sentence.fill("tyun"), sentence.press("Enter")))
    assert "--model" in page.locator("[data-panel=strips] .missing").inner_text()
    reader.does(lambda: page.get_by_role("button", name="Corpus").click())
    assert reader.view("strips").locator("tr.unit").count() > 0


def test_notes_persist_after_a_restart(reader, drawn_acts, tmp_path):
    notes = Notes.beside(tmp_path / "acts.zarr")
    with serving(DashboardData(drawn_acts, notes=notes)) as url:
        page = reader.open(url)
        page.get_by_label("Name of the unit").fill("comma")
        page.get_by_label("Note on the unit").fill("<img src=x onerror=alert(1)>\nsecond line")
        page.get_by_role("button", name="Save note").click()
        page.get_by_text("Saved in acts.notes.json.").wait_for()
        unit = reader.unit()
    page.goto("about:blank")
    reader.troubles.clear()  # the server was stopped on purpose
    with serving(DashboardData(drawn_acts, notes=Notes.beside(tmp_path / "acts.zarr"))) as url:
        page = reader.open(f"{url}/?unit={unit}")
        assert page.get_by_label("Name of the unit").input_value() == "comma"
        assert page.get_by_label("Note on the unit").input_value() == "<img src=x onerror=alert(1)>\nsecond line"
        assert "<img src=x" in page.locator(".notes li bdi").inner_text()
        assert page.locator("img").count() == 0


def test_the_page_follows_a_selection_from_elsewhere(reader, drawn_acts, drawn_dist):
    selection = Selection(pair="t=>ծ", unit=UNIT)
    with serving(DashboardData(drawn_acts, [drawn_dist]), selection=selection) as url:
        reader.open(url)
        assert reader.unit() == UNIT
        reader.does(lambda: setattr(selection, "unit", "lstm.0.forward.h.3"))
        assert reader.unit() == "lstm.0.forward.h.3"
        reader.choose("t=>թ")
        assert selection.pair == "t=>թ"


def test_a_panel_is_maximised_and_downloaded(reader, served, tmp_path):
    page = reader.open(served)
    page.get_by_role("button", name="Maximise Layered graph").click()
    box = page.locator("[data-panel=graph]").bounding_box()
    assert box["width"] > 1380
    assert box["height"] > 840
    page.keyboard.press("Escape")
    assert page.locator("[data-panel=graph]").bounding_box()["width"] < 900
    page.get_by_role("button", name="Maximise Layered graph").click()
    reader.view("graph").locator(".node").first.focus()
    page.keyboard.press("Escape")
    reader.until(lambda: page.locator("[data-panel=graph]").bounding_box()["width"] < 900)
    for suffix, start in (("html", b"<!doctype html>"), ("svg", b"<?xml"), ("png", b"\x89PNG")):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download Histogram pair as {suffix}").click()
        download.value.save_as(tmp_path / "file")
        assert download.value.suggested_filename == f"histogram.{suffix}"
        assert (tmp_path / "file").read_bytes().startswith(start)


def test_a_state_is_saved_and_loaded(reader, served, tmp_path):
    page = reader.open(served)
    reader.choose("t=>տ")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the selection to a file").click()
    download.value.save_as(tmp_path / "state.json")
    reader.choose("t=>ծ")
    reader.does(lambda: page.locator("input[type=file]").set_input_files(tmp_path / "state.json"))
    assert page.get_by_label("Pair", exact=True).input_value() == "t=>տ"


@pytest.mark.parametrize("reader", SIZES, indirect=True, ids=str)
def test_the_page_fits_and_is_small(reader, served):
    page = reader.open(served)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    frames = page.frames
    assert sum(frame.evaluate("document.querySelectorAll('*').length") for frame in frames) < 5000
    assert sum(len(frame.content().encode()) for frame in frames) < 1.5e6
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    for background in [page, *frames[1:]]:
        color = background.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (color == "rgb(255, 255, 255)") != dark


def test_colours_can_be_selected(reader, served):
    page = reader.open(served)
    page.get_by_label("Colours").select_option("dark")
    for panel in ("graph", "histogram"):
        body = page.frame_locator(f"[data-panel={panel}] iframe").last.locator("body")
        reader.until(lambda body=body: "rgb(18, 21, 29)" in body.evaluate("e => getComputedStyle(e).backgroundColor"))


def test_hostile_text_shows_as_text(reader, drawn_acts, drawn_dist, tmp_path):
    acts = drawn_acts.isel(token=slice(0, 8 * len(HOSTILE)))
    names = acts.unit.values.astype(object)
    names[: len(HOSTILE)] = HOSTILE
    labels = dict.fromkeys(("input", "output", "predicted"), ("token", np.repeat(HOSTILE, 8)))
    renamed = {"unit": names.astype(str)}
    acts = acts.drop_vars("unit").assign_coords(labels | renamed).assign_attrs(model=HOSTILE[0], task=HOSTILE[1])
    dist = drawn_dist.drop_vars("unit").assign_coords(renamed)
    dist = dist.drop_vars("pair").assign_coords(pair=[f"{text}=>x" for text in HOSTILE[:5]])
    notes = Notes(tmp_path / "notes.json")
    for text in HOSTILE:
        notes.write(text, text[:200], text)
    with serving(DashboardData(acts, [dist], notes=notes)) as url:
        page = reader.open(url)
        unit = page.get_by_label("Unit", exact=True)
        for name in HOSTILE[:2]:
            reader.does(lambda name=name: (unit.fill(name), unit.press("Enter")))
            assert name in page.locator(".notebook").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert all(frame.locator("img").count() == 0 for frame in page.frames)


def test_causal_results_are_shown_or_the_panels_give_instructions(reader, drawn_acts, drawn_dist):
    with serving(DashboardData(drawn_acts, [drawn_dist])) as url:
        page = reader.open(url)
        for panel, call in (("ablation", "ablation-curve"), ("reach", "attribution")):
            assert f'interp.measure("{call}"' in page.locator(f"[data-panel={panel}] .missing").inner_text()
    page.goto("about:blank")
    reader.troubles.clear()  # the server was stopped on purpose
    results = [curves(n=12), attributed(drawn_acts)]
    with serving(DashboardData(drawn_acts, [drawn_dist, *results])) as url:
        page = reader.open(url)
        for panel in ("ablation", "reach"):
            assert reader.view(panel).locator("svg").is_visible()
