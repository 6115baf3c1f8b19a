"""Claim C6 on synthetic evidence with a known answer."""

import interp
from interp_reproduction.claims.suffix_claim import CLAIMS, suffix_units

CLAIM = CLAIMS["C6"]


def test_c6_counts_cells_and_ranks_the_best(synthetic, suffix_windows):
    synthetic.windows = suffix_windows(["lstm.0.backward.c.4", "lstm.0.forward.c.1"], ["lstm.0.backward.c.9"])
    synthetic.set("t=>թ", "lstm.0.forward.h.1", 0.6)
    finding = CLAIM.measure(synthetic.build())
    assert (finding.numbers["above"], finding.numbers["below"]) == (2, 1)
    assert finding.numbers["best auc"] == 1
    assert finding.numbers["rank t=>թ"] == 1
    assert finding.holds is True
    count = int(interp.split_by_source(synthetic.windows)[1]["suffix"].sum())
    assert finding.n == f"{count} / {count} against {count} / {count} windows / sources"
    (group,) = CLAIM.ablation_groups(synthetic.build())
    assert (group.units, group.acts) == (("lstm.0.forward.c.1",), "gate_acts")


def test_c6_needs_both_kinds_of_cells(synthetic, suffix_windows):
    synthetic.windows = suffix_windows(["lstm.0.forward.c.1"], [])
    assert CLAIM.measure(synthetic.build()).holds is False


def test_a_rare_suffix_is_reported(synthetic, suffix_windows):
    synthetic.windows = suffix_windows([], []).isel(token=slice(0, 40))
    finding = CLAIM.measure(synthetic.build())
    assert finding.holds is None
    assert "times in a half" in finding.details[0]


def test_shown_units_are_the_best_cells_and_the_opposite(suffix_windows):
    windows = suffix_windows(["lstm.0.backward.c.4", "lstm.0.forward.c.1"], ["lstm.0.backward.c.9"])
    assert suffix_units(windows) == ["lstm.0.backward.c.4", "lstm.0.forward.c.1", "lstm.0.backward.c.9"]
    assert suffix_units(windows.isel(token=windows["suffix"].values)) == []
