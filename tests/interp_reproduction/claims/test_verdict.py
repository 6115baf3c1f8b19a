"""The five verdicts."""

import numpy as np
import pytest

from interp_reproduction.claims.finding import Finding, from_estimates, not_measured
from interp_reproduction.claims.verdict import compare_with_untrained, mean_estimates, verdict
from interp_reproduction.estimators import Estimate

YES, NO, NONE = Finding("", True), Finding("", False), not_measured("detail")
ARCHITECTURAL = "Holds, but also untrained (architecture)"


def finding(value, error=0.05, sign=1, seed=0):
    """Return the finding of an estimate with an interval of about two errors on each side."""
    noise = np.random.default_rng(seed).normal(size=20)
    noise = (noise - noise.mean()) / noise.std() * error / np.sqrt(19)
    return from_estimates({"a": Estimate(value, value + noise)}, sign, "n")


@pytest.mark.parametrize(
    ("trained", "untrained", "is_used", "expected"),
    [
        (YES, [NO, NO, NO], None, "Learned, correlational"),
        (YES, [NO, NO, NO], False, "Learned, correlational"),
        (YES, [NO, NO, NO], True, "Learned and causal"),
        (YES, [YES, YES, NO], True, ARCHITECTURAL),
        (YES, [YES, NO, NO], True, "Undecided: it holds in 1 of 3 untrained networks"),
        (YES, [NO, NONE, NO], None, "Undecided: not measured in untrained networks"),
        (NO, [YES, YES, YES], True, "Contradicted"),
        (NONE, [NO, NO, NO], True, "Undecided: too few tokens"),
        (finding(0.4), [finding(0.0), finding(0.01), finding(-0.01)], None, "Learned, correlational"),
        (finding(0.4), [finding(-0.3), finding(-0.3), finding(-0.3)], True, "Learned and causal"),
        (finding(0.4), [finding(0.3), finding(0.3), finding(0.3)], True, ARCHITECTURAL),
        (finding(0.15), [finding(0.08, seed=1), finding(0.08, seed=2), finding(0.08, seed=1)], True,
         "Undecided: not distinguishable from untrained networks"),
        (finding(0.05), [finding(0.0)] * 3, True, "Undecided: the interval contains 0"),
        (finding(-0.4), [finding(0.4)] * 3, None, "Contradicted"),
        (finding(-0.4, sign=-1), [finding(0.4, sign=-1)] * 3, None, "Learned, correlational"),
        (finding(-0.4, sign=-1), [finding(-0.3, sign=-1)] * 3, None, ARCHITECTURAL),
    ],
)  # fmt: skip
def test_verdicts(trained, untrained, is_used, expected):
    assert verdict(trained, untrained, is_used) == expected


def test_shared_noise_of_two_networks_cancels_in_their_difference():
    far, near = finding(0.10, 0.3), finding(0.02, 0.3)  # each interval contains 0; both have the same noise
    low, high = (far.parts["a"] - near.parts["a"]).interval
    assert low == pytest.approx(0.08)
    assert high == pytest.approx(0.08)


def test_the_mean_of_networks():
    parts = mean_estimates([finding(0.1, seed=1), finding(0.3, seed=2)])
    assert parts["a"].value == pytest.approx(0.2)
    assert compare_with_untrained(finding(0.5, 0), [finding(0.1, 0), finding(0.3, 0)]).endswith(
        "untrained networks: +0.30 [+0.30, +0.30]."
    )
    assert compare_with_untrained(YES, [YES, NO, NO]) == "It holds in 1 of 3 untrained networks."
