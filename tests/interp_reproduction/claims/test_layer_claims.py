"""Claims C1, C4, C5 and C7 on synthetic evidence with a known answer."""

from dataclasses import replace

import numpy as np
import pytest

from interp_reproduction.claims.layer_claims import CLAIMS


def measured(key, synthetic):
    return CLAIMS[key].measure(synthetic.build())


def test_c1_is_the_difference_of_the_top_ten(synthetic):
    for index in range(10):
        synthetic.set("t=>ծ", f"lstm.0.backward.h.{index}", 0.75)
        synthetic.set("t=>ծ", f"lstm.0.forward.h.{index}", 0.35)
    finding = measured("C1", synthetic)
    assert finding.numbers["t=>ծ"] == pytest.approx(0.4)
    assert finding.holds is True
    assert finding.text == "+0.40 [+0.40, +0.40]"
    assert finding.n == "1,234 / 321 against 1,234 / 321"


def test_c1_is_contradicted_if_forward_distances_are_larger(synthetic):
    synthetic.set("t=>ծ", "lstm.0.forward.h.3", 0.9)
    finding = measured("C1", synthetic)
    assert finding.holds is False
    assert finding.text.startswith("−0.08")


def test_c1_is_undecided_if_the_interval_contains_0(synthetic):
    synthetic.set("t=>ծ", "lstm.0.backward.h.3", 0.11)
    assert measured("C1", synthetic).holds is True
    synthetic.noise = 1e-3
    finding = measured("C1", synthetic)
    assert finding.holds is None
    assert finding.reason == "the interval contains 0"
    assert finding.numbers["t=>ծ ci_low"] < 0 < finding.numbers["t=>ծ ci_high"]


def test_units_are_selected_on_one_half_and_measured_on_the_other(synthetic):
    for index in range(10):
        synthetic.set("t=>ծ", f"lstm.0.backward.h.{index}", 0.4)
    first = synthetic.build().selection.copy(deep=True)
    for index in range(15):
        synthetic.set("t=>ծ", f"lstm.0.backward.h.{index}", 0.3 if index < 10 else 0.9)
    finding = CLAIMS["C1"].measure(replace(synthetic.build(), selection=first))
    assert finding.numbers["t=>ծ"] == pytest.approx(0.2)  # .3 - .1, of the units that are best on the first half


def test_c4_needs_both_pairs(synthetic):
    synthetic.set("s=>_", "lstm.0.forward.h.3", 0.9)
    assert measured("C4", synthetic).holds is not True
    synthetic.set("h=>_", "lstm.0.forward.h.3", 0.9)
    assert measured("C4", synthetic).holds is True


def make_selective(synthetic, n_better):
    """Make forward unit 7 the best for s=>_ and selective for other pairs, for which some units are better."""
    synthetic.set("s=>_", "lstm.0.forward.h.7", 0.95)
    for pair, count in n_better.items():
        synthetic.set(pair, "lstm.0.forward.h.7", 0.8, selective=True)
        for index in [index for index in range(15) if index != 7][:count]:
            synthetic.set(pair, f"lstm.0.forward.h.{index}", 0.9)


def test_c5_is_the_rank_of_one_unit(synthetic):
    make_selective(synthetic, {"h=>_": 1, "h=>հ": 0})
    finding = measured("C5", synthetic)
    assert (finding.numbers["unit"], finding.numbers["rank h=>_"], finding.numbers["rank h=>հ"]) == (7, 2, 1)
    assert finding.holds is True
    assert finding.details[0].endswith("It is selective for h=>_, selective for h=>հ.")


def test_c5_fails_if_the_unit_is_behind_ten_others_or_not_selective(synthetic):
    make_selective(synthetic, {"h=>_": 14, "h=>հ": 0})
    assert measured("C5", synthetic).numbers["rank h=>_"] == 15
    assert measured("C5", synthetic).holds is False
    synthetic.set("h=>_", "lstm.0.forward.h.7", 0.95, selective=False)
    assert measured("C5", synthetic).numbers["rank h=>_"] == 1
    assert measured("C5", synthetic).holds is False


def test_c7_counts_selective_units_and_pairs(synthetic):
    is_h = np.flatnonzero(synthetic.dist["quantity"].values == "h")
    synthetic.dist["distance"].values[is_h] = 0
    synthetic.dist["distance"].values[is_h[:6]] = 0.5
    synthetic.dist["selective"].values[is_h[:6]] = True  # six of thirty units are selective for every pair
    finding = measured("C7", synthetic)
    assert (finding.numbers["units per pair"], finding.numbers["pairs per unit"]) == (6, 0)
    assert finding.numbers["participation"] == pytest.approx(6)
    assert finding.holds is False  # the median unit is selective for no pair
    synthetic.dist["selective"].values[is_h[:16], :2] = True
    assert measured("C7", synthetic).holds is True


@pytest.mark.parametrize("key", ["C1", "C4", "C5"])
def test_a_pair_with_too_few_tokens_is_reported(synthetic, key):
    synthetic.dist = synthetic.dist.isel(pair=[1, 2])
    finding = measured(key, synthetic)
    assert finding.holds is None
    assert finding.reason == "too few tokens"
    assert "has 1,234 / 1,234 against 321 / 321" in finding.details[0]


def test_c7_needs_five_pairs(synthetic):
    synthetic.dist = synthetic.dist.isel(pair=[0])
    assert measured("C7", synthetic).holds is None


def test_groups_are_the_top_units_of_the_first_half(synthetic):
    synthetic.set("s=>_", "lstm.0.forward.h.7", 0.95)
    groups = {(group.name, group.pairs): group for key in ("C1", "C4", "C5")
              for group in CLAIMS[key].ablation_groups(synthetic.build())}  # fmt: skip
    assert {name for name, _ in groups} == {"top 10 backward h", "top 10 forward h", "the forward h of C5"}
    assert groups["top 10 forward h", (("s", "_"),)].units[0] == "lstm.0.forward.h.7"
    assert groups["the forward h of C5", (("s", "_"), ("h", "_"), ("h", "հ"))].units == ("lstm.0.forward.h.7",)
