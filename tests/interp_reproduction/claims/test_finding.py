"""Findings: texts of estimates and of missing pairs."""

import numpy as np
import pytest

from interp_reproduction.claims.finding import from_estimates, missing_pairs
from interp_reproduction.estimators import Estimate


def test_several_estimates_have_names():
    parts = {name: Estimate(value, np.full(20, value)) for name, value in (("a", 0.1), ("b", -0.2))}
    finding = from_estimates(parts, 1, "n")
    assert finding.text == "a +0.10 [+0.10, +0.10], b −0.20 [−0.20, −0.20]"
    assert finding.holds is False
    assert finding.numbers["b ci_low"] == pytest.approx(-0.2)


def test_an_estimate_without_interval_is_undecided():
    finding = from_estimates({"a": Estimate(0.1, np.full(5, 0.1))}, 1, "n")
    assert (finding.text, finding.holds) == ("+0.10", None)


def test_only_missing_pairs_are_named(synthetic):
    assert missing_pairs(synthetic.build(), ("t", "ծ")) is None
    synthetic.dist = synthetic.dist.isel(pair=[0])
    (detail,) = missing_pairs(synthetic.build(), ("t", "ծ"), ("s", "_")).details
    assert "s=>_" in detail
    assert "t=>ծ" not in detail
