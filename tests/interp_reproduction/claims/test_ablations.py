"""Ablations of a whole report, and the list of steps."""

from types import SimpleNamespace

import pandas as pd
import pytest

from interp_reproduction.claims import ablations
from interp_reproduction.claims.ablations import AblationGroup, ablation_steps, concat_tables


def test_equal_groups_are_ablated_once(synthetic, suffix_windows, monkeypatch):
    ablated = []
    monkeypatch.setattr(ablations, "ablation_effects", lambda acts, group, **_: ablated.append(group))
    synthetic.windows = suffix_windows([], [])
    evidence, acts = synthetic.build(), synthetic.windows
    network = SimpleNamespace(acts=acts, gate_acts=acts, model=None)
    first = AblationGroup("a", ("lstm.0.forward.c.1",), (("t", "ծ"),))
    other = AblationGroup("a", ("lstm.0.forward.c.1",), (("t", "թ"),))
    steps = list(ablation_steps(network, evidence, evidence, [first, other, first]))
    for step in steps[:2]:
        step()
    assert ablated == [first, other]
    assert len(steps) == 2 + 4 * 2 * 2  # curves: pairs, layers, bases


def test_tables_without_rows_are_empty():
    assert {name: len(table) for name, table in concat_tables([]).items()} == {"effects": 0, "curves": 0}


def test_effects_are_complete_and_consistent(report, marker):
    rows = pd.read_csv(report / "tables/ablations.csv")
    assert len(rows) == 3 * 4 + 4 + 3 + 1
    assert set(rows["pair"]) == {"t=>ծ", "s=>_", "t=>թ", "h=>_", "h=>հ"}
    assert (rows["ci_low"] <= rows["ci_high"]).all()
    for control in ("uniform", "matched"):
        p = rows[f"p_{control}"]
        assert (p * 20).round(9).isin(range(1, 21)).all()  # 19 random groups
        assert (rows[f"p_{control}_holm"] >= p).all()
    for claim in marker["claims"].values():
        assert claim["ablation"]["used"] in (True, False)
        assert claim["verdict"] != "Learned and causal" or claim["ablation"]["used"]


def test_curves_have_the_same_total_effect_in_both_bases(report):
    curves = pd.read_csv(report / "tables/curves.csv")
    assert set(curves["basis"]) == {"units", "rotated"}
    assert (curves["k80"] <= curves["units"]).all()
    for _, bases in curves.groupby(["pair", "layer"]):
        assert bases["whole"].max() == pytest.approx(bases["whole"].min(), abs=1e-3)
