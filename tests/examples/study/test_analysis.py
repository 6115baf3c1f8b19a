"""The study's rules and statistics, against scipy, simulation and made-up results."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from interp_reproduction.study.analysis import detectable, paired, verdicts
from interp_reproduction.study.protocol import ARMS, SEEDS, confirming, screening
from interp_reproduction.study.stages import choose

DRAW = np.random.default_rng(0)


def test_paired_is_scipys_test_on_related_samples():
    a, b = DRAW.normal(size=(2, 5))
    found, wanted = paired(a, b), stats.ttest_rel(a, b)
    interval = wanted.confidence_interval()
    assert found.mean == pytest.approx(np.mean(a - b))
    assert found.p == pytest.approx(wanted.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_the_detectable_effect_is_found_with_its_power():
    differences = np.array([0.2, -0.1, 0.4, 0.1, 0.0])
    effect, sd = detectable(differences, 0.05), differences.std(ddof=1)
    draws = DRAW.normal(effect, sd, (20_000, 5))
    power = (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean()
    assert power == pytest.approx(0.8, abs=0.01)


def test_screening_takes_the_best_outcome_among_those_with_few_enough_errors():
    found = {
        0.1: {"cer": 0.010, "log_k80": 3.9},
        0.3: {"cer": 0.011, "log_k80": 3.7},
        1.0: {"cer": 0.020, "log_k80": 2.0},
    }
    assert choose(found, 0.013) == 0.3
    assert choose(found, 0.005) == 0.1


def test_jobs_are_fifteen_and_thirty_five_with_names_of_their_own():
    jobs = [*screening(), *confirming({arm.name: arm.strengths[1] for arm in ARMS})]
    assert (len(screening()), len(jobs)) == (15, 15 + 35)
    assert len({job.name for job in jobs}) == len(jobs)
    assert {job.seed for job in screening()}.isdisjoint(SEEDS)


def rows(shift, matched=0.0, errors=0.0, noise=0.02):
    """Return a table of results in which one arm differs from the baseline by ``shift`` and from its match too."""
    table = []
    for seed in SEEDS:
        base = 3.9 + DRAW.normal(0, 0.1)
        for arm, effect, worse in (("baseline", 0, 0), ("vib", shift, errors), ("l1", 0, 0), ("label-code", -1, 0)):
            jitter = DRAW.normal(0, noise)
            told = {"arm": arm, "seed": seed, "oracle": arm == "label-code"}
            table.append(told | {"role": "arm", "cer": 0.02 + worse, "log_k80": base + effect + jitter})
            if arm != "baseline":
                table.append(told | {"role": "matched", "cer": 0.02, "log_k80": base + matched})
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
def test_the_verdict_asks_for_all_three(options, yes):
    table = verdicts(rows(**options))
    assert bool(table.loc["vib", "yes"]) is yes
    assert not table.loc["l1", "yes"]


def test_the_oracle_is_outside_of_the_verdict_and_of_holms_family():
    table = verdicts(rows(-0.5))
    assert np.isnan(table.loc["label-code", "p_holm"])
    assert not table.loc["label-code", "yes"]
    assert table.loc["vib", "p_holm"] == pytest.approx(2 * table.loc["vib", "p"])
