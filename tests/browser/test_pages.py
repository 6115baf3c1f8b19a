"""Saved pages, opened from disk in a browser without network access."""

import re

import numpy as np
import pytest
from helpers.causes import attributed, curves

import interp

SIZES = [(1440, "light"), (1440, "dark"), (800, "light"), (800, "dark")]
UNIT = "lstm.0.backward.h.11"
NAMES = ["layered-graph", "cell-strips", "histogram-pair", "top-pairs"]
NAMES += ["attribution-strip", "before-after", "ablation-curves", "context-reach"]
NAMES += ["overview", "saturation-map", "unit-card", "compare", "hypothesis"]
TIP = ".tip:not([hidden])"


def edited(acts):
    """Return the capture with another output at every ninth token, and noise on the logits."""
    predicted = acts["predicted"].values.copy()
    predicted[::9] = "_"
    noise = np.random.default_rng(5).normal(0, 0.5, acts["activation"].shape).astype("float32")
    noisy = acts["activation"] + noise * (acts["symbol"].values != "")
    return acts.assign(activation=noisy).assign_coords(predicted=("token", predicted))


@pytest.fixture(scope="session")
def pages(drawn_acts, drawn_dist, drawn_links, tmp_path_factory):
    """Page of each view, by name."""
    folder = tmp_path_factory.mktemp("pages")
    debiased = interp.measure("hellinger", drawn_acts, min_tokens=60, min_sources=20, n_permutations=20)
    hypothesis = interp.measure(
        "hypothesis", drawn_acts, span=(0, 7, 9), quantile=0.45, n_units=4, quantity="c", regex="t."
    )
    units = ["lstm.0.backward.c.6", "lstm.0.backward.c_prev.12", "hidden.out.7", "lstm.0.forward.f.9"]
    views = [
        interp.draw("layered-graph", drawn_acts, drawn_dist, connectivity=drawn_links, pair=("t", "ծ")),
        interp.draw("cell-strips", drawn_acts, units=units, around="tyun"),
        interp.draw("histogram-pair", drawn_acts, drawn_dist, unit=UNIT, pair=("t", "ծ")),
        interp.draw("top-pairs", drawn_dist, unit=UNIT),
        interp.draw("attribution-strip", drawn_acts, attributed(drawn_acts), unit=UNIT, pair="t=>ծ"),
        interp.draw("before-after", drawn_acts, edited(drawn_acts), samples=[0, 3]),
        interp.draw("ablation-curves", curves(n=228)),
        interp.draw("context-reach", attributed(drawn_acts)),
        interp.draw("overview", debiased),
        interp.draw("saturation-map", interp.measure("saturation", drawn_acts)),
        interp.draw("unit-card", drawn_acts, debiased, unit=UNIT, connectivity=drawn_links),
        interp.draw("compare", drawn_acts, drawn_acts.isel(unit=slice(None, None, -1)), debiased, debiased),
        interp.draw("hypothesis", hypothesis),
    ]
    return {name: view.save(folder / f"{name}.html") for name, view in zip(NAMES, views, strict=True)}


