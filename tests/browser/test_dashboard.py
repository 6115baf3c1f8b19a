"""The dashboard in a browser that reaches nothing but its server."""

import time

import numpy as np
import pytest
from dashboards import serving

import interp
from interp import Selection
from interp_dashboard.material import Material
from interp_dashboard.notes import Notes

SIZES = [(1440, "light"), (1440, "dark"), (800, "light"), (800, "dark")]
HOSTILE = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\u202e", "a\u0301", "\ue000", "x" * 10_000]
HOSTILE += ["&lt;", " "]
UNIT = "lstm.0.backward.h.11"


class Reader:
    """A page of the dashboard, and what went wrong on it."""

    def __init__(self, context):
        self.context, self.troubles, self.foreign = context, [], []
        context.route("**/*", self._route)
        self.page = context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.troubles.append(dialog.message), dialog.dismiss()))

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.troubles.append(message.text)

    def _route(self, route):
        if route.request.url.startswith(("http://127.0.0.1:", "blob:", "data:")):
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def open(self, url):
        self.page.goto(url)
        self.page.locator(".dash[data-settled]").wait_for()
        return self.page

    def does(self, act):
        """Do something, and wait until all that follows it is drawn."""
        before = self.page.locator(".dash").get_attribute("data-settled")
        act()
        self.until(lambda: self.page.locator(".dash").get_attribute("data-settled") != before)

    def until(self, true):
        end = time.monotonic() + 20
        while not true():
            assert time.monotonic() < end, "it did not happen within 20 s"
            self.page.wait_for_timeout(20)

    def view(self, panel):
        return self.page.frame_locator(f"[data-panel={panel}] iframe:not(.coming)")

    def choose(self, pair):
        self.does(lambda: self.page.get_by_label("Pair", exact=True).select_option(pair))

    def unit(self):
        return self.page.get_by_label("Unit", exact=True).input_value()


@pytest.fixture
def reader(chromium, request):
    """A reader; parametrize it indirectly with (width, colour scheme)."""
    width, scheme = getattr(request, "param", (1440, "light"))
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(20_000)
    one = Reader(context)
    yield one
    context.close()
    assert one.troubles == []
    assert one.foreign == []


@pytest.fixture(scope="module")
def served(drawn_acts, drawn_dist):
    """A dashboard of the made-up capture, without a model."""
    with serving(Material(drawn_acts, [drawn_dist])) as url:
        yield url


@pytest.fixture(scope="module")
def network():
    """The shipped network and what it did on some sentences."""
    model = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration").batches("demo", limit=20, seed=0)
    return model, interp.capture(model, batches, quantities=["h"], progress=False)


def test_a_pair_is_picked_and_the_views_follow(reader, served):
    reader.open(served)
    reader.choose("t=>թ")
    for panel in ("graph", "histogram"):
        assert "t ⇒ թ" in reader.view(panel).locator("h1").inner_text()
    assert "pair=t%3D%3E" in reader.page.url


def test_a_unit_is_clicked_and_the_views_follow(reader, served):
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
    page.locator("[data-panel=strips]").evaluate("panel => panel.scrollIntoView()")  # frames out of sight stand still
    page.wait_for_timeout(300)
    start, end = letters.nth(2).bounding_box(), letters.nth(5).bounding_box()
    page.mouse.move(start["x"] + 5, start["y"] + 5)
    page.mouse.down()
    page.mouse.move(end["x"] + 5, end["y"] + 5)
    reader.does(page.mouse.up)
    assert "span=%5B2%2C+6%5D" in page.url
    assert reader.view("strips").locator("td.spanned").count() == 4


def test_a_letter_that_is_pointed_at_draws_its_line_in_the_histogram(reader, served, drawn_acts):
    reader.open(f"{served}/?sample=3&pair=t%3D%3E%D5%AE&unit={UNIT}")
    letter = reader.view("strips").locator("tr.input td[data-note]").nth(4)
    letter.dispatch_event("pointerover", {"bubbles": True})
    line = reader.view("histogram").locator("line.pointed")
    line.wait_for(state="attached")
    value = float(interp.pick(drawn_acts, sample=3, step=4, unit=UNIT)["activation"].values.item())
    assert f"{value:.3g}" in reader.view("histogram").locator("text.pointed").text_content()
    low, high = (float(drawn_acts["activation"].sel(unit=UNIT).reduce(ends)) for ends in (np.min, np.max))
    assert float(line.get_attribute("x1")) == pytest.approx(64 + 760 * (value - low) / (high - low), abs=2)
    letter.dispatch_event("pointerout", {"bubbles": True})
    reader.view("strips").locator(".strips").dispatch_event("pointerleave")
    line.wait_for(state="detached")


