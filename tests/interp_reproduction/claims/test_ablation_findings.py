"""What ablations say of claims, on tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from interp_reproduction.causes import Ablated, adjusted
from interp_reproduction.used import causes

PAIRS = ("t=>ծ", "s=>_", "t=>թ", "h=>_")
FIRST = [(f"top 10 {layer}", pair) for layer in ("hidden", "backward h", "forward h") for pair in PAIRS]
FIRST += [(f"{gate} of the 20 neurons shown", "t=>ծ") for gate in "gifo"]
FIRST += [("the forward h of C5", pair) for pair in ("s=>_", "h=>_", "h=>հ")] + [("the cell of C6", "t=>թ")]


def ablated(known=(), k80=100):
    """Return tables in which groups have an effect of 1 +- .1 and p = .001, or nothing."""
    rows = []
    for units, pair in FIRST:
        effect = 1.0 if (units, pair) in known else 0.1
        p = 0.001 if (units, pair) in known else 0.4
        told = {"units": units, "pair": pair, "effect": effect, "low": effect - 0.1, "high": effect + 0.1}
        told |= {"specificity": effect, "specificity_low": 0.0, "specificity_high": 1.0, "accuracy": 0.9}
        rows.append(told | {"accuracy_ablated": 0.5, "tokens": 400, "sources": 100, "p_uniform": p, "p_matched": p})
    curves = [
        {"pair": pair, "layer": layer, "basis": basis, "units": size, "k80": k80, "whole": 5.0}
        for pair in PAIRS
        for layer, size in (("h", 456), ("hidden", 228))
        for basis in ("units", "rotated")
    ]
    return Ablated(adjusted(pd.DataFrame(rows)), pd.DataFrame(curves), pd.DataFrame())


def passing(known=(), **options):
    return {key for key, cause in causes(ablated(known, **options)).items() if cause.passes}


def test_nothing_is_used_where_nothing_has_an_effect():
    assert passing(k80=10) == set()
    assert causes(ablated())["C2"].text == "+0.10 [+0.00, +0.20], p .400 / .400"


def test_each_claim_needs_the_units_that_it_names():
    assert passing([("top 10 hidden", "t=>ծ")], k80=10) == {"C2"}
    assert passing([("top 10 backward h", "t=>ծ")], k80=10) == {"C1"}
    assert passing([("top 10 forward h", "s=>_")], k80=10) == set()
    assert passing([("top 10 forward h", "s=>_"), ("top 10 forward h", "h=>_")], k80=10) == {"C4"}
    assert passing([("g of the 20 neurons shown", "t=>ծ")], k80=10) == {"C3"}
    assert passing([("the forward h of C5", pair) for pair in ("s=>_", "h=>_", "h=>հ")], k80=10) == {"C5"}
    assert passing([("the cell of C6", "t=>թ")], k80=10) == {"C6"}
    assert passing(k80=46) == {"C7"}


def test_a_direction_must_exceed_the_other_one():
    both = [("top 10 backward h", "t=>ծ"), ("top 10 forward h", "t=>ծ")]
    assert "C1" not in passing(both)


def test_an_effect_that_random_groups_of_equal_strength_have_is_not_enough():
    tables = ablated([("top 10 hidden", "t=>ծ")])
    rows = tables.effects.copy()
    rows.loc[rows["units"] == "top 10 hidden", "p_matched"] = 0.2
    assert not causes(Ablated(adjusted(rows), tables.curves, tables.agreement))["C2"].passes


def test_without_tokens_nothing_is_said():
    empty = pd.DataFrame()
    assert {cause.passes for cause in causes(Ablated(empty, empty, empty)).values()} == {None}


def test_p_is_adjusted_over_all_rows():
    rows = adjusted(pd.DataFrame({"p_uniform": [0.001, 0.5, 0.02], "p_matched": [0.01, 0.01, 0.01]}))
    assert rows["p_uniform_holm"].tolist() == pytest.approx([0.003, 0.5, 0.04])
    assert np.allclose(rows["p_matched_holm"], 0.03)
