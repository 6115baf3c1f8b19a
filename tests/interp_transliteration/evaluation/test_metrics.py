"""Metrics against a naive edit distance and against cases counted by hand."""

from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp_transliteration.evaluation.metrics import ErrorCounts

SYMBOL = st.sampled_from(["ա", "ու", "ր", "ռ", "_", "#", " ", "տ", "թ"])
SAMPLE = st.lists(st.tuples(st.sampled_from("abr 中"), SYMBOL, SYMBOL), max_size=9)


def edits(a, b):
    """Return the Levenshtein distance by its definition."""

    @lru_cache(None)
    def distance(i, j):
        if not i or not j:
            return i + j
        return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, distance(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return distance(len(a), len(b))


def text(typed, symbols):
    return "".join(t if s == "#" else "" if s == "_" else s for t, s in zip(typed, symbols, strict=True))


def count_errors(*samples, confusable=()):
    counts = ErrorCounts(tuple(confusable))
    for sample in samples:
        counts.add(*sample)
    return counts


@given(SAMPLE)
@settings(deadline=None)
def test_errors_are_the_edit_distance_of_the_restored_texts(sample):
    typed = "".join(letter for letter, _, _ in sample)
    true, predicted = ([row[column] for row in sample] for column in (1, 2))
    counts = count_errors((typed, true, predicted))
    assert counts.errors == edits(text(typed, true), text(typed, predicted))
    assert counts.characters == len(text(typed, true))


@given(st.lists(SAMPLE, max_size=4))
@settings(deadline=None)
def test_counts_add_up(samples):
    rows = [("".join(x for x, _, _ in s), [y for _, y, _ in s], [z for _, _, z in s]) for s in samples]
    together = count_errors(*rows, confusable=["րռ", "տթ"])
    total = ErrorCounts(("րռ", "տթ"))
    for row in rows:
        total = total + count_errors(row, confusable=["րռ", "տթ"])
    assert total == together
    assert total.figures() == together.figures()


def test_a_rate_by_hand():
    """Of 7 characters one is wrong and one is missing, of 3 words one is correct."""
    true, predicted = ["տ", "ու", " ", "ր", "_", " ", "ա"], ["թ", "ու", " ", "ր", "_", " ", "_"]
    figures = count_errors(("tu rr a", true, predicted), confusable=["տթ"]).figures()
    assert figures == {"cer": pytest.approx(2 / 7), "words": pytest.approx(1 / 3), "confusion տ>թ": 1.0}


def test_a_wrong_placeholder_costs_one_character():
    counts = count_errors(("ts", ["ծ", "_"], ["ծ", "ս"]))
    assert (counts.errors, counts.characters, counts.correct_words, counts.words) == (1, 1, 0, 1)


def test_the_rate_may_exceed_one():
    assert count_errors(("abc", ["ա", "_", "_"], ["բ", "գ", "դ"])).figures()["cer"] == 3


def test_a_hash_counts_as_the_typed_character():
    assert count_errors(("中", ["#"], ["#"])).errors == 0
    assert count_errors(("中", ["#"], ["ա"])).errors == 1
    assert count_errors(("a", ["a"], ["#"])).errors == 0


def test_only_confusions_within_a_group_are_counted_as_shares_of_the_true_letter():
    true, predicted = list("րրրռտտ"), list("րռտրթտ")
    figures = count_errors(("rrrrtt", true, predicted), confusable=["րռ"]).figures()
    assert figures["confusion ր>ռ"] == pytest.approx(1 / 3)
    assert figures["confusion ռ>ր"] == 1
    assert sorted(figures) == ["cer", "confusion ռ>ր", "confusion ր>ռ", "words"]


def test_words_are_delimited_by_spaces():
    counts = count_errors(("ab, c  d", list("աբ, գ  դ"), list("աբ; գ  դ")))
    assert (counts.words, counts.correct_words) == (3, 2)


def test_no_text_has_no_errors():
    assert ErrorCounts().figures() == {"cer": 0, "words": 0}


@pytest.mark.parametrize("predicted", [["ա"], ["ա"] * 3])
def test_a_symbol_for_each_letter(predicted):
    with pytest.raises(ValueError, match="zip"):
        count_errors(("ab", ["ա", "բ"], predicted))
