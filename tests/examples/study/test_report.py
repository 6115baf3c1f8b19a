"""What the study says: fitted penalties against what is known exactly, and results against made-up networks."""

import numpy as np
import pandas as pd
import pytest
import torch

from interp_information import InfoGAN, VariationalBottleneck
from interp_reproduction.claimtable import study_said
from interp_reproduction.study import effects, results
from interp_reproduction.study.analysis import column
from interp_reproduction.study.protocol import SEEDS
from interp_reproduction.study.telling import EFFECTS, SECONDARY, told, unmatched
from interp_reproduction.study.tradeoff import trade_off

UNITS, BESIDE, TOKENS = 20, 3, 2000


def frozen(output: torch.nn.Module) -> effects.Tail:
    draw = torch.Generator().manual_seed(0)
    values = torch.rand(TOKENS, UNITS, generator=draw) * 2 - 1
    beside = torch.nn.functional.one_hot(torch.randint(BESIDE, (TOKENS,), generator=draw), BESIDE).float()
    return effects.Tail(values, beside, torch.zeros(TOKENS, dtype=torch.long), output)


def reading(columns: int, strength: float) -> torch.nn.Linear:
    """Return an output that reads the first units, one logit each, beside a logit that reads nothing."""
    output = torch.nn.Linear(UNITS + BESIDE, columns + 1).requires_grad_(requires_grad=False)
    output.weight.zero_()
    output.bias.zero_()
    output.weight[:columns, :columns] = strength * torch.eye(columns)
    return output


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(effects, "STEPS", 300)
    monkeypatch.setattr(effects, "TOKENS", 256)


@pytest.mark.parametrize(("strength", "wanted"), [(0.0, 0.0), (3.0, np.log(2))])
def test_a_fresh_q_finds_codes_that_an_output_tells_and_none_that_it_does_not(strength, wanted):
    tail = frozen(reading(4, strength))
    found = -effects.fitted(InfoGAN(units="hidden", codes=4), 1.0, tail, tail)
    assert found == pytest.approx(wanted, abs=0.03)


def test_a_scale_that_nobody_minds_becomes_one_and_leaves_half_the_mean_square():
    tail = frozen(reading(1, 0.0))
    found = effects.fitted(VariationalBottleneck(units="hidden", scale=0.8), 1.0, tail, tail)
    assert found == pytest.approx(0.5 * UNITS / 3, rel=0.05)  # uniform over -1..1: a mean square of 1/3


def test_fitting_leaves_the_generator_of_others_and_repeats_itself():
    tail, before = frozen(reading(2, 1.0)), torch.get_rng_state()
    first, second = (effects.fitted(InfoGAN(units="hidden", codes=2), 1.0, tail, tail) for _ in range(2))
    assert first == second
    assert torch.equal(before, torch.get_rng_state())


def made_up(shift: float) -> pd.DataFrame:
    draw, table = np.random.default_rng(1), []
    for seed in SEEDS:
        base = {"cer": 0.02 + draw.normal(0, 1e-3), "log_k80": 3.8 + draw.normal(0, 0.1)}
        for arm in ("baseline", *EFFECTS, "dropout", "label-code"):
            fallen = shift if arm == "vib" else 0.0
            row = {"arm": arm, "strength": 0.1, "seed": seed, "oracle": arm == "label-code", "dead": 3.0}
            row |= {f"effect {name}": 0.5 if name == arm else 0.6 for name in EFFECTS}
            row |= {f"{name} {basis}": draw.normal(1, 0.1) for name in SECONDARY for basis in ("units", "rotated")}
            outcome = base["log_k80"] + fallen + draw.normal(0, 0.01)
            table.append(row | {"role": "arm", "cer": base["cer"], "log_k80": outcome})
            if arm != "baseline":
                table.append(row | {"role": "matched"} | base)
    return pd.DataFrame(table)


CLAIMS = pd.DataFrame([{"seed": seed, "claim": "C1", "figure": f"+0.{seed}", "verdict": "Holds"} for seed in SEEDS])


@pytest.mark.parametrize(
    ("shift", "starts"), [(-0.5, "Yes, with vib."), (0.5, "No evidence that it does."), (0.0, "No")]
)
def test_the_answer_is_what_the_networks_say(shift, starts):
    said = results.answer(made_up(shift))
    assert said.startswith(starts)
    assert ("More units share a decision with vib." in said) is (shift > 0)
    assert ("Fewer units" in said) is (shift < 0)


def test_results_come_back_as_they_were_written(tmp_path):
    rows = made_up(-0.5)
    page = results.write_results(rows, CLAIMS, tmp_path)
    pd.testing.assert_frame_equal(results.networks(tmp_path), rows)
    text = page.read_text(encoding="utf-8")
    assert results.answer(rows) in text
    assert (tmp_path / "trade-off.png").stat().st_size > 10_000
    ratio = np.exp((column(rows, "log_k80", "vib") - column(rows, "log_k80", "baseline")).mean())
    assert f"| {ratio:.2f} [" in text


def test_the_text_says_what_each_penalty_did_and_every_claim():
    text = told(made_up(0.0), CLAIMS)
    assert "17 % lower" in text  # .5 of .6
    assert "of the gap to ln 2 closed" in text
    assert "| C1 | Holds: 5 of 5 | +0.11<br>+0.12" in text


def test_an_arm_with_fewer_errors_than_every_snapshot_is_named():
    rows = made_up(0.0)
    assert unmatched(rows) == ""
    rows.loc[(rows["arm"] == "vib") & (rows["role"] == "arm"), "cer"] -= 0.004
    assert "With vib no snapshot makes as few errors: the nearest makes 0.40 points more" in unmatched(rows)


def test_without_results_the_question_is_open(tmp_path, monkeypatch):
    assert results.networks(tmp_path) is None
    monkeypatch.setattr("interp_reproduction.claimtable.networks", lambda: None)
    assert study_said()[0] == "Open: not measured yet."


def test_the_picture_has_a_panel_for_each_arm_and_a_dot_for_each_network():
    rows = made_up(-0.5)
    view = trade_off(rows)
    texts = [shape.text for shape in view.compose().shapes if hasattr(shape, "text")]
    assert [arm for arm in dict.fromkeys(rows["arm"]) if arm in texts] == [
        "baseline", *EFFECTS, "dropout", "label-code",
    ]  # fmt: skip
    dots = [shape for shape in view.compose().shapes if getattr(shape, "round", 0)]
    assert len(dots) == 3 + 6 * 3 * len(SEEDS)  # the legend's; baseline, arm and match in each panel
