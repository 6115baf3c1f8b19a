"""What a dashboard sends, without a browser."""

import base64
import json

import numpy as np
import pytest
import torch

import interp
from interp import Selection
from interp_dashboard.answers import answer
from interp_dashboard.dashboard import Dashboard
from interp_dashboard.material import Material
from interp_dashboard.notes import Notes

UNIT = "lstm.0.backward.h.11"


class Page:
    """Takes what a dashboard sends, as a page would."""

    def __init__(self, *given, selection=None, **options):
        self.sent = []
        self.dashboard = Dashboard(Material(*given, **options), selection, send=self.sent.append)

    def ask(self, **message):
        self.sent.clear()
        answer(self.dashboard, message)
        return self

    def panels(self):
        return {one["panel"]: one for one in self.sent if one["kind"] == "panel"}

    def said(self):
        return " ".join(one["text"] for one in self.sent if one["kind"] == "said")


@pytest.fixture
def page(drawn_acts, drawn_dist):
    return Page(drawn_acts, [drawn_dist]).ask(kind="ready", query="")


@pytest.fixture(scope="module")
def network():
    """The shipped network, sentences of the demo corpus, and distances."""
    model = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration").batches("demo", limit=12, seed=0)
    return model, interp.capture(model, batches, quantities=["h", "f"], progress=False)


def test_it_opens_on_the_strongest_pair_and_its_unit(page, drawn_dist):
    chosen = page.dashboard.selection
    assert chosen.pair == page.dashboard.material.pairs[0]
    assert chosen.unit == page.dashboard.material.best(chosen.pair)
    drawn = page.panels()
    assert chosen.unit in drawn["histogram"]["html"]
    assert {"graph", "strips", "card"} <= {name for name, one in drawn.items() if "html" in one}
    assert page.sent[-1]["kind"] == "done"


def test_a_click_redraws_what_follows_it_and_nothing_else(page):
    page.ask(kind="pick", key=UNIT, note="")
    assert page.dashboard.selection.unit == UNIT
    assert {"strips", "card", "histogram"} <= set(page.panels())
    assert not {"graph", "overview"} & set(page.panels())
    page.ask(kind="pick", key="t=>տ", note="")
    assert {"graph", "histogram"} <= set(page.panels())
    assert "strips" not in page.panels()
    assert page.ask(kind="pick", key="bin 3", note="0.1 to 0.2").sent == []


def test_a_cell_of_a_grid_stands_for_a_pair_and_a_unit(page):
    page.ask(kind="pick", key="3 7", note=f"t=>թ\n{UNIT}\ndistance 0.5")
    assert (page.dashboard.selection.pair, page.dashboard.selection.unit) == ("t=>թ", UNIT)


def test_a_notebook_writes_the_selection_and_the_panels_follow(drawn_acts, drawn_dist):
    chosen = Selection(pair="t=>ծ", unit=UNIT)
    page = Page(drawn_acts, [drawn_dist], selection=chosen).ask(kind="ready", query="")
    assert chosen.pair == "t=>ծ"
    page.sent.clear()
    chosen.unit = "lstm.0.forward.h.3"
    assert "lstm.0.forward.h.3" in page.panels()["histogram"]["html"]
    page.dashboard.close()
    page.sent.clear()
    chosen.unit = UNIT
    assert page.sent == []


def test_what_a_newer_choice_overtakes_is_not_drawn(drawn_acts, drawn_dist):
    waiting, sent = [], []
    dashboard = Dashboard(Material(drawn_acts, [drawn_dist]), send=sent.append, later=waiting.append)
    dashboard.show()
    while waiting:
        waiting.pop(0)()
    assert sent[-1]["kind"] == "done"
    sent.clear()
    dashboard.selection.unit = UNIT
    dashboard.selection.unit = "lstm.0.forward.h.3"
    while waiting:
        waiting.pop(0)()
    assert [one["serial"] for one in sent if one["kind"] == "done"] == [dashboard._serial]
    drawn = [one["panel"] for one in sent if one["kind"] == "panel"]
    assert drawn.count("card") == drawn.count("histogram") == 1
    assert "lstm.0.forward.h.3" in dashboard.views["histogram"].title


