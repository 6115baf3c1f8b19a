"""Each claim on a run whose answer is known."""

import numpy as np
import pytest

import interp
from interp_reproduction.claims import CLAIMS, Row, Runs, judge
from interp_reproduction.findings import Finding, verdict
from interp_reproduction.gates import SIGNS

BY_KEY = {claim.key: claim for claim in CLAIMS}


def measured(key, invented):
    return BY_KEY[key].measure(invented.run())


def test_the_claims_are_c1_to_c7():
    assert [claim.key for claim in CLAIMS] == [f"C{number}" for number in range(1, 8)]


def test_c1_is_the_difference_of_the_top_ten(invented):
    for index in range(10):
        invented.tell("t=>ծ", f"lstm.0.backward.h.{index}", 0.75)
        invented.tell("t=>ծ", f"lstm.0.forward.h.{index}", 0.35)
    found = measured("C1", invented)
    assert found.numbers["gap t=>ծ"] == pytest.approx(0.4)
    assert found.holds
    assert found.text == "+0.40"
    assert found.n == "1,234 / 321 against 1,234 / 321"


def test_c1_fails_where_forward_knows_more(invented):
    invented.tell("t=>ծ", "lstm.0.forward.h.3", 0.9)
    found = measured("C1", invented)
    assert not found.holds
    assert found.text == "−0.08"


def test_c4_needs_both_pairs(invented):
    invented.tell("s=>_", "lstm.0.forward.h.3", 0.9)
    assert not measured("C4", invented).holds
    invented.tell("h=>_", "lstm.0.forward.h.3", 0.9)
    assert measured("C4", invented).holds


def test_c2_counts_hidden_units_with_all_four_signs(invented):
    names = list(invented.wiring["lower_unit"].values)
    for name in names[:12]:
        invented.tell("t=>ծ", name, 0.8)
    invented.acts["activation"].loc[{"unit": names}] = -1.0
    for place, name in enumerate(names[:12]):
        for symbol, sign in SIGNS.items():
            upper = invented.acts["unit"].values[invented.acts["symbol"].values == symbol][0]
            right = place < 9 or symbol != "թ"
            invented.wiring["weight"].loc[{"lower_unit": name, "upper_unit": upper}] = -sign if right else sign
    found = measured("C2", invented)
    assert found.numbers["share"] == 0.75
    assert found.numbers["share թ"] == 0.75
    assert found.numbers["share ծ"] == 1
    assert found.holds


def test_c2_reads_the_tokens_of_the_pair_alone(invented):
    names = list(invented.wiring["lower_unit"].values)
    here = (invented.acts["output"].values == "ծ") & (invented.acts["input"].values == "t")
    invented.acts["activation"].values[:] = np.where(here, 1.0, -9.0)[:, None]
    for symbol, sign in SIGNS.items():
        upper = invented.acts["unit"].values[invented.acts["symbol"].values == symbol][0]
        invented.wiring["weight"].loc[{"lower_unit": names, "upper_unit": upper}] = sign
    assert measured("C2", invented).numbers["share"] == 1


def test_c3_is_the_lead_of_g_over_the_best_gate(invented):
    for direction in ("forward", "backward"):
        for index in range(10):
            invented.tell("t=>ծ", f"lstm.0.{direction}.h.{index}", 0.9)
            for quantity, value in {"g": 0.7, "i": 0.2, "f": 0.5, "o": 0.3}.items():
                invented.tell("t=>ծ", f"lstm.0.{direction}.{quantity}.{index}", value)
    found = measured("C3", invented)
    assert found.numbers["mean"] == pytest.approx(0.2)
    assert found.numbers["sd"] == pytest.approx(0)
    assert found.numbers["above 0"] == 20
    assert found.holds


def test_c5_is_the_rank_of_one_unit(invented):
    invented.tell("s=>_", "lstm.0.forward.h.7", 0.95)
    invented.tell("h=>_", "lstm.0.forward.h.7", 0.8)
    invented.tell("h=>_", "lstm.0.forward.h.2", 0.9)
    invented.tell("h=>հ", "lstm.0.forward.h.7", 0.8)
    found = measured("C5", invented)
    assert (found.numbers["unit"], found.numbers["rank h=>_"], found.numbers["rank h=>հ"]) == (7, 2, 1)
    assert found.holds


