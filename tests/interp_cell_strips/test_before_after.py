"""Before and after an edit: changes, log-odds and drawing."""

import math

import numpy as np
import pytest

import interp
from interp import OptionError, SchemaError
from interp.plotting import colors
from interp_cell_strips.before_after import before_after, right_log_odds

SYMBOLS = ["x", "y", "z"]


def text(logits, letters="pqpq", right="xyyz", predicted=None, draws=0, **attrs):
    """Return a capture of three logits."""
    n = len(letters)
    n_draws = max(draws, 1)
    units = {"unit": [f"out.out.{k}" for k in range(3)], "module": ["out"] * 3, "layer": [0] * 3, "direction": [""] * 3}
    units |= {"quantity": ["out"] * 3, "index": range(3), "symbol": SYMBOLS}
    tokens = {"sample": [k // 2 for k in range(n)] * n_draws, "step": [k % 2 for k in range(n)] * n_draws}
    tokens |= {"source": tokens["sample"], "input": list(letters) * n_draws, "output": list(right) * n_draws}
    tokens |= {"predicted": list(predicted)} if predicted else {}
    tokens |= {"draw": np.repeat(np.arange(draws), n)} if draws else {}
    return interp.make_dataset(np.array(logits, "float32"), units, tokens, attrs)


BEFORE = [[3, 1, 0], [0, 2, 1], [1, 2, 0], [0, 3, 2]]
AFTER = [[0, 1, 0], [0, 2, 1], [1, 2, 0], [0, 1, 2]]


@pytest.fixture(scope="module")
def view():
    return interp.draw(before_after, text(BEFORE), text(AFTER, edits='["Clamp(a)"]'), samples=[0, 1])


def naive(logits, letters, right, candidates):
    """Return the log-odds, computed one token at a time."""
    odds = []
    for row, letter, symbol in zip(logits, letters, right, strict=True):
        possible = (
            {b for a, b in zip(letters, right, strict=True) if a == letter} if candidates == "input" else set(SYMBOLS)
        )
        others = [math.exp(row[SYMBOLS.index(other)]) for other in possible - {symbol}]
        odds.append(row[SYMBOLS.index(symbol)] - math.log(sum(others)) if others else math.nan)
    return odds


@pytest.mark.parametrize("candidates", ["input", "all"])
@pytest.mark.parametrize("right", ["xyyz", "xyxz", "xxxx"])
def test_log_odds_equal_a_naive_loop(candidates, right):
    acts = text(BEFORE, right=right)
    assert right_log_odds(acts, acts, candidates).tolist() == pytest.approx(
        naive(BEFORE, "pqpq", right, candidates), nan_ok=True
    )


def test_an_output_without_logit_has_no_odds():
    acts = text(BEFORE, right="xyyw")
    assert np.isnan(right_log_odds(acts, acts, "all")).tolist() == [False, False, False, True]


def test_characters_are_aligned_and_changes_detected(view):
    data = view.data["characters"]
    assert data["before"].values.tolist() == ["x", "y", "y", "y"]
    assert data["after"].values.tolist() == ["y", "y", "y", "z"]
    assert data["changed"].values.tolist() == [True, False, False, True]
    change = np.array(naive(AFTER, "pqpq", "xyyz", "input")) - naive(BEFORE, "pqpq", "xyyz", "input")
    assert data["change"].values == pytest.approx(change)
    assert float(data["scale_max"]) == pytest.approx(np.percentile(np.abs(change), 99.5))


def test_changed_and_wrong_outputs_are_framed(view):
    (rows,) = view.rows()
    assert [row.name for row in rows] == ["input", "right", "before", "after", "change"]
    _, right, before, after, change = rows
    assert [cell.column for cell in rows[0].cells] == [0, 1, 3, 4]  # a gap between samples
    assert {cell.mark for cell in right.cells} == {""}
    assert [cell.mark for cell in before.cells] == ["", "", "", "framed"]
    assert [cell.mark for cell in after.cells] == ["framed changed", "", "", "changed"]
    limit = float(view.data["characters"]["scale_max"])
    assert [cell.color for cell in change.cells] == [colors.diverging(value / limit) for value in change.values]
    html = view.picture()
    assert html.count('class="panel framed changed"') == 1
    outlines = [getattr(shape, "outline", "") for shape in view.compose().shapes]
    assert outlines.count("ink") == 2 + 1  # one in the legend
    assert outlines.count("wrong") == 2 + 1


def test_texts_and_table(view):
    assert "changes 2 of 4 characters shown: 1 from right to wrong, 1 from wrong to right" in view.summary
    for part in ("samples 0, 1 shown", "2 / 2 tokens / sources changed", "Clamp(a)", "candidates='input'"):
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


def test_predictions_take_precedence_over_logits():
    edited = text(AFTER, predicted="xyyy")
    data = interp.draw(before_after, text(BEFORE), edited, samples=[0, 1]).data["characters"]
    assert data["after"].values.tolist() == ["x", "y", "y", "y"]
    assert not data["changed"].values.any()


def test_one_of_several_draws_is_shown():
    edited = text([*BEFORE, *AFTER], draws=2)
    changed = [interp.draw(before_after, text(BEFORE), edited, samples=[0, 1], draw=draw).data["characters"]["changed"]
               for draw in (0, 1)]  # fmt: skip
    assert [int(mask.sum()) for mask in changed] == [0, 2]
    with pytest.raises(OptionError, match="no draw 2; the edit has draws 0 to 1"):
        interp.draw(before_after, text(BEFORE), edited, draw=2)


def test_without_logits_there_are_no_odds():
    no_symbols = {"symbol": ("unit", [""] * 3)}
    runs = [
        text(logits, predicted=outputs).assign_coords(no_symbols)
        for logits, outputs in ((BEFORE, "xyyy"), (AFTER, "yyyz"))
    ]
    view = interp.draw(before_after, *runs)
    assert [row.name for row in view.rows()[0]] == ["input", "right", "before", "after"]
    assert view.scales() == []
    assert "log" not in view.summary
    assert view.holoviews() is not None
    with pytest.raises(OptionError, match="no output to show"):
        interp.draw(before_after, *(run.drop_vars("predicted") for run in runs))


def test_the_effect_equals_that_of_the_probe(tmp_path):
    model = interp.load_model("armenian-bilstm")
    batches = list(interp.load_task("transliteration").batches("demo", limit=40, seed=0))
    acts = interp.capture(model, batches, quantities=["h"], progress=False)
    units = interp.select(acts, module="hidden").unit.values[:60].tolist()
    runs = [interp.capture(model, batches, edits=edits, modules=["output"], progress=False)
            for edits in ((), interp.Ablate(units, replace_with="zero"))]  # fmt: skip
    view = interp.draw("before-after", *runs, samples=range(40), max_characters=400)
    effects = interp.measure(
        "ablation-effect",
        acts,
        model=model,
        groups={"t=>տ": units},
        replace_with="zero",
        n_controls=0,
        n_other_tokens=0,
    )
    data = view.data["characters"]
    assert data.sizes["character"] == 400
    odds = [right_log_odds(run, runs[0], "input") for run in runs]
    tokens = (acts["input"].values == "t") & (acts["output"].values == "տ")
    effect, sources = (odds[0] - odds[1])[tokens], acts["source"].values[tokens]
    mean = np.mean([effect[sources == source].mean() for source in np.unique(sources)])
    assert mean == pytest.approx(float(effects["effect"][0]), rel=1e-4)
    assert "Ablate(" in view.caption
    assert view.save(tmp_path / "a.png").stat().st_size


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_saved_files_are_reproducible(view, tmp_path, suffix):
    first = view.save(tmp_path / f"a{suffix}").read_bytes()
    assert view.save(tmp_path / f"b{suffix}").read_bytes() == first


def test_holoviews_and_notebook(view):
    assert len(view.holoviews()) == 2
    assert "<iframe" in view._repr_html_()


def test_errors_name_the_fault():
    with pytest.raises(OptionError, match="the same tokens before and after; got 4 and 2"):
        interp.draw(before_after, text(BEFORE), text(AFTER[:2], "pq", "xy"))
    for options in ({"line_width": 2}, {"max_characters": 0}, {"candidates": "some"}):
        with pytest.raises(OptionError, match="Expected line_width >= 8"):
            interp.draw(before_after, text(BEFORE), text(AFTER), **options)
    with pytest.raises(OptionError, match="no text"):
        interp.draw(before_after, text(BEFORE), text(AFTER), samples=[9])
    with pytest.raises(SchemaError, match="reads the label 'output'"):
        interp.draw(before_after, text(BEFORE).drop_vars("output"), text(AFTER))
