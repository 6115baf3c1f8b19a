"""Patterns on plain arrays, against loops over single places."""

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from interp_units.hypothesis.patterns import (
    compare_with_matches,
    constant_states,
    non_overlapping,
    pattern_starts,
    regex_matches,
    text_runs,
    unit_states,
)

texts = st.lists(st.text("ab", min_size=1, max_size=9), min_size=1, max_size=4)


def shuffled_tokens(samples, seed):
    """Return sample, step and letter of each token, in random order."""
    rows = [(number, step, letter) for number, text in enumerate(samples) for step, letter in enumerate(text)]
    rows = [rows[at] for at in np.random.default_rng(seed).permutation(len(rows))]
    sample, step, letters = zip(*rows, strict=True)
    return np.array(sample), np.array(step), np.array(letters)


@given(texts, st.integers(0, 9))
def test_runs_are_the_samples_in_order(samples, seed):
    sample, step, letters = shuffled_tokens(samples, seed)
    runs = text_runs(sample, step)
    assert "".join(letters[runs.order]) == "".join(samples)
    assert [runs.end[at] - runs.start[at] for at in np.unique(runs.start)] == [len(one) for one in samples]


def test_a_missing_step_ends_a_run():
    runs = text_runs(np.array([0, 0, 0, 1]), np.array([0, 1, 3, 4]))
    assert runs.start.tolist() == [0, 0, 2, 3]
    assert runs.end.tolist() == [2, 2, 3, 4]
    assert text_runs(np.zeros(0, int), np.zeros(0, int)).order.size == 0


def test_thresholds_are_outside_both_ends_and_nan_is_off():
    values = np.array([[0.5, 0.2], [0.51, np.nan], [-2.0, 0.1]])
    assert unit_states(values, np.array([-1.0, 0.2]), np.array([0.5, 0.9])).tolist() == [[0, 0], [1, 0], [-1, -1]]


def test_constant_states_end_around_the_span():
    inside = np.array([[1, 1, -1, 0, 1], [1, -1, -1, 0, 1]])
    assert constant_states(inside, np.zeros((0, 5))).tolist() == [1, 0, -1, 0, 1]
    assert constant_states(inside, np.array([[0, 0, -1, 0, -1]])).tolist() == [1, 0, 0, 0, 1]


@settings(deadline=None)
@given(texts, st.integers(1, 4), st.integers(0, 2), st.integers(0, 2), st.integers(0, 9))
def test_pattern_starts_equal_a_loop(samples, length, before, after, seed):
    sample, step, letters = shuffled_tokens(samples, seed)
    runs = text_runs(sample, step)
    active = letters[runs.order] == "a"
    expected = []
    for one in samples:
        for at in range(len(one)):
            inside = one[at : at + length] == "a" * length
            around = one[max(at - before, 0) : at] + one[at + length : at + length + after]
            expected.append(inside and "a" not in around)
    assert pattern_starts(active, runs, length, before, after).tolist() == expected


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 4), st.integers(1, 4))
def test_places_do_not_overlap_and_are_the_best(scores, min_score, length):
    score = np.array(scores)
    starts = non_overlapping(score, min_score, length)
    assert (score[starts] >= min_score).all()
    assert (np.diff(score[starts]) <= 0).all()
    assert (np.diff(np.sort(starts)) >= length).all()
    for start in np.flatnonzero(score >= min_score):  # every other candidate overlaps one with at least its score
        near = starts[np.abs(starts - start) < length]
        assert near.size
        assert score[near].max() >= score[start]


@given(texts, st.sampled_from(["ab", "a+", "b?", "aba|b", "."]))
def test_matches_equal_those_of_each_text(samples, pattern):
    sample, step, letters = shuffled_tokens(samples, 1)
    runs = text_runs(sample, step)
    matches = regex_matches(letters[runs.order], runs, pattern)
    starts = np.cumsum([0, *map(len, samples)])
    expected = [
        (starts[number] + match.start(), starts[number] + match.end())
        for number, one in enumerate(samples)
        for match in re.finditer(pattern, one)
        if match.end() > match.start()
    ]
    assert matches.tolist() == [list(span) for span in expected]


def test_matches_within_labels_of_several_letters():
    runs = text_runs(np.zeros(3, int), np.arange(3))
    assert regex_matches(np.array(["ab", "c", "de"]), runs, "bcd").tolist() == [[0, 3]]
    assert regex_matches(np.array(["ab", "c", "de"]), runs, "c").tolist() == [[1, 2]]


@given(st.lists(st.integers(1, 6), max_size=8), st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), max_size=8))
def test_places_and_matches_share_half_of_the_longer_one(gaps, spans):
    length = 4
    places = np.cumsum([gap + length for gap in gaps], dtype=int)[::-1] if gaps else np.zeros(0, int)
    ranges, at = [], 0
    for gap, size in spans:
        ranges.append((at + gap, at + gap + size))
        at += gap + size
    matches = np.array(ranges, dtype=int).reshape(-1, 2)
    is_match, is_place = compare_with_matches(places, length, matches)

    def half(start, low, high):
        return 2 * (min(start + length, high) - max(start, low)) >= max(length, high - low)

    assert is_match.tolist() == [any(half(start, *span) for span in ranges) for start in places.tolist()]
    assert is_place.tolist() == [any(half(start, *span) for start in places.tolist()) for span in ranges]