def test_c5_fails_where_the_unit_is_behind_ten_others(invented):
    invented.tell("s=>_", "lstm.0.forward.h.7", 0.95)
    for index in range(7):
        invented.tell("h=>_", f"lstm.0.forward.h.{index}", 0.9)
    for index in range(8, 15):
        invented.tell("h=>_", f"lstm.0.forward.h.{index}", 0.9)
    assert measured("C5", invented).numbers["rank h=>_"] == 15
    assert not measured("C5", invented).holds


def test_c7_is_the_participation_of_squares(invented):
    wanted = invented.dist["quantity"].values == "h"
    values = np.zeros((wanted.sum(), invented.dist.sizes["pair"]))
    values[:6] = 0.5  # six of thirty units know every pair
    invented.dist["distance"].values[wanted] = values
    found = measured("C7", invented)
    assert found.numbers["units a pair"] == pytest.approx(6)
    assert found.numbers["pairs a unit"] == 0  # the median unit knows nothing
    assert not found.holds


def windows(acts, high, low):
    """Return windows of 60 sources, half with the suffix, where some cells fire on it and some do the opposite."""
    source = np.repeat(np.arange(60), 2)
    suffix = np.tile([True, False], 60)
    cells = interp.pick(acts, quantity="c")
    values = np.random.default_rng(0).normal(0, 1, (120, cells.sizes["unit"])).astype("float32")
    for names, sign in ((high, 1), (low, -1)):
        values[:, np.isin(cells["unit"].values, names)] = sign * np.where(suffix, 0.9, -0.4)[:, None]
    tokens = {"sample": np.arange(120), "step": np.zeros(120), "source": source, "suffix": suffix}
    units = {
        name: cells[name].values for name in ("unit", "module", "layer", "direction", "quantity", "index", "symbol")
    }
    return interp.dataset(values, units, tokens)


def test_c6_counts_cells_and_ranks_the_best(invented):
    invented.windows = windows(invented.acts, ["lstm.0.backward.c.4", "lstm.0.forward.c.1"], ["lstm.0.backward.c.9"])
    invented.tell("t=>թ", "lstm.0.forward.h.1", 0.6)
    found = measured("C6", invented)
    assert (found.numbers["above"], found.numbers["below"]) == (2, 1)
    assert found.numbers["best auc"] == 1
    assert found.numbers["rank t=>թ"] == 1
    assert found.holds
    assert found.n == "60 / 60 against 60 / 60 windows / sources"


def test_c6_needs_both_kinds_of_cells(invented):
    invented.windows = windows(invented.acts, ["lstm.0.forward.c.1"], [])
    assert not measured("C6", invented).holds


def test_a_suffix_that_is_too_rare_is_said(invented):
    rare = windows(invented.acts, [], [])
    invented.windows = rare.isel(token=slice(0, 40))
    found = measured("C6", invented)
    assert found.holds is None
    assert "20 times" in found.more[0]


@pytest.mark.parametrize("key", ["C1", "C2", "C3", "C4", "C5"])
def test_a_pair_with_too_few_tokens_is_said(invented, key):
    invented.dist = invented.dist.isel(pair=[1, 2])
    found = measured(key, invented)
    assert found.holds is None
    assert "has 4 against" in found.more[0]


def test_few_pairs_say_nothing_of_several(invented):
    invented.dist = invented.dist.isel(pair=[0])
    assert measured("C7", invented).holds is None


YES, NO, NONE = Finding("", True), Finding("", False), Finding("", None, more=("why",))


@pytest.mark.parametrize(
    ("figures", "trained", "untrained", "said"),
    [
        (YES, YES, NO, "Holds, and not in the untrained network"),
        (YES, YES, YES, "Holds, but also untrained"),
        (YES, YES, NONE, "Holds; not measured in the untrained"),
        (NO, NO, NO, "Does not hold."),
        (NO, NO, YES, "Does not hold. It would in the untrained network."),
        (YES, NO, NO, "Undecided: it holds on one of the two"),
        (NONE, YES, NO, "Holds, and not"),
        (YES, NONE, NO, "Undecided: too few"),
    ],
)
def test_verdicts(figures, trained, untrained, said):
    assert verdict(figures, trained, untrained).startswith(said)


def test_a_run_that_serves_twice_is_measured_once(invented):
    invented.windows = windows(invented.acts, [], [])
    run = invented.run()
    rows = judge(Runs(run, run, run))
    assert all(isinstance(row, Row) and row.figures is row.trained for row in rows)
