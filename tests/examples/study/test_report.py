"""Results of the study on synthetic networks, and the shipped results."""

import json
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from study.analysis import column
from study.protocol import SEEDS
from study.report import (
    EFFECTS,
    SECONDARY,
    answer,
    describe_unmatched,
    format_page,
    load_networks,
    write_results,
)
from study.tradeoff import draw_trade_off


def synthetic_networks(shift: float) -> pd.DataFrame:
    draw, table = np.random.default_rng(1), []
    for seed in SEEDS:
        base = {"cer": 0.02 + draw.normal(0, 1e-3), "log_k80": 3.8 + draw.normal(0, 0.1)}
        for arm in ("baseline", *EFFECTS, "dropout", "label-code"):
            effect = shift if arm == "vib" else 0.0
            row = {"arm": arm, "strength": 0.1, "seed": seed, "oracle": arm == "label-code", "dead": 3.0}
            row |= {f"effect {name}": 0.5 if name == arm else 0.6 for name in EFFECTS}
            row |= {f"{name} {basis}": draw.normal(1, 0.1) for name in SECONDARY for basis in ("units", "rotated")}
            outcome = base["log_k80"] + effect + draw.normal(0, 0.01)
            table.append(row | {"role": "arm", "cer": base["cer"], "log_k80": outcome})
            if arm != "baseline":
                table.append(row | {"role": "matched"} | base)
    return pd.DataFrame(table)


CLAIMS = pd.DataFrame([{"seed": seed, "claim": "C1", "figure": f"+0.{seed}", "verdict": "Holds"} for seed in SEEDS])


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(-0.5, "Yes, with vib."), (0.5, "No evidence that it does."), (0.0, "No evidence that it does.")],
)
def test_the_answer_follows_from_the_networks(shift, expected):
    verdict, explanation = answer(synthetic_networks(shift))
    assert verdict == expected
    assert ("More units share a decision with vib." in explanation) is (shift > 0)
    assert ("Fewer units" in explanation) is (shift < 0)


def test_results_are_written_and_read_back(tmp_path):
    rows = synthetic_networks(-0.5)
    page = write_results(rows, CLAIMS, tmp_path)
    pd.testing.assert_frame_equal(load_networks(tmp_path), rows)
    text = page.read_text(encoding="utf-8")
    assert " ".join(answer(rows)) in text
    stored = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert (stored["verdict"], stored["explanation"]) == answer(rows)
    assert (tmp_path / "trade-off.png").stat().st_size > 10_000
    ratio = np.exp((column(rows, "log_k80", "vib") - column(rows, "log_k80", "baseline")).mean())
    assert f"| {ratio:.2f} [" in text


def test_the_page_has_the_effect_of_each_penalty_and_every_claim():
    text = format_page(synthetic_networks(0.0), CLAIMS)
    assert "17 % lower" in text  # .5 of .6
    assert "of the gap to ln 2 closed" in text
    assert "| C1 | Holds: 5 of 5 | +0.11<br>+0.12" in text


def test_an_arm_with_fewer_errors_than_every_snapshot_is_named():
    rows = synthetic_networks(0.0)
    assert describe_unmatched(rows) == ""
    rows.loc[(rows["arm"] == "vib") & (rows["role"] == "arm"), "cer"] -= 0.004
    assert "With vib no snapshot makes as few errors: the nearest makes 0.40 points more" in describe_unmatched(rows)


def test_the_shipped_results_are_those_of_the_shipped_networks():
    folder = files("interp_models") / "study"
    with (folder / "claims.csv").open(encoding="utf-8") as file:
        claims = pd.read_csv(file)
    rows = load_networks()
    stored = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    assert (stored["verdict"], stored["explanation"]) == answer(rows)
    assert (folder / "RESULTS.md").read_text(encoding="utf-8") == format_page(rows, claims)


def test_the_picture_has_one_panel_per_arm_and_one_dot_per_network():
    rows = synthetic_networks(-0.5)
    view = draw_trade_off(rows)
    texts = [shape.text for shape in view.compose().shapes if hasattr(shape, "text")]
    assert [arm for arm in dict.fromkeys(rows["arm"]) if arm in texts] == [
        "baseline", *EFFECTS, "dropout", "label-code",
    ]  # fmt: skip
    dots = [shape for shape in view.compose().shapes if getattr(shape, "round", 0)]
    assert len(dots) == 3 + 6 * 3 * len(SEEDS)  # the legend's; baseline, arm and match in each panel