def test_a_url_gives_the_same_panels(page, drawn_acts, drawn_dist):
    page.ask(kind="choose", values={"unit": UNIT, "pair": "t=>ծ", "sample": 3, "span": [2, 5]})
    query = next(one["query"] for one in page.sent if one["kind"] == "state")
    other = Page(drawn_acts, [drawn_dist]).ask(kind="ready", query="?" + query)
    assert other.dashboard.selection.state() == page.dashboard.selection.state()
    assert UNIT in other.panels()["histogram"]["html"]
    assert "sample 3, step 0" in other.panels()["strips"]["html"]


def test_a_url_of_nonsense_is_said_and_the_page_opens(drawn_acts, drawn_dist):
    page = Page(drawn_acts, [drawn_dist]).ask(kind="ready", query="?window=-4")
    assert "can't be read" in page.said()
    assert "html" in page.panels()["graph"]
    page = Page(drawn_acts, [drawn_dist]).ask(kind="ready", query="?unit=none.such&pair=x%3D%3Ey")
    assert "No unit named 'none.such'" in page.panels()["card"]["missing"]
    page = Page(drawn_acts, [drawn_dist]).ask(kind="ready", query="?window=7")
    assert "no window 7" in page.panels()["strips"]["missing"]


def test_the_state_goes_to_a_file_and_comes_back(page):
    page.ask(kind="choose", values={"unit": UNIT})
    (file,) = page.ask(kind="save").sent
    text = base64.b64decode(file["content"]).decode()
    assert json.loads(text)["unit"] == UNIT
    page.ask(kind="choose", values={"unit": "lstm.0.forward.h.0"})
    page.ask(kind="load", text=text)
    assert page.dashboard.selection.unit == UNIT


