"""The five verdicts."""

import numpy as np
import pytest

from interp_reproduction.estimates import Estimate
from interp_reproduction.findings import Finding, from_parts, unmeasured
from interp_reproduction.verdicts import compared, pooled, verdict

YES, NO, NONE = Finding("", True), Finding("", False), unmeasured("why")
ALSO = "Holds, but also untrained (architecture)"


def of(value, error=0.05, sign=1, seed=0):
    """Return the finding of a figure with an interval of about two errors to each side."""
    turned = np.random.default_rng(seed).normal(size=20)
    turned = (turned - turned.mean()) / turned.std() * error / np.sqrt(19)
    return from_parts({"a": Estimate(value, value + turned)}, sign, "n")


@pytest.mark.parametrize(
    ("trained", "untrained", "causal", "said"),
    [
        (YES, [NO, NO, NO], None, "Learned, correlational"),
        (YES, [NO, NO, NO], False, "Learned, correlational"),
        (YES, [NO, NO, NO], True, "Learned and causal"),
        (YES, [YES, YES, NO], True, ALSO),
        (YES, [YES, NO, NO], True, "Undecided: it holds in 1 of 3 untrained networks"),
        (YES, [NO, NONE, NO], None, "Undecided: not measured in untrained networks"),
        (NO, [YES, YES, YES], True, "Contradicted"),
        (NONE, [NO, NO, NO], True, "Undecided: too few tokens"),
        (of(0.4), [of(0.0), of(0.01), of(-0.01)], None, "Learned, correlational"),
        (of(0.4), [of(-0.3), of(-0.3), of(-0.3)], True, "Learned and causal"),
        (of(0.4), [of(0.3), of(0.3), of(0.3)], True, ALSO),
        (of(0.15), [of(0.08, seed=1), of(0.08, seed=2), of(0.08, seed=1)], True,
         "Undecided: not told apart from untrained networks"),
        (of(0.05), [of(0.0)] * 3, True, "Undecided: the interval holds 0"),
        (of(-0.4), [of(0.4)] * 3, None, "Contradicted"),
        (of(-0.4, sign=-1), [of(0.4, sign=-1)] * 3, None, "Learned, correlational"),
        (of(-0.4, sign=-1), [of(-0.3, sign=-1)] * 3, None, ALSO),
    ],
)  # fmt: skip
def test_verdicts(trained, untrained, causal, said):
    assert verdict(trained, untrained, causal) == said


def test_noise_that_two_networks_share_cancels_in_their_difference():
    far, near = of(0.10, 0.3), of(0.02, 0.3)  # each interval holds 0; both have the same noise
    low, high = (far.parts["a"] - near.parts["a"]).ends
    assert low == pytest.approx(0.08)
    assert high == pytest.approx(0.08)


def test_the_mean_of_networks():
    parts = pooled([of(0.1, seed=1), of(0.3, seed=2)])
    assert parts["a"].value == pytest.approx(0.2)
    assert compared(of(0.5, 0), [of(0.1, 0), of(0.3, 0)]).endswith("untrained networks: +0.30 [+0.30, +0.30].")
    assert compared(YES, [YES, NO, NO]) == "It holds in 1 of 3 untrained networks."
