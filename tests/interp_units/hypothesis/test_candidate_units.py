"""Candidate units of a span, on text with planted units."""

import numpy as np
import pytest

from interp_units.hypothesis.candidate_units import BLOCK, candidate_units
from interp_units.hypothesis.probe import make_span


def test_states_and_rates_of_planted_units(planted, texts):
    acts = planted()
    candidates = candidate_units(acts, make_span(acts, (0, 1, 4), 0, 0), 0.15, -0.5, 0.5)
    assert candidates.state.tolist()[:3] == [1, -1, 0]
    spans = sum(len(text) - 3 for text in texts[1:])
    others = sum("tyun" in text for text in texts) - 1
    assert candidates.rate[:2] == pytest.approx(others / spans)
    assert set(candidates.rarest(9).tolist()) >= {0, 1}
    assert candidates.rarest(1).size == 1


def test_default_thresholds_are_quantiles(planted):
    acts = planted(noise=0.1)
    candidates = candidate_units(acts, make_span(acts, (0, 1, 4), 0, 0), 0.2, None, 0.5)
    expected = np.quantile(acts.activation.values, 0.2, axis=0)
    assert candidates.low == pytest.approx(expected)
    assert (candidates.high == 0.5).all()


def test_blocks_of_units_do_not_matter(planted, monkeypatch):
    acts = planted(noise=0.1)
    span = make_span(acts, (0, 2, 4), 1, 0)
    whole = candidate_units(acts, span, 0.2, None, None)
    monkeypatch.setattr("interp_units.hypothesis.candidate_units.BLOCK", 3)
    blocks = candidate_units(acts, span, 0.2, None, None)
    assert BLOCK > 3
    for name in ("state", "low", "high", "rate"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(blocks, name))
    assert whole.expected == pytest.approx(blocks.expected)
