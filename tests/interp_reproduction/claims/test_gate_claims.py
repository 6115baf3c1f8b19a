"""Claims C2 and C3 on synthetic evidence with a known answer."""

import pytest

from interp_reproduction.claims.gate_claims import CLAIMS, EXPECTED_SIGNS

SYMBOLS = ["_", "ծ", "ց", "տ", "թ", "հ"]


def measured_c2(synthetic, contribution):
    """Measure C2 with the first twelve hidden units on top and ``contribution(unit, symbol, expected sign)``."""
    names = list(synthetic.contributions["lower_unit"].values)
    for unit, name in enumerate(names):
        synthetic.set("t=>ծ", name, 0.8 if unit < 12 else 0.1)
        for symbol, sign in EXPECTED_SIGNS.items():
            upper = synthetic.contributions["upper_unit"].values[SYMBOLS.index(symbol)]
            place = {"lower_unit": name, "upper_unit": upper}
            synthetic.contributions["contribution"].loc[place] = contribution(unit, symbol, sign)
    return CLAIMS["C2"].measure(synthetic.build())


def test_c2_counts_hidden_units_with_all_four_signs(synthetic):
    finding = measured_c2(
        synthetic, lambda unit, symbol, sign: sign if unit < 9 or (unit < 12 and symbol != "թ") else -sign
    )
    assert finding.numbers["fraction"] == 0.75
    assert finding.numbers["fraction թ"] == 0.75
    assert finding.numbers["fraction ծ"] == 1
    assert finding.numbers["p"] < 0.05
    assert finding.holds is True


def test_c2_is_undecided_if_all_hidden_units_have_the_signs(synthetic):
    finding = measured_c2(synthetic, lambda unit, symbol, sign: sign)
    assert finding.numbers["fraction"] == 1
    assert finding.numbers["p"] == 1
    assert finding.holds is None


def test_c2_is_contradicted_if_few_units_have_the_signs(synthetic):
    finding = measured_c2(synthetic, lambda unit, symbol, sign: sign if unit < 5 else -sign)
    assert finding.holds is False


def test_c3_is_the_margin_of_g_over_the_largest_gate(synthetic):
    for direction in ("forward", "backward"):
        for index in range(10):
            synthetic.set("t=>ծ", f"lstm.0.{direction}.h.{index}", 0.9)
            for quantity, value in {"g": 0.7, "i": 0.2, "f": 0.5, "o": 0.3}.items():
                synthetic.set("t=>ծ", f"lstm.0.{direction}.{quantity}.{index}", value)
    finding = CLAIMS["C3"].measure(synthetic.build())
    assert finding.numbers["t=>ծ"] == pytest.approx(0.2)
    assert finding.holds is True
    for direction in ("forward", "backward"):
        for index in range(10):
            synthetic.set("t=>ծ", f"lstm.0.{direction}.f.{index}", 0.8)
    assert CLAIMS["C3"].measure(synthetic.build()).holds is False


@pytest.mark.parametrize("key", ["C2", "C3"])
def test_a_pair_with_too_few_tokens_is_reported(synthetic, key):
    synthetic.dist = synthetic.dist.isel(pair=[1, 2])
    finding = CLAIMS[key].measure(synthetic.build())
    assert (finding.holds, finding.reason) == (None, "too few tokens")
    assert not CLAIMS[key].ablation_groups(synthetic.build())


def test_one_group_per_gate_has_the_neurons_of_both_directions(synthetic):
    groups = CLAIMS["C3"].ablation_groups(synthetic.build())
    assert [group.name for group in groups] == [f"{gate} of the 20 neurons shown" for gate in "gifo"]
    assert all(len(group.units) == 20 and group.acts == "gate_acts" for group in groups)
    assert groups[1].units[0] == "lstm.0.backward.i.0"
