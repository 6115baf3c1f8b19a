"""Each word is either Latin or in the script, by odds computed by hand; no character is lost."""

import numpy as np
import pytest
from helpers.copied import PACK, logs_of
from hypothesis import given, settings
from hypothesis import strategies as st

from interp_transliteration.decoding.latin_words import LatinWordFilter
from interp_transliteration.languages.romaniser import restore

ANY_CHARACTER = st.characters(exclude_categories=["Cs"])
ANYTHING = st.text(st.one_of(st.sampled_from(" .-@'&:4abcDEF\t\n"), ANY_CHARACTER), max_size=40)


def written(typed, copied, **options):
    constrained = LatinWordFilter(PACK, **options).decide(typed, logs_of(typed, copied))
    assert np.exp(constrained).sum(1) == pytest.approx(1)
    return restore(typed, [PACK.outputs[code] for code in constrained.argmax(1)])


@pytest.mark.parametrize(
    ("chances", "expected"),
    [((0.9, 0.9, 0.4), "abc"), ((0.9, 0.3, 0.1), "ააა".replace("ა", "ա")), ((0.6, 0.6, 0.3), "ա" * 3)],
)
def test_a_word_stays_when_the_product_of_its_odds_is_above_one(chances, expected):
    odds = np.prod([chance / (1 - chance) for chance in chances])
    assert (odds > 1) == (expected == "abc"), "the example is consistent"
    assert written("abc", chances) == expected


def test_each_word_is_decided_by_itself():
    typed = "abc dbc-cbd abc"
    copied = [0.9] * 4 + [0.1] * 3 + [0.9] + [0.9] * 4 + [0.1] * 3
    assert written(typed, copied) == "abc աաա-cbd աաա"


@pytest.mark.parametrize(
    ("typed", "stays"),
    [
        ("ef abcd", True),
        ("abcd ef", True),
        ("ef .. gh abcd", False),
        ("efgh ij abcd", True),
        ("efgh", False),
    ],
)
def test_the_threshold_is_lower_next_to_a_certainly_latin_word(typed, stays):
    copied = [0.99 if letter in "abcd" else 0.25 for letter in typed]
    first = written(typed, copied).split()[0 if not typed.startswith("abcd") else 1]
    assert first.isascii() == stays


@pytest.mark.parametrize("word", ["café", "Müller", "e\u0301b", "абcd", "x://ab", "ab://c-d"])
def test_words_with_letters_of_neither_alphabet_and_links_stay(word):
    assert written(word, [0.0] * len(word)) == word


def test_without_keep_latin_only_foreign_letters_stay():
    assert written("abé c", [0.9] * 5, keep_latin=False) == "աաé ա"


@given(ANYTHING, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200)
def test_characters_without_a_meaning_are_never_changed_or_lost(typed, random):
    constrained = LatinWordFilter(PACK).decide(typed, logs_of(typed, [random.random() for _ in typed]))
    symbols = [PACK.outputs[code] for code in constrained.argmax(1)] if typed else []
    for letter, symbol in zip(typed, symbols, strict=True):
        if not letter.isascii() or letter.isspace() or letter in "0123":
            assert restore(letter, [symbol]) == letter or letter in "՝«»—։"
