"""Messages of a dashboard, without a browser."""

import base64
import json

import numpy as np
import pytest
import torch

import interp
from interp import Selection
from interp_dashboard.annotations import Notes
from interp_dashboard.dashboard import Dashboard
from interp_dashboard.data import DashboardData
from interp_dashboard.message_handlers import handle_message

UNIT = "lstm.0.backward.h.11"


class Page:
    """Receiver of a dashboard's messages, in place of a page."""

    def __init__(self, *arguments, selection=None, **options):
        self.sent = []
        self.dashboard = Dashboard(DashboardData(*arguments, **options), selection, send=self.sent.append)

    def request(self, **message):
        self.sent.clear()
        handle_message(self.dashboard, message)
        return self

    def panels(self):
        return {message["panel"]: message for message in self.sent if message["kind"] == "panel"}

    def status(self):
        return " ".join(message["text"] for message in self.sent if message["kind"] == "status")


@pytest.fixture
def page(drawn_acts, drawn_dist):
    return Page(drawn_acts, [drawn_dist]).request(kind="ready", query="")


@pytest.fixture(scope="module")
def network():
    """Shipped network, and its activations on sentences of the demo corpus."""
    model = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration").batches("demo", limit=12, seed=0)
    return model, interp.capture(model, batches, quantities=["h", "f"], progress=False)


def test_the_strongest_pair_and_its_unit_are_selected_first(page, drawn_dist):
    selection = page.dashboard.selection
    assert selection.pair == page.dashboard.data.pairs[0]
    assert selection.unit == page.dashboard.data.best_unit(selection.pair)
    drawn = page.panels()
    assert selection.unit in drawn["histogram"]["html"]
    assert {"graph", "strips", "card"} <= {name for name, message in drawn.items() if "html" in message}
    assert page.sent[-1]["kind"] == "done"


def test_a_click_redraws_only_the_panels_that_change(page):
    page.request(kind="pick", key=UNIT, note="")
    assert page.dashboard.selection.unit == UNIT
    assert {"strips", "card", "histogram"} <= set(page.panels())
    assert not {"graph", "overview"} & set(page.panels())
    page.request(kind="pick", key="t=>տ", note="")
    assert {"graph", "histogram"} <= set(page.panels())
    assert "strips" not in page.panels()
    assert page.request(kind="pick", key="bin 3", note="0.1 to 0.2").sent == []


def test_a_cell_of_a_grid_selects_a_pair_and_a_unit(page):
    page.request(kind="pick", key="3 7", note=f"t=>թ\n{UNIT}\ndistance 0.5")
    assert (page.dashboard.selection.pair, page.dashboard.selection.unit) == ("t=>թ", UNIT)


def test_panels_follow_a_selection_from_elsewhere(drawn_acts, drawn_dist):
    selection = Selection(pair="t=>ծ", unit=UNIT)
    page = Page(drawn_acts, [drawn_dist], selection=selection).request(kind="ready", query="")
    assert selection.pair == "t=>ծ"
    page.sent.clear()
    selection.unit = "lstm.0.forward.h.3"
    assert "lstm.0.forward.h.3" in page.panels()["histogram"]["html"]
    page.dashboard.close()
    page.sent.clear()
    selection.unit = UNIT
    assert page.sent == []


def test_outdated_panels_are_not_drawn(drawn_acts, drawn_dist):
    pending, sent = [], []
    dashboard = Dashboard(DashboardData(drawn_acts, [drawn_dist]), send=sent.append, later=pending.append)
    dashboard.show()
    while pending:
        pending.pop(0)()
    assert sent[-1]["kind"] == "done"
    sent.clear()
    dashboard.selection.unit = UNIT
    dashboard.selection.unit = "lstm.0.forward.h.3"
    while pending:
        pending.pop(0)()
    assert [message["serial"] for message in sent if message["kind"] == "done"] == [dashboard._serial]
    drawn = [message["panel"] for message in sent if message["kind"] == "panel"]
    assert drawn.count("card") == drawn.count("histogram") == 1
    assert "lstm.0.forward.h.3" in dashboard.views["histogram"].title


