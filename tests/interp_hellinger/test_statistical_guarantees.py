"""What p, q and intervals promise, on few runs: the tables of `tests/benchmarks` on many are in the plugin's README."""

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
def test_intervals_hold_the_truth(scripts, kind, truth):
    found = scripts["table_intervals"]["measured"](300, 3000, kind, truth, 120, seed=7)
    covered = ((found["low"] <= truth) & (truth <= found["high"])).mean()
    assert covered >= 0.88, "of .95; 120 runs give it within .06"
    assert abs(found["distance"].mean() - truth) < 0.025
    widths = found["high"] - found["low"]
    if truth:
        spread = found["distance"].std()
        assert 0.7 < np.median(widths) / (4.2 * spread) < 1.4, "neither too wide nor too narrow"


def test_sources_are_counted_and_not_tokens(scripts):
    """Five equal tokens say no more than one: an interval that took them for five would be far too narrow."""
    wide, one = (
        scripts["table_intervals"]["measured"](300, 3000, kind, 0.3, 60, seed=3) for kind in ((5, 0.999), (1, 0.0))
    )
    ratio = np.median(wide["high"] - wide["low"]) / np.median(one["high"] - one["low"])
    assert 0.8 < ratio < 1.6


@pytest.mark.parametrize("shared", [False, True])
def test_noise_is_noise(scripts, drawn_acts, shared):
    """Of tokens alone, or mostly of their source, with real labels."""
    p, hits = [], 0
    for seed in range(8):
        acts = scripts["table_nulls"]["noise"](drawn_acts, seed, shared)
        found = interp.measure("hellinger", acts, minimum=50, minimum_sources=20, seed=seed, pairs=["t=>ծ", "z=>_"])
        p.append(found.p.values)
        hits += bool((found.q < 0.01).any())
    p = np.array(p)
    assert 0.03 < (p < 0.05).mean() < 0.075
    assert (p < 0.001).mean() < 0.004
    assert hits <= 1


def test_a_null_over_tokens_would_be_wrong(scripts, drawn_acts):
    """The same noise of sources, each token taken for a source of its own: what the block shuffles are for."""
    acts = drawn_acts.isel(token=np.flatnonzero(drawn_acts.input.values == "t"))
    source = acts.source.values
    draw = np.random.default_rng(0)
    output = np.where(draw.random(source.max() + 1)[source] < 0.5, "x", "y")  # a label of the source
    acts = scripts["table_nulls"]["noise"](acts.assign_coords(output=("token", output)), 1, True)
    alone = acts.assign_coords(source=("token", np.arange(source.size)))
    options = {"minimum": 50, "minimum_sources": 20, "pairs": ["t=>x"]}
    by_source, by_token = (interp.measure("hellinger", one, **options).p.values for one in (acts, alone))
    assert (by_source < 0.05).mean() < 0.2
    assert (by_token < 0.05).mean() > 0.5


def test_z_of_draws_has_the_law_of_z():
    """With few draws, standardising a draw by itself as well would make its z too small, and p with it."""
    from interp_hellinger.significance import standardised

    draw = np.random.default_rng(0).normal(size=(20_000, 13))
    z, drawn_z, spread = standardised(draw[:, 0], draw[:, 1:])
    assert np.quantile(drawn_z, 0.999) == pytest.approx(np.quantile(z, 0.999), rel=0.1)
    others = np.delete(draw[0, 1:], 4)
    n = others.size + 1
    wanted = (draw[0, 5] - others.mean()) / others.std(ddof=1)
    assert drawn_z[0, 4] == pytest.approx(wanted, rel=1e-9)
    assert n == 12
    assert spread[0] == pytest.approx(draw[0, 1:].std(ddof=1))
