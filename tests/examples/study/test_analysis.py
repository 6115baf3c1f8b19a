"""Statistics of the study against scipy and simulation, and its verdict on synthetic results."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from study.analysis import detectable_difference, paired_difference, verdicts
from study.protocol import SEEDS

DRAW = np.random.default_rng(0)


def test_the_paired_difference_is_scipys_test_on_related_samples():
    a, b = DRAW.normal(size=(2, 5))
    actual, expected = paired_difference(a, b), stats.ttest_rel(a, b)
    interval = expected.confidence_interval()
    assert actual.mean == pytest.approx(np.mean(a - b))
    assert actual.p == pytest.approx(expected.pvalue)
    assert (actual.ci_low, actual.ci_high) == pytest.approx((interval.low, interval.high))


def test_the_detectable_difference_is_detected_with_its_power():
    differences = np.array([0.2, -0.1, 0.4, 0.1, 0.0])
    effect, sd = detectable_difference(differences, 0.05), differences.std(ddof=1)
    draws = DRAW.normal(effect, sd, (20_000, 5))
    power = (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean()
    assert power == pytest.approx(0.8, abs=0.01)


def results(shift, matched=0.0, errors=0.0, noise=0.02):
    """Return results in which one arm differs from the baseline, and from its matched snapshots, by ``shift``."""
    table = []
    for seed in SEEDS:
        base = 3.9 + DRAW.normal(0, 0.1)
        for arm, effect, worse in (("baseline", 0, 0), ("vib", shift, errors), ("l1", 0, 0), ("label-code", -1, 0)):
            jitter = DRAW.normal(0, noise)
            row = {"arm": arm, "seed": seed, "oracle": arm == "label-code"}
            table.append(row | {"role": "arm", "cer": 0.02 + worse, "log_k80": base + effect + jitter})
            if arm != "baseline":
                table.append(row | {"role": "matched", "cer": 0.02, "log_k80": base + matched})
    return pd.DataFrame(table)


@pytest.mark.parametrize(
    ("options", "yes"),
    [
        ({"shift": -0.5}, True),
        ({"shift": 0.5}, False),
        ({"shift": -0.5, "errors": 0.004}, False),
        ({"shift": -0.5, "matched": -0.5}, False),
        ({"shift": -0.01, "noise": 0.3}, False),
    ],
)
def test_the_verdict_requires_all_three_conditions(options, yes):
    table = verdicts(results(**options))
    assert bool(table.loc["vib", "yes"]) is yes
    assert not table.loc["l1", "yes"]


def test_the_oracle_is_excluded_from_the_verdict_and_from_holms_family():
    table = verdicts(results(-0.5))
    assert np.isnan(table.loc["label-code", "p_holm"])
    assert not table.loc["label-code", "yes"]
    assert table.loc["vib", "p_holm"] == pytest.approx(2 * table.loc["vib", "p"])