def test_a_url_gives_the_same_panels(page, drawn_acts, drawn_dist):
    page.request(kind="choose", values={"unit": UNIT, "pair": "t=>ծ", "sample": 3, "span": [2, 5]})
    query = next(message["query"] for message in page.sent if message["kind"] == "state")
    other = Page(drawn_acts, [drawn_dist]).request(kind="ready", query="?" + query)
    assert other.dashboard.selection.state() == page.dashboard.selection.state()
    assert UNIT in other.panels()["histogram"]["html"]
    assert "sample 3, step 0" in other.panels()["strips"]["html"]


def test_an_invalid_url_is_reported_and_the_page_opens(drawn_acts, drawn_dist):
    page = Page(drawn_acts, [drawn_dist]).request(kind="ready", query="?window=-4")
    assert "can't be read" in page.status()
    assert "html" in page.panels()["graph"]
    page = Page(drawn_acts, [drawn_dist]).request(kind="ready", query="?unit=none.such&pair=x%3D%3Ey")
    assert "No unit named 'none.such'" in page.panels()["card"]["missing"]
    page = Page(drawn_acts, [drawn_dist]).request(kind="ready", query="?window=7")
    assert "no window 7" in page.panels()["strips"]["missing"]


def test_the_state_is_saved_and_loaded(page):
    page.request(kind="choose", values={"unit": UNIT})
    (file,) = page.request(kind="save").sent
    text = base64.b64decode(file["content"]).decode()
    assert json.loads(text)["unit"] == UNIT
    page.request(kind="choose", values={"unit": "lstm.0.forward.h.0"})
    page.request(kind="load", text=text)
    assert page.dashboard.selection.unit == UNIT