def test_the_span_is_marked_after_a_reload_and_another_unit(reader, served):
    reader.open(f"{served}/?sample=3&span=[2,5]&unit=lstm.0.forward.h.3")
    marked = reader.view("strips").locator("td.spanned")
    reader.until(lambda: marked.count() == 3)
    assert "step 2" in marked.first.get_attribute("data-note")
    unit = reader.page.get_by_label("Unit", exact=True)
    reader.does(lambda: (unit.fill(UNIT), unit.press("Enter")))
    reader.until(lambda: marked.count() == 3)


@pytest.mark.skipif("hypothesis" not in interp.viewers(), reason="there is no view of hypotheses")
def test_a_hypothesis_is_run(reader, served):
    page = reader.open(f"{served}/?sample=3&span=[2,5]&pattern=%7B%22share%22%3A0.3%7D")
    assert reader.view("hypothesis").locator("h1").is_visible()
    page.get_by_label("Regular expression").fill("tyun")
    reader.does(lambda: page.get_by_role("button", name="Search").click())
    assert "tyun" in reader.view("hypothesis").locator("main").inner_text()
    assert "share" in page.url


def test_a_place_is_visited_and_the_way_back_is_the_browsers(reader, served):
    page = reader.open(f"{served}/?sample=3&span=[2,5]&pattern=%7B%22share%22%3A0.3%7D")
    node = reader.view("hypothesis").locator(".node").first
    sample, step = node.get_attribute("data-key").split()
    reader.does(lambda: node.dispatch_event("click"))
    assert page.get_by_label("Sample", exact=True).input_value() == sample
    assert f"span=%5B{step}%2C+{int(step) + 3}%5D" in page.url
    reader.does(page.go_back)
    assert page.get_by_label("Sample", exact=True).input_value() == "3"
    assert "span=%5B2%2C+5%5D" in page.url


def test_a_pattern_is_looked_for_among_units_of_one_quantity(reader, served):
    page = reader.open(f"{served}/?sample=3&span=[2,5]&pattern=%7B%22share%22%3A0.3%7D")
    page.get_by_label("Quantity", exact=True).select_option("c")
    reader.does(lambda: page.get_by_role("button", name="Search").click())
    names = reader.view("hypothesis").locator("svg").text_content()
    assert ".c." in names
    assert ".h." not in names
    assert "share" in page.url


def test_every_panel_has_its_height_before_it_comes_into_view(reader, served):
    page = reader.open(served)
    heights = page.locator(".panel iframe").evaluate_all("frames => frames.map(frame => frame.clientHeight)")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for_timeout(300)
    assert heights == page.locator(".panel iframe").evaluate_all("frames => frames.map(frame => frame.clientHeight)")
    assert 300 not in heights


@pytest.mark.skipif("overview" not in interp.viewers(), reason="there is no overview")
def test_a_cell_of_the_overview_chooses_a_pair_and_a_unit(reader, served):
    reader.open(served)
    cell = reader.view("overview").locator(".node").nth(40)
    pair, unit = cell.get_attribute("data-note").split("\n")[:2]
    reader.does(cell.click)
    assert reader.unit() == unit
    assert reader.page.get_by_label("Pair", exact=True).input_value() == pair


