"""Scores against a naive edit distance and against cases counted by hand."""

from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp_transliteration.scoring import Counts

SYMBOL = st.sampled_from(["ա", "ու", "ր", "ռ", "_", "#", " ", "տ", "թ"])
SAMPLE = st.lists(st.tuples(st.sampled_from("abr 中"), SYMBOL, SYMBOL), max_size=9)


def edits(a, b):
    """Return the Levenshtein distance by its definition."""

    @lru_cache(None)
    def least(i, j):
        if not i or not j:
            return i + j
        return min(least(i - 1, j) + 1, least(i, j - 1) + 1, least(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return least(len(a), len(b))


def text(typed, symbols):
    return "".join(t if s == "#" else "" if s == "_" else s for t, s in zip(typed, symbols, strict=True))


def counted(*samples, confusable=()):
    counts = Counts(tuple(confusable))
    for sample in samples:
        counts.add(*sample)
    return counts


@given(SAMPLE)
@settings(deadline=None)
def test_errors_are_the_edit_distance_of_the_restored_texts(sample):
    typed = "".join(letter for letter, _, _ in sample)
    true, predicted = ([row[column] for row in sample] for column in (1, 2))
    counts = counted((typed, true, predicted))
    assert counts.errors == edits(text(typed, true), text(typed, predicted))
    assert counts.characters == len(text(typed, true))


@given(st.lists(SAMPLE, max_size=4))
@settings(deadline=None)
def test_counts_add_up(samples):
    rows = [("".join(x for x, _, _ in s), [y for _, y, _ in s], [z for _, _, z in s]) for s in samples]
    together = counted(*rows, confusable=["րռ", "տթ"])
    total = Counts(("րռ", "տթ"))
    for row in rows:
        total = total + counted(row, confusable=["րռ", "տթ"])
    assert total == together
    assert total.figures() == together.figures()


def test_a_rate_by_hand():
    """Of 6 characters one is wrong and one is missing, of 3 words one is right."""
    true, predicted = ["տ", "ու", " ", "ր", "_", " ", "ա"], ["թ", "ու", " ", "ր", "_", " ", "_"]
    figures = counted(("tu rr a", true, predicted), confusable=["տթ"]).figures()
    assert figures == {"cer": pytest.approx(2 / 7), "words": pytest.approx(1 / 3), "confusion տ>թ": 1.0}


def test_a_wrong_placeholder_costs_one_character():
    counts = counted(("ts", ["ծ", "_"], ["ծ", "ս"]))
    assert (counts.errors, counts.characters, counts.words_right, counts.words) == (1, 1, 0, 1)


def test_the_rate_may_exceed_one():
    assert counted(("abc", ["ա", "_", "_"], ["բ", "գ", "դ"])).figures()["cer"] == 3


def test_a_hash_counts_as_what_was_typed():
    assert counted(("中", ["#"], ["#"])).errors == 0
    assert counted(("中", ["#"], ["ա"])).errors == 1
    assert counted(("a", ["a"], ["#"])).errors == 0


def test_only_confusions_within_a_group_are_counted_as_shares_of_the_true_letter():
    true, predicted = list("րրրռտտ"), list("րռտրթտ")
    figures = counted(("rrrrtt", true, predicted), confusable=["րռ"]).figures()
    assert figures["confusion ր>ռ"] == pytest.approx(1 / 3)
    assert figures["confusion ռ>ր"] == 1
    assert sorted(figures) == ["cer", "confusion ռ>ր", "confusion ր>ռ", "words"]


def test_words_are_what_stands_between_spaces():
    counts = counted(("ab, c  d", list("աբ, գ  դ"), list("աբ; գ  դ")))
    assert (counts.words, counts.words_right) == (3, 2)


def test_nothing_is_no_error():
    assert Counts().figures() == {"cer": 0, "words": 0}


@pytest.mark.parametrize("predicted", [["ա"], ["ա"] * 3])
def test_a_symbol_for_each_letter(predicted):
    with pytest.raises(ValueError, match="zip"):
        counted(("ab", ["ա", "բ"], predicted))