@pytest.mark.parametrize(("suffix", "start"), [("html", b"<!doctype"), ("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_panel_is_downloaded(page, suffix, start):
    (file,) = page.request(kind="download", panel="histogram", format=suffix).sent
    assert base64.b64decode(file["content"]).startswith(start)
    assert file["name"] == f"histogram.{suffix}"


INVALID = [None, [], "x", {}, {"kind": "close"}, {"kind": "choose"}, {"kind": "choose", "values": {"unit": "no"}}]
INVALID += [{"kind": "choose", "values": {"unit": ["a"]}}, {"kind": "choose", "values": {"__class__": 1}}]
INVALID += [
    {"kind": "download", "panel": "../x", "format": "html"},
    {"kind": "download", "panel": "card", "format": "py"},
]
INVALID += [{"kind": "note", "unit": "no"}, {"kind": "load", "text": 3}, {"kind": "pick", "key": {}}, {"kind": ["x"]}]
INVALID += [{"kind": "choose", "values": {"sample": 10**9}}, {"kind": "choose", "values": {"edits": [1]}}]


@pytest.mark.parametrize("message", INVALID, ids=repr)
def test_invalid_messages_are_rejected(page, message):
    before = page.dashboard.selection.state()
    page.sent.clear()
    handle_message(page.dashboard, message)
    assert page.status()
    assert page.dashboard.selection.state() == before


def test_without_results_the_panels_give_instructions(drawn_acts):
    page = Page(drawn_acts).request(kind="ready", query="")
    drawn = page.panels()
    assert "interp measure hellinger ACTS.zarr" in drawn["graph"]["missing"]
    assert "html" in drawn["strips"]
    assert "--model" in page.request(kind="choose", values={"text": "tyun"}).panels()["strips"]["missing"]
    page.request(kind="choose", values={"text": "", "edits": [{"unit": UNIT, "to": "zero"}]})
    assert "--model" in page.panels()["edit"]["missing"]


def test_stores_without_tokens_or_with_one_unit(drawn_acts, drawn_dist):
    page = Page(drawn_acts.isel(token=slice(0)), [drawn_dist]).request(kind="ready", query="")
    assert "no token" in page.panels()["strips"]["missing"]
    page = Page(drawn_acts.isel(unit=[3]), [drawn_dist.isel(unit=[3])]).request(
        kind="ready", query="?pair=t%3D%3E%D5%AE"
    )
    assert "Choose a unit" in page.panels()["histogram"]["missing"]
    assert "Choose a unit" in page.panels()["strips"]["missing"]
    page.request(kind="pick", key="lstm.0.forward.h.3", note="")
    assert "html" in page.panels()["histogram"]
    page = Page(drawn_acts.isel(token=[0])).request(kind="ready", query="")
    assert "html" in page.panels()["strips"]


def test_a_gru_without_a_linear_layer():
    model = torch.nn.GRU(3, 4, batch_first=True)
    text = [list("abca"), list("bcab")]
    batch = interp.Batch(torch.randn(2, 4, 3), labels={"input": text, "output": text, "source": [0, 1]})
    acts = interp.capture(model, [batch], progress=False)
    page = Page(acts, model=model).request(kind="ready", query="")
    assert "html" in page.panels()["strips"]
    page.request(kind="choose", values={"unit": "model.0.forward.z.1"})
    assert "model.0.forward.z.1" in page.panels()["strips"]["html"]
    assert (
        "takes no typed sentences" in page.request(kind="choose", values={"text": "abc"}).panels()["strips"]["missing"]
    )


def test_the_model_runs_on_a_typed_sentence(network):
    model, acts = network
    page = Page(acts, model=model).request(kind="ready", query="")
    page.request(kind="choose", values={"text": "tyun"})
    strips = page.dashboard.views["strips"].data["strips"]
    assert "".join(strips["input"].values) == "tyun"
    assert strips["predicted"].values.tolist() == strips["output"].values.tolist()
    task = interp.load_task("transliteration")
    output = model(*task.typed_batch(["tyun"]).inputs)
    assert strips["predicted"].values.tolist() == task.decode(output, task.typed_batch(["tyun"]))[0]
    assert (
        "1 to 2,000 letters" in page.request(kind="choose", values={"text": "x" * 2001}).panels()["strips"]["missing"]
    )


@pytest.mark.parametrize("edit", [{"to": "zero"}, {"to": "mean"}, {"to": "value", "value": 0.5}])
def test_an_edit_shows_both_outputs(network, edit):
    model, acts = network
    page = Page(acts, model=model).request(kind="ready", query="")
    unit = "lstm.0.backward.h.3"
    page.request(kind="choose", values={"sample": 2, "edits": [{"unit": unit, **edit}]})
    text = page.dashboard.views["edit"].data["characters"]
    sample = interp.select(acts, sample=2)
    assert text["input"].values.tolist() == sample["input"].values.tolist()
    assert text["before"].values.tolist() == sample["predicted"].values.tolist()
    assert np.abs(text["change"].values[np.isfinite(text["change"].values)]).max() > 0
    assert page.request(kind="choose", values={"edits": []}).panels()["edit"]["missing"].startswith("Edit a unit")


@pytest.mark.parametrize("edit", [{"to": "value", "value": "x"}, {"to": "other"}, {"to": []}, {"unit": "no.unit"}, {}])
def test_invalid_edits_are_reported(network, edit):
    model, acts = network
    page = Page(acts, model=model).request(kind="ready", query="")
    spec = {"unit": "lstm.0.backward.h.3", **edit} if edit else {}
    assert page.request(kind="choose", values={"edits": [spec]}).panels()["edit"]["missing"]


def test_a_model_with_other_weights_is_rejected(network):
    _, acts = network
    other = interp.load_model("armenian-bilstm", random_init=0)
    page = Page(acts, model=other).request(kind="ready", query="")
    assert "other weights" in page.request(kind="choose", values={"text": "tyun"}).panels()["strips"]["missing"]


def test_two_stores_of_the_same_text_are_compared(network):
    _, acts = network
    untrained = interp.load_model("armenian-bilstm", random_init=0)
    text = interp.load_task("transliteration").batches("demo", limit=12, seed=0)
    other = interp.capture(untrained, text, quantities=["h", "f"], progress=False)
    page = Page(acts, [other]).request(kind="ready", query="")
    assert "html" in page.panels()["compare"]
    same = Page(acts, [acts]).request(kind="ready", query="")
    (different, identical) = (each.dashboard.views["compare"] for each in (page, same))
    r = [view.data["units"]["r"].to_numpy(dtype=float) for view in (different, identical)]
    assert np.nanmedian(np.abs(r[1])) == pytest.approx(1, abs=1e-6)
    assert np.nanmedian(np.abs(r[0])) < 0.95
    assert len(set(different.title.split(" · "))) == 2  # same name, different weights
    assert len(set(identical.title.split(" · "))) == 1
    assert "Pass a second store" in Page(acts).request(kind="ready", query="").panels()["compare"]["missing"]


@pytest.mark.skipif("hypothesis" not in interp.viewers(), reason="the viewer hypothesis is not installed")
def test_a_span_is_searched_for_in_the_window(drawn_acts, drawn_dist):
    page = Page(drawn_acts, [drawn_dist]).request(kind="ready", query="")
    assert "Choose a span" in page.panels()["hypothesis"]["missing"]
    page.request(kind="choose", values={"sample": 3, "span": [2, 5], "pattern": {"quantile": 0.3, "regex": "tyun"}})
    assert "html" in page.panels()["hypothesis"]
    expected = interp.measure("hypothesis", drawn_acts, span=(3, 2, 4), quantile=0.3, regex="tyun", quantity="h")
    assert page.dashboard._cache["hypothesis"][1].identical(expected)
    page.request(kind="choose", values={"pattern": {"nonsense": 1}})
    assert "no option 'nonsense'" in page.panels()["hypothesis"]["missing"]
    page.request(kind="choose", values={"pattern": {"regex": "("}})
    assert "regular expression" in page.panels()["hypothesis"]["missing"]


def test_a_note_is_saved_and_sent_to_a_new_page(drawn_acts, tmp_path):
    notes = Notes.beside(tmp_path / "acts.zarr")
    page = Page(drawn_acts, notes=notes).request(kind="ready", query="")
    page.request(kind="note", unit=UNIT, name="<b>", note="<img src=x onerror=alert(1)>")
    assert "Saved" in page.status()
    other = Page(drawn_acts, notes=notes).request(kind="ready", query="")
    sent = next(message for message in other.sent if message["kind"] == "choices")["notes"]
    assert sent == {UNIT: {"name": "<b>", "note": "<img src=x onerror=alert(1)>"}}
    assert (
        "no store to save notes beside" in Page(drawn_acts).request(kind="note", unit=UNIT, name="", note="").status()
    )


def test_causal_results_are_drawn_or_the_panels_give_instructions():
    model = interp.load_model("armenian-bilstm")
    batches = interp.load_task("transliteration").batches("demo", limit=40, seed=0)
    acts = interp.capture(model, batches, quantities=["h", "out"], progress=False)
    tokens, units = interp.select(acts, input="t"), acts["unit"].values[acts["module"].values == "hidden"].tolist()
    curve = interp.measure("ablation-curve", tokens, model=model, ranking=units[:20], pair="t=>ծ", n_random_orders=0)
    target = tokens.isel(token=slice(3))
    attribution = interp.measure(
        "attribution", target, model=model, batches=batches, n_baselines=2, method_options={"n_steps": 2}
    )
    drawn = Page(acts, [curve, attribution]).request(kind="choose", values={"unit": units[0]}).panels()
    assert "k80" in drawn["ablation"]["html"]
    assert units[0] in drawn["attribution"]["html"]
    assert "attribution" in drawn["reach"].get("html", drawn["reach"].get("missing"))
    without = Page(acts).request(kind="choose", values={"unit": units[0]}).panels()
    for name, probe in (("ablation", "ablation-curve"), ("attribution", "attribution"), ("reach", "attribution")):
        assert f'interp.measure("{probe}"' in without[name]["missing"]
