"""Each claim on evidence whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

import interp
from interp_reproduction.claims import CLAIMS, Row, Runs, judge
from interp_reproduction.gates import SIGNS

BY_KEY = {claim.key: claim for claim in CLAIMS}


def measured(key, invented):
    return BY_KEY[key].measure(invented.evidence())


def test_the_claims_are_c1_to_c7():
    assert [claim.key for claim in CLAIMS] == [f"C{number}" for number in range(1, 8)]


def test_c1_is_the_difference_of_the_top_ten(invented):
    for index in range(10):
        invented.tell("t=>ծ", f"lstm.0.backward.h.{index}", 0.75)
        invented.tell("t=>ծ", f"lstm.0.forward.h.{index}", 0.35)
    found = measured("C1", invented)
    assert found.numbers["t=>ծ"] == pytest.approx(0.4)
    assert found.holds is True
    assert found.text == "+0.40 [+0.40, +0.40]"
    assert found.n == "1,234 / 321 against 1,234 / 321"


def test_c1_is_contradicted_where_forward_knows_more(invented):
    invented.tell("t=>ծ", "lstm.0.forward.h.3", 0.9)
    found = measured("C1", invented)
    assert found.holds is False
    assert found.text.startswith("−0.08")


def test_c1_is_undecided_where_the_interval_holds_0(invented):
    invented.tell("t=>ծ", "lstm.0.backward.h.3", 0.11)
    assert measured("C1", invented).holds is True
    invented.noise = 1e-3
    found = measured("C1", invented)
    assert found.holds is None
    assert found.why == "the interval holds 0"
    assert found.numbers["t=>ծ low"] < 0 < found.numbers["t=>ծ high"]


def test_units_are_chosen_on_one_half_and_measured_on_the_other(invented):
    for index in range(10):
        invented.tell("t=>ծ", f"lstm.0.backward.h.{index}", 0.4)
    first = invented.evidence().chosen.copy(deep=True)
    for index in range(15):
        invented.tell("t=>ծ", f"lstm.0.backward.h.{index}", 0.3 if index < 10 else 0.9)
    second = invented.evidence()
    found = BY_KEY["C1"].measure(replace(second, chosen=first))
    assert found.numbers["t=>ծ"] == pytest.approx(0.2)  # .3 - .1: what was best on the first half


def test_c4_needs_both_pairs(invented):
    invented.tell("s=>_", "lstm.0.forward.h.3", 0.9)
    assert measured("C4", invented).holds is not True
    invented.tell("h=>_", "lstm.0.forward.h.3", 0.9)
    assert measured("C4", invented).holds is True


def push(invented, how):
    names = list(invented.pushed["lower_unit"].values)
    for place, name in enumerate(names):
        invented.tell("t=>ծ", name, 0.8 if place < 12 else 0.1)
        for symbol, sign in SIGNS.items():
            upper = invented.pushed["upper_unit"].values[SYMBOLS.index(symbol)]
            invented.pushed["contribution"].loc[{"lower_unit": name, "upper_unit": upper}] = how(place, symbol, sign)
    return measured("C2", invented)


SYMBOLS = ["_", "ծ", "ց", "տ", "թ", "հ"]


def test_c2_counts_hidden_units_with_all_four_signs(invented):
    found = push(invented, lambda place, symbol, sign: sign if place < 9 or (place < 12 and symbol != "թ") else -sign)
    assert found.numbers["share"] == 0.75
    assert found.numbers["share թ"] == 0.75
    assert found.numbers["share ծ"] == 1
    assert found.numbers["p"] < 0.05
    assert found.holds is True


def test_c2_is_undecided_where_all_columns_have_their_signs_anyway(invented):
    found = push(invented, lambda place, symbol, sign: sign)
    assert found.numbers["share"] == 1
    assert found.numbers["p"] == 1
    assert found.holds is None


def test_c2_is_contradicted_where_few_push_so(invented):
    found = push(invented, lambda place, symbol, sign: sign if place < 5 else -sign)
    assert found.holds is False


def test_c3_is_the_lead_of_g_over_the_best_gate(invented):
    for direction in ("forward", "backward"):
        for index in range(10):
            invented.tell("t=>ծ", f"lstm.0.{direction}.h.{index}", 0.9)
            for quantity, value in {"g": 0.7, "i": 0.2, "f": 0.5, "o": 0.3}.items():
                invented.tell("t=>ծ", f"lstm.0.{direction}.{quantity}.{index}", value)
    found = measured("C3", invented)
    assert found.numbers["t=>ծ"] == pytest.approx(0.2)
    assert found.holds is True
    for direction in ("forward", "backward"):
        for index in range(10):
            invented.tell("t=>ծ", f"lstm.0.{direction}.f.{index}", 0.8)
    assert measured("C3", invented).holds is False


def know(invented, ranks):
    """Let forward unit 7 be the best for s=>_, and know the other pairs, where some are better."""
    invented.tell("s=>_", "lstm.0.forward.h.7", 0.95)
    for pair, better in ranks.items():
        invented.tell(pair, "lstm.0.forward.h.7", 0.8, knows=True)
        for index in [index for index in range(15) if index != 7][:better]:
            invented.tell(pair, f"lstm.0.forward.h.{index}", 0.9)


def test_c5_is_the_rank_of_one_unit(invented):
    know(invented, {"h=>_": 1, "h=>հ": 0})
    found = measured("C5", invented)
    assert (found.numbers["unit"], found.numbers["rank h=>_"], found.numbers["rank h=>հ"]) == (7, 2, 1)
    assert found.holds is True


def test_c5_fails_where_the_unit_is_behind_ten_others_or_knows_nothing(invented):
    know(invented, {"h=>_": 14, "h=>հ": 0})
    assert measured("C5", invented).numbers["rank h=>_"] == 15
    assert measured("C5", invented).holds is False
    invented.tell("h=>_", "lstm.0.forward.h.7", 0.95, knows=False)
    assert measured("C5", invented).numbers["rank h=>_"] == 1
    assert measured("C5", invented).holds is False


def test_c7_counts_what_is_known(invented):
    wanted = np.flatnonzero(invented.dist["quantity"].values == "h")
    invented.dist["distance"].values[wanted] = 0
    invented.dist["distance"].values[wanted[:6]] = 0.5
    invented.dist["knows"].values[wanted[:6]] = True  # six of thirty units know every pair
    found = measured("C7", invented)
    assert (found.numbers["units a pair"], found.numbers["pairs a unit"]) == (6, 0)
    assert found.numbers["participation"] == pytest.approx(6)
    assert found.holds is False  # the median unit knows nothing
    invented.dist["knows"].values[wanted[:16], :2] = True
    assert measured("C7", invented).holds is True


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
    invented.windows = windows(invented.dist, ["lstm.0.backward.c.4", "lstm.0.forward.c.1"], ["lstm.0.backward.c.9"])
    invented.tell("t=>թ", "lstm.0.forward.h.1", 0.6)
    found = measured("C6", invented)
    assert (found.numbers["above"], found.numbers["below"]) == (2, 1)
    assert found.numbers["best auc"] == 1
    assert found.numbers["rank t=>թ"] == 1
    assert found.holds is True
    inside = int(interp.halves(invented.windows)[1]["suffix"].sum())
    assert found.n == f"{inside} / {inside} against {inside} / {inside} windows / sources"


def test_c6_needs_both_kinds_of_cells(invented):
    invented.windows = windows(invented.dist, ["lstm.0.forward.c.1"], [])
    assert measured("C6", invented).holds is False


def test_a_suffix_that_is_too_rare_is_said(invented):
    rare = windows(invented.dist, [], [])
    invented.windows = rare.isel(token=slice(0, 40))
    found = measured("C6", invented)
    assert found.holds is None
    assert "times in a half" in found.more[0]


@pytest.mark.parametrize("key", ["C1", "C2", "C3", "C4", "C5"])
def test_a_pair_with_too_few_tokens_is_said(invented, key):
    invented.dist = invented.dist.isel(pair=[1, 2])
    found = measured(key, invented)
    assert found.holds is None
    assert found.why == "too few tokens"
    assert "has 1,234 / 1,234 against 321 / 321" in found.more[0]


def test_few_pairs_say_nothing_of_several(invented):
    invented.dist = invented.dist.isel(pair=[0])
    assert measured("C7", invented).holds is None


def test_every_claim_is_measured_on_all_networks(invented):
    invented.windows = windows(invented.dist, [], [])
    one = invented.evidence()
    rows = judge(Runs(None, one, one, (one, one, one)))
    assert all(isinstance(row, Row) and len(row.untrained) == 3 for row in rows)
    assert [row.claim.key for row in rows if row.rotated is not None] == ["C1", "C4", "C5", "C7"]
    first = rows[0]
    assert first.mean.numbers["t=>ծ"] == pytest.approx(first.trained.numbers["t=>ծ"])
    assert first.compared == "Trained minus the mean of 3 untrained networks: +0.00 [+0.00, +0.00]."
