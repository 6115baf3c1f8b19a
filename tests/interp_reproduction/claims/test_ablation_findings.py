"""Findings of ablations on tables with a known answer."""

import numpy as np
import pandas as pd
import pytest

from interp_reproduction.claims.ablations import AblationTables, with_adjusted_p
from interp_reproduction.claims.judge import ablation_findings

PAIRS = ("t=>ծ", "s=>_", "t=>թ", "h=>_")
GROUPS = [(f"top 10 {layer}", pair) for layer in ("hidden", "backward h", "forward h") for pair in PAIRS]
GROUPS += [(f"{gate} of the 20 neurons shown", "t=>ծ") for gate in "gifo"]
GROUPS += [("the forward h of C5", pair) for pair in ("s=>_", "h=>_", "h=>հ")] + [("the cell of C6", "t=>թ")]


def tables(used=(), k80=100):
    """Return tables in which used groups have an effect of 1 +- .1 with p = .001, and the others .1 +- .1."""
    rows = []
    for group, pair in GROUPS:
        effect = 1.0 if (group, pair) in used else 0.1
        p = 0.001 if (group, pair) in used else 0.4
        row = {"group": group, "pair": pair, "effect": effect, "ci_low": effect - 0.1, "ci_high": effect + 0.1}
        row |= {"specificity": effect, "specificity_ci_low": 0.0, "specificity_ci_high": 1.0, "accuracy": 0.9}
        rows.append(row | {"accuracy_ablated": 0.5, "tokens": 400, "sources": 100, "p_uniform": p, "p_matched": p})
    curves = [
        {"pair": pair, "layer": layer, "basis": basis, "units": size, "k80": k80, "whole": 5.0}
        for pair in PAIRS
        for layer, size in (("h", 456), ("hidden", 228))
        for basis in ("units", "rotated")
    ]
    return AblationTables(with_adjusted_p(pd.DataFrame(rows)), pd.DataFrame(curves), pd.DataFrame())


def used_claims(used=(), **options):
    return {key for key, finding in ablation_findings(tables(used, **options)).items() if finding.is_used}


def test_no_claim_is_used_without_effects():
    assert used_claims(k80=10) == set()
    assert ablation_findings(tables())["C2"].text == "+0.10 [+0.00, +0.20], p .400 / .400"


def test_each_claim_needs_the_units_that_it_names():
    assert used_claims([("top 10 hidden", "t=>ծ")], k80=10) == {"C2"}
    assert used_claims([("top 10 backward h", "t=>ծ")], k80=10) == {"C1"}
    assert used_claims([("top 10 forward h", "s=>_")], k80=10) == set()
    assert used_claims([("top 10 forward h", "s=>_"), ("top 10 forward h", "h=>_")], k80=10) == {"C4"}
    assert used_claims([("g of the 20 neurons shown", "t=>ծ")], k80=10) == {"C3"}
    assert used_claims([("the forward h of C5", pair) for pair in ("s=>_", "h=>_", "h=>հ")], k80=10) == {"C5"}
    assert used_claims([("the cell of C6", "t=>թ")], k80=10) == {"C6"}
    assert used_claims(k80=46) == {"C7"}


def test_a_direction_must_exceed_the_other_one():
    both = [("top 10 backward h", "t=>ծ"), ("top 10 forward h", "t=>ծ")]
    assert "C1" not in used_claims(both)


def test_an_effect_that_random_groups_of_equal_strength_have_is_not_enough():
    result = tables([("top 10 hidden", "t=>ծ")])
    rows = result.effects.copy()
    rows.loc[rows["group"] == "top 10 hidden", "p_matched"] = 0.2
    changed = AblationTables(with_adjusted_p(rows), result.curves, result.agreement)
    assert not ablation_findings(changed)["C2"].is_used


def test_without_tokens_nothing_is_measured():
    empty = pd.DataFrame()
    assert {finding.is_used for finding in ablation_findings(AblationTables(empty, empty, empty)).values()} == {None}


def test_p_is_adjusted_over_all_rows():
    rows = with_adjusted_p(pd.DataFrame({"p_uniform": [0.001, 0.5, 0.02], "p_matched": [0.01, 0.01, 0.01]}))
    assert rows["p_uniform_holm"].tolist() == pytest.approx([0.003, 0.5, 0.04])
    assert np.allclose(rows["p_matched_holm"], 0.03)