def test_letters_are_chosen_by_keyboard(reader, served):
    page = reader.open(served)
    reader.view("strips").locator("tr.input td[tabindex='0']").focus()
    reader.does(lambda: page.keyboard.press("Enter"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    reader.does(lambda: page.keyboard.press("Shift+Enter"))
    assert "span=%5B0%2C+3%5D" in page.url


def test_a_page_is_the_same_when_it_is_loaded_again(reader, served):
    page = reader.open(served)
    reader.choose("t=>տ")
    unit = page.get_by_label("Unit", exact=True)
    reader.does(lambda: (unit.fill(UNIT), unit.press("Enter")))
    page.reload()
    page.locator(".dash[data-settled]").wait_for()
    assert reader.unit() == UNIT
    assert f"t ⇒ տ · {UNIT}" == reader.view("histogram").locator("h1").inner_text()


def test_without_a_model_it_says_what_is_missing(reader, served):
    page = reader.open(served)
    sentence = page.get_by_label("A sentence of your own")
    reader.does(lambda: (sentence.fill("tyun"), sentence.press("Enter")))
    assert "--model" in page.locator("[data-panel=strips] .missing").inner_text()
    reader.does(lambda: page.get_by_role("button", name="Corpus").click())
    assert reader.view("strips").locator("tr.unit").count() > 0


def test_a_sentence_is_typed_and_a_unit_ablated(reader, network):
    model, acts = network
    with serving(Material(acts, model=model)) as url:
        page = reader.open(url)
        sentence = page.get_by_label("A sentence of your own")
        reader.does(lambda: (sentence.fill("hayeren"), sentence.press("Enter")))
        assert "".join(reader.view("strips").locator("tr.input td[data-note]").all_inner_texts()) == "hayeren"
        reader.does(lambda: page.get_by_role("button", name="Apply").click())
        rows = reader.view("edit").locator("tr.output th").all_inner_texts()
        assert [row.strip() for row in rows[:3]] == ["right", "before", "after"]
        assert "lstm.0.forward.h.0 → zero" in page.locator(".edits").inner_text()
        reader.does(lambda: page.get_by_role("button", name="Take all edits back").click())
        assert page.locator(".edits li").count() == 0


def test_a_note_is_found_after_a_restart(reader, drawn_acts, tmp_path):
    notes = Notes.beside(tmp_path / "acts.zarr")
    with serving(Material(drawn_acts, notes=notes)) as url:
        page = reader.open(url)
        page.get_by_label("Name of the unit").fill("comma")
        page.get_by_label("Note on the unit").fill("<img src=x onerror=alert(1)>\nsecond line")
        page.get_by_role("button", name="Save note").click()
        page.get_by_text("Saved in acts.notes.json.").wait_for()
        unit = reader.unit()
    page.goto("about:blank")
    reader.troubles.clear()  # the server is gone on purpose
    with serving(Material(drawn_acts, notes=Notes.beside(tmp_path / "acts.zarr"))) as url:
        page = reader.open(f"{url}/?unit={unit}")
        assert page.get_by_label("Name of the unit").input_value() == "comma"
        assert page.get_by_label("Note on the unit").input_value() == "<img src=x onerror=alert(1)>\nsecond line"
        assert "<img src=x" in page.locator(".notes li bdi").inner_text()
        assert page.locator("img").count() == 0


def test_a_notebook_changes_the_selection_and_the_page_follows(reader, drawn_acts, drawn_dist):
    chosen = Selection(pair="t=>ծ", unit=UNIT)
    with serving(Material(drawn_acts, [drawn_dist]), selection=chosen) as url:
        reader.open(url)
        assert reader.unit() == UNIT
        reader.does(lambda: setattr(chosen, "unit", "lstm.0.forward.h.3"))
        assert reader.unit() == "lstm.0.forward.h.3"
        reader.choose("t=>թ")
        assert chosen.pair == "t=>թ"


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
        with page.expect_download() as got:
            page.get_by_role("button", name=f"Download Histogram pair as {suffix}").click()
        got.value.save_as(tmp_path / "file")
        assert got.value.suggested_filename == f"histogram.{suffix}"
        assert (tmp_path / "file").read_bytes().startswith(start)


def test_a_state_is_saved_and_loaded(reader, served, tmp_path):
    page = reader.open(served)
    reader.choose("t=>տ")
    with page.expect_download() as got:
        page.get_by_role("button", name="Save what is chosen as a file").click()
    got.value.save_as(tmp_path / "state.json")
    reader.choose("t=>ծ")
    reader.does(lambda: page.locator("input[type=file]").set_input_files(tmp_path / "state.json"))
    assert page.get_by_label("Pair", exact=True).input_value() == "t=>տ"


@pytest.mark.parametrize("reader", SIZES, indirect=True, ids=str)
def test_it_fits_and_is_small(reader, served):
    page = reader.open(served)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    frames = page.frames
    assert sum(frame.evaluate("document.querySelectorAll('*').length") for frame in frames) < 5000
    assert sum(len(frame.content().encode()) for frame in frames) < 1.5e6
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    for background in [page, *frames[1:]]:
        color = background.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (color == "rgb(255, 255, 255)") != dark


def test_colours_can_be_chosen(reader, served):
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
    with serving(Material(acts, [dist], notes=notes)) as url:
        page = reader.open(url)
        unit = page.get_by_label("Unit", exact=True)
        for name in HOSTILE[:2]:
            reader.does(lambda name=name: (unit.fill(name), unit.press("Enter")))
            assert name in page.locator(".notebook").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert all(frame.locator("img").count() == 0 for frame in page.frames)