@pytest.mark.parametrize("visit", SIZES, indirect=True, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_self_contained_and_fits(visit, pages, name):
    page = visit.open(pages[name])
    assert page.locator("h1").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelectorAll('*').length") < 5000
    assert visit.requests == [pages[name].as_uri()]


# Texts that overlap another text, and texts that are clipped by their box.
COLLISIONS = """() => {
  const texts = [...document.querySelectorAll("main *")].filter(e =>
    [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && e.checkVisibility());
  const boxes = texts.map(e => {
    const range = document.createRange();
    range.selectNodeContents(e);
    return [e.tagName === "text" ? e.getBoundingClientRect() : range.getBoundingClientRect(), e.textContent, e];
  });
  const overlaps = [];
  boxes.forEach(([a, s, e], i) => boxes.slice(i + 1).forEach(([b, t, f]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > Math.min(a.height, b.height) / 3 && !e.contains(f)) overlaps.push(`${s} | ${t}`);
  }));
  return overlaps;
}"""
CLIPPED = """() => [...document.querySelectorAll("main *")]
  .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
  .filter(e => ["hidden", "clip"].includes(getComputedStyle(e).overflowX))
  .flatMap(e => [...(e.querySelector(".scene") ? e.querySelectorAll("text") : [e])]
    .filter(t => t === e || t.getBoundingClientRect().right > e.getBoundingClientRect().right + 1))
  .map(t => t.textContent.trim()).filter(Boolean)"""
COUNT = re.compile(r"n target|n rest|• units|[\d,]+( / [\d,]+)?")


@pytest.mark.parametrize("visit", SIZES[::2], indirect=True, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_clipped_or_overlaps_another(visit, pages, name):
    page = visit.open(pages[name])
    assert page.evaluate(COLLISIONS) == []
    clipped = page.evaluate(CLIPPED)
    if name == "overview" and clipped:  # a narrow page clips the counts; the note of each cell has them
        assert all(COUNT.fullmatch(text) for text in clipped)
        notes = page.locator(".node").evaluate_all("nodes => nodes.map(node => node.dataset.note)")
        assert all(any(text in note for note in notes) for text in clipped if "/" in text)
        clipped = []
    assert clipped == []


# Contrast of every text with its nearest background.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = color => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = color => [...rgb(color)].slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const clear = color => color === "transparent" || color.endsWith(", 0)");
  const behind = e => {
    const rect = e.tagName === "text" && e.previousElementSibling;
    if (rect && rect.tagName === "rect" && rect.parentNode.matches("g.node")) return getComputedStyle(rect).fill;
    for (let at = e.tagName === "text" ? e.closest("svg") : e; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!clear(color)) return color;
    }
  };
  return [...document.querySelectorAll("main *")].filter(e =>
    [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && e.checkVisibility()).map(e => {
      const style = getComputedStyle(e), ink = e.tagName === "text" ? style.fill : style.color;
      const [a, b] = [light(ink), light(behind(e))].sort((x, y) => x - y);
      return [(b + .05) / (a + .05), e.textContent];
    }).filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("visit", SIZES[:2], indirect=True, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_text_is_readable(visit, pages, name):
    assert visit.open(pages[name]).evaluate(CONTRAST) == []


def test_pointing_at_a_node_highlights_its_edges(visit, pages):
    page = visit.open(pages["layered-graph"])
    node = page.locator(".node[data-key^='hidden.out']").first
    key = node.get_attribute("data-key")
    node.hover()
    highlighted = page.locator("line.lit")
    assert highlighted.count() == page.locator(f"line[data-lower='{key}'], line[data-upper='{key}']").count() > 0
    assert key in page.locator(TIP).inner_text()
    assert "pushe" in page.locator(TIP).inner_text()
    page.mouse.move(2, 2)
    assert page.locator(TIP).count() == 0
    assert page.locator(".pointing").count() == 0


def test_a_node_is_reached_by_keyboard(visit, pages):
    page = visit.open(pages["layered-graph"])
    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.dataset.key")
    assert first.startswith("output.out")
    assert first in page.locator(TIP).inner_text()
    page.keyboard.press("ArrowRight")
    second = page.evaluate("document.activeElement.dataset.key")
    assert second != first
    assert second.startswith("output.out")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.key").startswith("hidden.out")
    page.keyboard.press("Escape")
    assert page.locator(TIP).count() == 0


def test_pointing_at_a_letter_shows_its_column(visit, pages):
    page = visit.open(pages["cell-strips"])
    page.locator(".strips .unit td").nth(3).hover()
    tip = page.locator(TIP).inner_text()
    assert "lstm.0.backward.c.6" in tip
    assert "step" in tip
    assert page.locator("td.chosen").count() == 9  # three of them are likely outputs


def test_letters_are_reached_by_keyboard(visit, pages):
    page = visit.open(pages["cell-strips"])
    page.keyboard.press("Tab")
    first = page.locator(TIP).inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator(TIP).inner_text() != first
    page.keyboard.press("ArrowDown")  # the next line of text
    assert page.evaluate("document.activeElement.closest('table').previousElementSibling !== null")


def test_the_tooltip_of_a_letter_has_its_attribution(visit, pages):
    page = visit.open(pages["attribution-strip"])
    page.locator(".strips .unit").first.locator("td[class]").nth(2).hover()
    tip = page.locator(TIP).inner_text().splitlines()
    assert [line.split()[0] for line in tip[2:]] == [UNIT, "attribution"]
    float(tip[3].split()[1])
    line = page.evaluate("document.querySelector('.strips .underline td[class]').getBoundingClientRect().height")
    assert line == pytest.approx(4, abs=0.5)


def test_the_tooltip_of_a_letter_has_the_effect_of_the_edit(visit, pages):
    page = visit.open(pages["before-after"])
    page.locator(".strips td.changed").first.hover()
    tip = page.locator(TIP).inner_text().splitlines()
    assert [line.split()[0] for line in tip[2:]] == ["before", "after", "change"]
    before, after = (line.split()[1] for line in tip[2:4])
    assert (before == after, after) == (False, "_")


@pytest.mark.parametrize(
    ("name", "words"), [("overview", "q = "), ("saturation-map", "nearly open"), ("hypothesis", "units on")]
)
def test_the_tooltip_of_a_cell_has_its_numbers(visit, pages, name, words):
    page = visit.open(pages[name])
    page.keyboard.press("Tab")
    tips = {page.locator(TIP).inner_text()}
    page.keyboard.press("ArrowDown")
    tips.add(page.locator(TIP).inner_text())
    assert len(tips) == 2
    assert all(words in text for text in tips)


@pytest.mark.parametrize("name", ["ablation-curves", "context-reach"])
def test_every_point_is_reached_by_keyboard(visit, pages, name):
    page = visit.open(pages[name])
    page.keyboard.press("Tab")
    tips = {page.locator(TIP).inner_text()}
    for _ in range(8):
        page.keyboard.press("ArrowRight")
        tips.add(page.locator(TIP).inner_text())
    assert len(tips) == 9
    assert all("95 %" in text or "random orders" in text for text in tips)


def test_the_table_opens(visit, pages):
    page = visit.open(pages["top-pairs"])
    page.locator("details summary").first.click()
    assert page.locator("details table").is_visible()


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\u202e",
    "a\u0301",
    "\ue000",
    "x" * 10_000,
    "&lt;",
    " ",
]


def test_hostile_text_shows_as_text(visit, drawn_acts, tmp_path):
    acts = drawn_acts.isel(token=slice(0, len(HOSTILE))).assign_attrs(model=HOSTILE[0], task=HOSTILE[1])
    labels = dict.fromkeys(("input", "output", "predicted"), ("token", HOSTILE))
    names = acts.unit.values.astype(object)
    names[:2] = [HOSTILE[1], HOSTILE[5]]
    acts = acts.drop_vars("unit").assign_coords(labels | {"unit": names.astype(str)})
    view = interp.draw("cell-strips", acts, units=[HOSTILE[1], HOSTILE[5]])
    page = visit.open(view.save(tmp_path / "a.html"))
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert "<img" in page.locator(".unit th").first.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_hostile_card_shows_as_text(visit, drawn_acts, drawn_dist, tmp_path):
    names = drawn_acts.unit.values.astype(object)
    names[:2] = [HOSTILE[1], HOSTILE[0]]
    units = {"unit": names.astype(str)}
    labels = dict.fromkeys(("input", "output"), ("token", [HOSTILE[at % len(HOSTILE)] for at in range(400)]))
    acts = drawn_acts.isel(token=slice(0, 400)).assign_coords(units | labels).assign_attrs(model=HOSTILE[0])
    pairs = [f"{HOSTILE[at]}=>{HOSTILE[at]}" for at in range(drawn_dist.sizes["pair"])]
    dist = drawn_dist.assign_coords(units | {"pair": pairs, "pair_input": ("pair", HOSTILE[: len(pairs)])})
    page = visit.open(interp.draw("unit-card", acts, dist, unit=HOSTILE[1]).save(tmp_path / "a.html"))
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert page.locator("h1").inner_text() == HOSTILE[1]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_notebook_frame_shows_the_page(visit, drawn_dist, tmp_path):
    frame = interp.draw("top-pairs", drawn_dist, unit=UNIT)._repr_html_()
    (tmp_path / "a.html").write_text(f"<!doctype html><meta charset=utf-8>{frame}")
    page = visit.open(tmp_path / "a.html")
    assert page.frame_locator("iframe").locator("h1").inner_text() == UNIT