@pytest.mark.parametrize(("suffix", "start"), [("html", b"<!doctype"), ("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_every_panel_is_a_file(page, suffix, start):
    (file,) = page.ask(kind="download", panel="histogram", format=suffix).sent
    assert base64.b64decode(file["content"]).startswith(start)
    assert file["name"] == f"histogram.{suffix}"


NONSENSE = [None, [], "x", {}, {"kind": "close"}, {"kind": "choose"}, {"kind": "choose", "values": {"unit": "no"}}]
NONSENSE += [{"kind": "choose", "values": {"unit": ["a"]}}, {"kind": "choose", "values": {"__class__": 1}}]
NONSENSE += [
    {"kind": "download", "panel": "../x", "format": "html"},
    {"kind": "download", "panel": "card", "format": "py"},
]
NONSENSE += [{"kind": "note", "unit": "no"}, {"kind": "load", "text": 3}, {"kind": "pick", "key": {}}, {"kind": ["x"]}]
NONSENSE += [{"kind": "choose", "values": {"sample": 10**9}}, {"kind": "choose", "values": {"edits": [1]}}]


@pytest.mark.parametrize("message", NONSENSE, ids=repr)
def test_what_a_page_must_not_ask_is_refused(page, message):
    before = page.dashboard.selection.state()
    page.sent.clear()
    answer(page.dashboard, message)
    assert page.said()
    assert page.dashboard.selection.state() == before


def test_a_store_without_results_says_how_to_get_them(drawn_acts):
    page = Page(drawn_acts).ask(kind="ready", query="")
    drawn = page.panels()
    assert "interp measure hellinger ACTS.zarr" in drawn["graph"]["missing"]
    assert "html" in drawn["strips"]
    assert "--model" in page.ask(kind="choose", values={"text": "tyun"}).panels()["strips"]["missing"]
    page.ask(kind="choose", values={"text": "", "edits": [{"unit": UNIT, "to": "zero"}]})
    assert "--model" in page.panels()["edit"]["missing"]


def test_a_store_without_tokens_or_with_one_unit_says_what_is_missing(drawn_acts, drawn_dist):
    page = Page(drawn_acts.isel(token=slice(0)), [drawn_dist]).ask(kind="ready", query="")
    assert "no token" in page.panels()["strips"]["missing"]
    page = Page(drawn_acts.isel(unit=[3]), [drawn_dist.isel(unit=[3])]).ask(kind="ready", query="?pair=t%3D%3E%D5%AE")
    assert "Choose a unit" in page.panels()["histogram"]["missing"]
    assert "Choose a unit" in page.panels()["strips"]["missing"]
    page.ask(kind="pick", key="lstm.0.forward.h.3", note="")
    assert "html" in page.panels()["histogram"]
    one = Page(drawn_acts.isel(token=[0])).ask(kind="ready", query="")
    assert "html" in one.panels()["strips"]


def test_a_gru_without_a_linear_layer_is_shown():
    model = torch.nn.GRU(3, 4, batch_first=True)
    text = [list("abca"), list("bcab")]
    batch = interp.Batch(torch.randn(2, 4, 3), labels={"input": text, "output": text, "source": [0, 1]})
    acts = interp.capture(model, [batch], progress=False)
    page = Page(acts, model=model).ask(kind="ready", query="")
    assert "html" in page.panels()["strips"]
    page.ask(kind="choose", values={"unit": "model.0.forward.z.1"})
    assert "model.0.forward.z.1" in page.panels()["strips"]["html"]
    assert "takes no typed sentences" in page.ask(kind="choose", values={"text": "abc"}).panels()["strips"]["missing"]


def test_a_typed_sentence_runs_through_the_model(network):
    model, acts = network
    page = Page(acts, model=model).ask(kind="ready", query="")
    page.ask(kind="choose", values={"text": "tyun"})
    shown = page.dashboard.views["strips"].data["strips"]
    assert "".join(shown["input"].values) == "tyun"
    assert shown["predicted"].values.tolist() == shown["output"].values.tolist()
    task = interp.load_task("transliteration")
    output = model(*task.typed_batch(["tyun"]).inputs)
    assert shown["predicted"].values.tolist() == task.decode(output, task.typed_batch(["tyun"]))[0]
    assert "1 to 2,000 letters" in page.ask(kind="choose", values={"text": "x" * 2001}).panels()["strips"]["missing"]


@pytest.mark.parametrize("edit", [{"to": "zero"}, {"to": "mean"}, {"to": "value", "value": 0.5}])
def test_what_if_shows_both_outputs(network, edit):
    model, acts = network
    page = Page(acts, model=model).ask(kind="ready", query="")
    unit = "lstm.0.backward.h.3"
    page.ask(kind="choose", values={"sample": 2, "edits": [{"unit": unit, **edit}]})
    text = page.dashboard.views["edit"].data["characters"]
    own = interp.pick(acts, sample=2)
    assert text["input"].values.tolist() == own["input"].values.tolist()
    assert text["before"].values.tolist() == own["predicted"].values.tolist()
    assert np.abs(text["change"].values[np.isfinite(text["change"].values)]).max() > 0
    assert page.ask(kind="choose", values={"edits": []}).panels()["edit"]["missing"].startswith("Change something")


@pytest.mark.parametrize("edit", [{"to": "value", "value": "x"}, {"to": "other"}, {"to": []}, {"unit": "no.unit"}, {}])
def test_an_edit_of_nonsense_is_said(network, edit):
    model, acts = network
    page = Page(acts, model=model).ask(kind="ready", query="")
    asked = {"unit": "lstm.0.backward.h.3", **edit} if edit else {}
    assert page.ask(kind="choose", values={"edits": [asked]}).panels()["edit"]["missing"]


def test_another_model_than_the_captured_one_is_refused(network):
    _, acts = network
    other = interp.load_model("armenian-bilstm", untrained=0)
    page = Page(acts, model=other).ask(kind="ready", query="")
    assert "other weights" in page.ask(kind="choose", values={"text": "tyun"}).panels()["strips"]["missing"]


def test_two_stores_of_the_same_text_are_compared(network):
    _, acts = network
    untrained = interp.load_model("armenian-bilstm", untrained=0)
    text = interp.load_task("transliteration").batches("demo", limit=12, seed=0)
    other = interp.capture(untrained, text, quantities=["h", "f"], progress=False)
    page = Page(acts, [other]).ask(kind="ready", query="")
    assert "html" in page.panels()["compare"]
    same = Page(acts, [acts]).ask(kind="ready", query="")
    (strength, alike) = (one.dashboard.views["compare"] for one in (page, same))
    r = [view.data["units"]["r"].to_numpy(dtype=float) for view in (strength, alike)]
    assert np.nanmedian(np.abs(r[1])) == pytest.approx(1, abs=1e-6)
    assert np.nanmedian(np.abs(r[0])) < 0.95
    assert len(set(strength.title.split(" · "))) == 2  # of one name, told apart by their weights
    assert len(set(alike.title.split(" · "))) == 1
    assert "Give a second store" in Page(acts).ask(kind="ready", query="").panels()["compare"]["missing"]


@pytest.mark.skipif("hypothesis" not in interp.viewers(), reason="there is no view of hypotheses")
def test_a_span_and_thresholds_are_searched_for_in_the_window(drawn_acts, drawn_dist):
    page = Page(drawn_acts, [drawn_dist]).ask(kind="ready", query="")
    assert "Choose a span" in page.panels()["hypothesis"]["missing"]
    page.ask(kind="choose", values={"sample": 3, "span": [2, 5], "pattern": {"share": 0.3, "regex": "tyun"}})
    assert "html" in page.panels()["hypothesis"]
    alone = interp.measure("hypothesis", drawn_acts, span=(3, 2, 4), share=0.3, regex="tyun", quantity="h")
    assert page.dashboard._runs["found"][1].identical(alone)
    page.ask(kind="choose", values={"pattern": {"nonsense": 1}})
    assert "no option 'nonsense'" in page.panels()["hypothesis"]["missing"]
    page.ask(kind="choose", values={"pattern": {"regex": "("}})
    assert "regular expression" in page.panels()["hypothesis"]["missing"]


def test_a_note_is_saved_and_sent_to_the_next_page(drawn_acts, tmp_path):
    notes = Notes.beside(tmp_path / "acts.zarr")
    page = Page(drawn_acts, notes=notes).ask(kind="ready", query="")
    page.ask(kind="note", unit=UNIT, name="<b>", note="<img src=x onerror=alert(1)>")
    assert "Saved" in page.said()
    other = Page(drawn_acts, notes=notes).ask(kind="ready", query="")
    sent = next(one for one in other.sent if one["kind"] == "choices")["notes"]
    assert sent == {UNIT: {"name": "<b>", "note": "<img src=x onerror=alert(1)>"}}
    assert "no store beside which" in Page(drawn_acts).ask(kind="note", unit=UNIT, name="", note="").said()


def test_results_of_causes_are_drawn_and_without_them_it_says_how_they_are_made():
    model = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration").batches("demo", limit=40, seed=0)
    acts = interp.capture(model, batches, quantities=["h", "out"], progress=False)
    here, units = interp.pick(acts, input="t"), acts["unit"].values[acts["module"].values == "hidden"].tolist()
    curve = interp.measure("ablation-curve", here, model=model, ranking=units[:20], pair="t=>ծ", orders=0)
    target = here.isel(token=slice(3))
    found = interp.measure("attribution", target, model=model, batches=batches, sentences=2, options={"n_steps": 2})
    drawn = Page(acts, [curve, found]).ask(kind="choose", values={"unit": units[0]}).panels()
    assert "k80" in drawn["ablation"]["html"]
    assert units[0] in drawn["attribution"]["html"]
    assert "attribution" in drawn["reach"].get("html", drawn["reach"].get("missing"))
    without = Page(acts).ask(kind="choose", values={"unit": units[0]}).panels()
    for name, probe in (("ablation", "ablation-curve"), ("attribution", "attribution"), ("reach", "attribution")):
        assert f'interp.measure("{probe}"' in without[name]["missing"]
