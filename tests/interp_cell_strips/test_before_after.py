"""Before and after an edit: what changed, the log-odds, and how they look."""

import math

import numpy as np
import pytest

import interp
from interp import OptionError, SchemaError, palette
from interp_cell_strips.edited import before_after, right_odds

SYMBOLS = ["x", "y", "z"]


def text(logits, letters="pqpq", right="xyyz", predicted=None, draws=0, **attrs):
    """A capture of three logits."""
    n = len(letters)
    times = max(draws, 1)
    units = {"unit": [f"out.out.{k}" for k in range(3)], "module": ["out"] * 3, "layer": [0] * 3, "direction": [""] * 3}
    units |= {"quantity": ["out"] * 3, "index": range(3), "symbol": SYMBOLS}
    tokens = {"sample": [k // 2 for k in range(n)] * times, "step": [k % 2 for k in range(n)] * times}
    tokens |= {"source": tokens["sample"], "input": list(letters) * times, "output": list(right) * times}
    tokens |= {"predicted": list(predicted)} if predicted else {}
    tokens |= {"draw": np.repeat(np.arange(draws), n)} if draws else {}
    return interp.dataset(np.array(logits, "float32"), units, tokens, attrs)


BEFORE = [[3, 1, 0], [0, 2, 1], [1, 2, 0], [0, 3, 2]]
AFTER = [[0, 1, 0], [0, 2, 1], [1, 2, 0], [0, 1, 2]]


@pytest.fixture(scope="module")
def view():
    return interp.draw(before_after, text(BEFORE), text(AFTER, edits='["Clamp(a)"]'), samples=[0, 1])


def naive(logits, letters, right, among):
    """Log-odds one token at a time."""
    found = []
    for row, letter, symbol in zip(logits, letters, right, strict=True):
        possible = {b for a, b in zip(letters, right, strict=True) if a == letter} if among == "input" else set(SYMBOLS)
        others = [math.exp(row[SYMBOLS.index(other)]) for other in possible - {symbol}]
        found.append(row[SYMBOLS.index(symbol)] - math.log(sum(others)) if others else math.nan)
    return found


@pytest.mark.parametrize("among", ["input", "all"])
@pytest.mark.parametrize("right", ["xyyz", "xyxz", "xxxx"])
def test_log_odds_are_those_of_a_naive_loop(among, right):
    acts = text(BEFORE, right=right)
    assert right_odds(acts, acts, among).tolist() == pytest.approx(naive(BEFORE, "pqpq", right, among), nan_ok=True)


def test_an_output_without_logit_has_no_odds():
    acts = text(BEFORE, right="xyyw")
    assert np.isnan(right_odds(acts, acts, "all")).tolist() == [False, False, False, True]


def test_characters_are_aligned_and_changes_found(view):
    data = view.data["characters"]
    assert data["before"].values.tolist() == ["x", "y", "y", "y"]
    assert data["after"].values.tolist() == ["y", "y", "y", "z"]
    assert data["changed"].values.tolist() == [True, False, False, True]
    change = np.array(naive(AFTER, "pqpq", "xyyz", "input")) - naive(BEFORE, "pqpq", "xyyz", "input")
    assert data["change"].values == pytest.approx(change)
    assert float(data["full"]) == pytest.approx(np.percentile(np.abs(change), 99.5))


def test_what_changed_is_framed_and_what_is_wrong(view):
    (rows,) = view.rows()
    assert [row.name for row in rows] == ["input", "right", "before", "after", "change"]
    _, right, before, after, change = rows
    assert [cell.column for cell in rows[0].cells] == [0, 1, 3, 4]  # a gap between samples
    assert {cell.mark for cell in right.cells} == {""}
    assert [cell.mark for cell in before.cells] == ["", "", "", "framed"]
    assert [cell.mark for cell in after.cells] == ["framed changed", "", "", "changed"]
    full = float(view.data["characters"]["full"])
    assert [cell.color for cell in change.cells] == [palette.diverging(value / full) for value in change.values]
    html = view.picture()
    assert html.count('class="panel framed changed"') == 1
    outlines = [getattr(shape, "outline", "") for shape in view.compose().shapes]
    assert outlines.count("ink") == 2 + 1  # the legend's
    assert outlines.count("wrong") == 2 + 1


def test_words_and_table(view):
    assert "changes 2 of 4 characters shown: 1 from right to wrong, 1 from wrong to right" in view.summary
    for part in ("samples 0, 1 shown", "2 / 2 tokens / sources changed", "Clamp(a)", "among='input'"):
        assert part in view.caption
    frame = view.tables()["characters"]
    assert frame["log_odds_before"].tolist() == pytest.approx(naive(BEFORE, "pqpq", "xyyz", "input"))
    assert {"input", "output", "before", "after", "changed", "log_odds_after", "change"} <= set(frame)


def test_the_first_changed_sample_is_shown():
    unchanged, later = text(BEFORE), text([*BEFORE[:3], AFTER[3]])
    assert set(interp.draw(before_after, unchanged, later).data["characters"]["sample"].values.tolist()) == {1}
    same = interp.draw(before_after, unchanged, unchanged)
    assert set(same.data["characters"]["sample"].values.tolist()) == {0}
    assert "changes 0 of 2" in same.summary


def test_predictions_go_before_logits():
    edited = text(AFTER, predicted="xyyy")
    data = interp.draw(before_after, text(BEFORE), edited, samples=[0, 1]).data["characters"]
    assert data["after"].values.tolist() == ["x", "y", "y", "y"]
    assert not data["changed"].values.any()


def test_one_of_several_draws_is_shown():
    edited = text([*BEFORE, *AFTER], draws=2)
    changed = [interp.draw(before_after, text(BEFORE), edited, samples=[0, 1], draw=draw).data["characters"]["changed"]
               for draw in (0, 1)]  # fmt: skip
    assert [int(held.sum()) for held in changed] == [0, 2]
    with pytest.raises(OptionError, match="no draw 2; the edit has draws 0 to 1"):
        interp.draw(before_after, text(BEFORE), edited, draw=2)


def test_without_logits_there_are_no_odds():
    none = {"symbol": ("unit", [""] * 3)}
    bare = [text(held, predicted=said).assign_coords(none) for held, said in ((BEFORE, "xyyy"), (AFTER, "yyyz"))]
    view = interp.draw(before_after, *bare)
    assert [row.name for row in view.rows()[0]] == ["input", "right", "before", "after"]
    assert view.scales() == []
    assert "log" not in view.summary
    assert view.holoviews() is not None
    with pytest.raises(OptionError, match="no output to show"):
        interp.draw(before_after, *(held.drop_vars("predicted") for held in bare))


def test_an_edit_of_the_network_costs_what_the_probe_says(tmp_path):
    model = interp.load_model("armenian-bilstm")
    batches = list(interp.load_task("transliteration").batches("demo", limit=40, seed=0))
    acts = interp.capture(model, batches, quantities=["h"], progress=False)
    units = interp.pick(acts, module="hidden").unit.values[:60].tolist()
    runs = [interp.run(model, batches, edits, modules=["output"], progress=False)
            for edits in ((), interp.Ablate(units, to="zero"))]  # fmt: skip
    view = interp.draw("before-after", *runs, samples=range(40), limit=400)
    every = interp.measure(
        "ablation-effect", acts, model=model, groups={"t=>տ": units}, to="zero", controls=0, elsewhere=0
    )
    data = view.data["characters"]
    assert data.sizes["character"] == 400
    odds = [right_odds(held, runs[0], "input") for held in runs]
    here = (acts["input"].values == "t") & (acts["output"].values == "տ")
    lost, sources = (odds[0] - odds[1])[here], acts["source"].values[here]
    mean = np.mean([lost[sources == source].mean() for source in np.unique(sources)])
    assert mean == pytest.approx(float(every["effect"][0]), rel=1e-4)
    assert "Ablate(" in view.caption
    assert view.save(tmp_path / "a.png").stat().st_size


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_it_saves_itself_the_same_each_time(view, tmp_path, suffix):
    first = view.save(tmp_path / f"a{suffix}").read_bytes()
    assert view.save(tmp_path / f"b{suffix}").read_bytes() == first


def test_holoviews_and_notebook(view):
    assert len(view.holoviews()) == 2
    assert "<iframe" in view._repr_html_()


def test_what_is_wrong_is_named():
    with pytest.raises(OptionError, match="the same tokens before and after; got 4 and 2"):
        interp.draw(before_after, text(BEFORE), text(AFTER[:2], "pq", "xy"))
    for options in ({"columns": 2}, {"limit": 0}, {"among": "some"}):
        with pytest.raises(OptionError, match="Expected columns >= 8"):
            interp.draw(before_after, text(BEFORE), text(AFTER), **options)
    with pytest.raises(OptionError, match="no text"):
        interp.draw(before_after, text(BEFORE), text(AFTER), samples=[9])
    with pytest.raises(SchemaError, match="reads the label 'output'"):
        interp.draw(before_after, text(BEFORE).drop_vars("output"), text(AFTER))
