"""All claims, judged on several networks."""

import pytest

from interp_reproduction.claims.judge import CLAIMS, JudgedClaim, ReportNetworks, ablation_groups, judge_claims


def test_the_claims_are_c1_to_c7():
    assert [claim.key for claim in CLAIMS] == [f"C{number}" for number in range(1, 8)]


def test_every_claim_is_measured_on_all_networks(synthetic, suffix_windows):
    synthetic.windows = suffix_windows([], [])
    evidence = synthetic.build()
    claims = judge_claims(ReportNetworks(None, evidence, evidence, (evidence, evidence, evidence)))
    assert all(isinstance(claim, JudgedClaim) and len(claim.untrained) == 3 for claim in claims)
    assert [claim.claim.key for claim in claims if claim.rotated is not None] == ["C1", "C4", "C5", "C7"]
    first = claims[0]
    assert first.mean.numbers["t=>ծ"] == pytest.approx(first.trained.numbers["t=>ծ"])
    assert first.comparison == "Trained minus the mean of 3 untrained networks: +0.00 [+0.00, +0.00]."


def test_groups_of_layers_come_first_then_those_of_claims(synthetic, suffix_windows):
    synthetic.windows = suffix_windows([], [])
    names = list(dict.fromkeys(group.name for group in ablation_groups(synthetic.build())))
    assert names == [
        "top 10 hidden", "top 10 backward h", "top 10 forward h", "g of the 20 neurons shown",
        "i of the 20 neurons shown", "f of the 20 neurons shown", "o of the 20 neurons shown", "the forward h of C5",
        "the cell of C6",
    ]  # fmt: skip
