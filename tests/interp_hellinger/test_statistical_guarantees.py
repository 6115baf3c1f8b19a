"""Coverage of intervals and calibration of p and q on few runs; the README has tables of many runs."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import interp

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def scripts():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        names = ("table_intervals", "table_nulls")
        return {name: runpy.run_path(str(BENCHMARKS / f"{name}.py")) for name in names}


@pytest.mark.parametrize("kind", [(1, 0.0), (5, 0.9)])
@pytest.mark.parametrize("truth", [0.0, 0.3, 0.6])
def test_intervals_contain_the_truth(scripts, kind, truth):
    runs = scripts["table_intervals"]["measure_runs"](300, 3000, kind, truth, 120, seed=7)
    covered = ((runs["ci_low"] <= truth) & (truth <= runs["ci_high"])).mean()
    assert covered >= 0.88, "nominal .95; the error of 120 runs is up to .06"
    assert abs(runs["distance"].mean() - truth) < 0.025
    widths = runs["ci_high"] - runs["ci_low"]
    if truth:
        spread = runs["distance"].std()
        assert 0.7 < np.median(widths) / (4.2 * spread) < 1.4, "neither too wide nor too narrow"


def test_sample_size_is_the_number_of_sources(scripts):
    """Five equal tokens are no more evidence than one: counted as five, intervals would be far too narrow."""
    wide, one = (
        scripts["table_intervals"]["measure_runs"](300, 3000, kind, 0.3, 60, seed=3) for kind in ((5, 0.999), (1, 0.0))
    )
    ratio = np.median(wide["ci_high"] - wide["ci_low"]) / np.median(one["ci_high"] - one["ci_low"])
    assert 0.8 < ratio < 1.6


@pytest.mark.parametrize("shared", [False, True])
def test_noise_is_not_significant(scripts, drawn_acts, shared):
    """Noise of each token, or mostly shared within a source, with real labels."""
    p, hits = [], 0
    for seed in range(8):
        acts = scripts["table_nulls"]["noise"](drawn_acts, seed, shared)
        result = interp.measure("hellinger", acts, min_tokens=50, min_sources=20, seed=seed, pairs=["t=>ծ", "z=>_"])
        p.append(result.p.values)
        hits += bool((result.q < 0.01).any())
    p = np.array(p)
    assert 0.03 < (p < 0.05).mean() < 0.075
    assert (p < 0.001).mean() < 0.004
    assert hits <= 1


def test_permuting_single_tokens_would_be_wrong(scripts, drawn_acts):
    """With noise shared within sources, p-values are too small if each token counts as a source of its own."""
    acts = drawn_acts.isel(token=np.flatnonzero(drawn_acts.input.values == "t"))
    source = acts.source.values
    draw = np.random.default_rng(0)
    output = np.where(draw.random(source.max() + 1)[source] < 0.5, "x", "y")  # a label of the source
    acts = scripts["table_nulls"]["noise"](acts.assign_coords(output=("token", output)), 1, True)
    alone = acts.assign_coords(source=("token", np.arange(source.size)))
    options = {"min_tokens": 50, "min_sources": 20, "pairs": ["t=>x"]}
    by_source, by_token = (interp.measure("hellinger", one, **options).p.values for one in (acts, alone))
    assert (by_source < 0.05).mean() < 0.2
    assert (by_token < 0.05).mean() > 0.5
