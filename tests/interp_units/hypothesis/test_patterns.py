"""Patterns on plain arrays, against loops that do it one place at a time."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp_units.patterns import agreeing, apart, matches, shown, states, steady, stretches
from interp_units.placing import one_a_source, proportion

texts = st.lists(st.text("ab", min_size=1, max_size=9), min_size=1, max_size=4)


def laid_out(samples, seed):
    """Sample, step and letter of each token, in any order."""
    rows = [(number, step, letter) for number, text in enumerate(samples) for step, letter in enumerate(text)]
    rows = [rows[at] for at in np.random.default_rng(seed).permutation(len(rows))]
    sample, step, letters = zip(*rows, strict=True)
    return np.array(sample), np.array(step), np.array(letters)


@given(texts, st.integers(0, 9))
def test_stretches_are_the_samples_in_order(samples, seed):
    sample, step, letters = laid_out(samples, seed)
    text = stretches(sample, step)
    assert "".join(letters[text.order]) == "".join(samples)
    assert [text.end[at] - text.start[at] for at in np.unique(text.start)] == [len(one) for one in samples]


def test_a_missing_step_ends_a_stretch():
    text = stretches(np.array([0, 0, 0, 1]), np.array([0, 1, 3, 4]))
    assert text.start.tolist() == [0, 0, 2, 3]
    assert text.end.tolist() == [2, 2, 3, 4]
    assert stretches(np.zeros(0, int), np.zeros(0, int)).order.size == 0


def test_thresholds_are_outside_both_ends_and_nan_is_off():
    values = np.array([[0.5, 0.2], [0.51, np.nan], [-2.0, 0.1]])
    assert states(values, np.array([-1.0, 0.2]), np.array([0.5, 0.9])).tolist() == [[0, 0], [1, 0], [-1, -1]]


def test_a_steady_unit_keeps_its_state_and_loses_it_around():
    inside = np.array([[1, 1, -1, 0, 1], [1, -1, -1, 0, 1]])
    assert steady(inside, np.zeros((0, 5))).tolist() == [1, 0, -1, 0, 1]
    assert steady(inside, np.array([[0, 0, -1, 0, -1]])).tolist() == [1, 0, 0, 0, 1]


@settings(deadline=None)
@given(texts, st.integers(1, 4), st.integers(0, 2), st.integers(0, 2), st.integers(0, 9))
def test_shown_is_what_a_loop_finds(samples, length, before, after, seed):
    sample, step, letters = laid_out(samples, seed)
    text = stretches(sample, step)
    on = letters[text.order] == "a"
    expected = []
    for one in samples:
        for at in range(len(one)):
            inside = one[at : at + length] == "a" * length
            around = one[max(at - before, 0) : at] + one[at + length : at + length + after]
            expected.append(inside and "a" not in around)
    assert shown(on, text, length, before, after).tolist() == expected


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 4), st.integers(1, 4))
def test_places_are_apart_and_the_best_ones(scores, least, length):
    score = np.array(scores)
    kept = apart(score, least, length)
    assert (score[kept] >= least).all()
    assert (np.diff(score[kept]) <= 0).all()
    assert (np.diff(np.sort(kept)) >= length).all()
    for start in np.flatnonzero(score >= least):  # what is left out overlaps one that is no worse
        near = kept[np.abs(kept - start) < length]
        assert near.size
        assert score[near].max() >= score[start]


@given(texts, st.sampled_from(["ab", "a+", "b?", "aba|b", "."]))
def test_matches_are_those_of_each_text(samples, pattern):
    sample, step, letters = laid_out(samples, 1)
    text = stretches(sample, step)
    found = matches(letters[text.order], text, pattern)
    starts = np.cumsum([0, *map(len, samples)])
    expected = [
        (starts[number] + match.start(), starts[number] + match.end())
        for number, one in enumerate(samples)
        for match in re.finditer(pattern, one)
        if match.end() > match.start()
    ]
    assert found.tolist() == [list(span) for span in expected]


def test_labels_of_several_letters_are_touched():
    text = stretches(np.zeros(3, int), np.arange(3))
    assert matches(np.array(["ab", "c", "de"]), text, "bcd").tolist() == [[0, 3]]
    assert matches(np.array(["ab", "c", "de"]), text, "c").tolist() == [[1, 2]]


@given(st.lists(st.integers(1, 6), max_size=8), st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), max_size=8))
def test_agreeing_shares_half_of_the_longer(gaps, spans):
    length = 4
    places = np.cumsum([gap + length for gap in gaps], dtype=int)[::-1] if gaps else np.zeros(0, int)
    found, at = [], 0
    for gap, size in spans:
        found.append((at + gap, at + gap + size))
        at += gap + size
    truth = np.array(found, dtype=int).reshape(-1, 2)
    right, met = agreeing(places, length, truth)

    def half(start, low, high):
        return 2 * (min(start + length, high) - max(start, low)) >= max(length, high - low)

    assert right.tolist() == [any(half(start, *span) for span in found) for start in places.tolist()]
    assert met.tolist() == [any(half(start, *span) for start in places.tolist()) for span in found]


def test_one_of_each_source_comes_first():
    assert one_a_source(np.array([3, 3, 3, 5, 4, 5])).tolist() == [0, 3, 4, 1, 5, 2]
    assert one_a_source(np.zeros(0, int)).tolist() == []


def test_a_share_has_an_interval_over_sources():
    draw = np.random.default_rng(0)
    source = np.repeat(np.arange(200), 3)
    shares = [proportion(np.repeat(draw.random(200) < 0.7, 3), source) for _ in range(200)]
    spread = np.sqrt(0.7 * 0.3 / 200)  # of sources, not of tokens
    assert np.std([whole for whole, _, _ in shares]) == pytest.approx(spread, rel=0.15)
    assert np.mean([high - low for _, low, high in shares]) == pytest.approx(2 * 2.09 * spread, rel=0.15)
    assert np.mean([low < 0.7 < high for _, low, high in shares]) > 0.9
    assert np.isnan(proportion(np.zeros(0, bool), np.zeros(0, int))).all()
    assert np.isnan(proportion(np.ones(600, bool), source)[1:]).all()
    assert np.isnan(proportion(np.arange(4) < 2, np.arange(4))[1:]).all()
