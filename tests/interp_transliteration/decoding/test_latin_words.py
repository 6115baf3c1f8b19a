"""Words stay or are written as wholes, by odds that are worked out by hand; nothing is lost."""

import numpy as np
import pytest
from copied import PACK, logs_of
from hypothesis import given, settings
from hypothesis import strategies as st

from interp_transliteration.romanise import restore
from interp_transliteration.words import Words

STRANGE = st.characters(exclude_categories=["Cs"])
ANYTHING = st.text(st.one_of(st.sampled_from(" .-@'&:4abcDEF\t\n"), STRANGE), max_size=40)


def written(typed, copied, **options):
    settled = Words(PACK, **options).settle(typed, logs_of(typed, copied))
    assert np.exp(settled).sum(1) == pytest.approx(1)
    return restore(typed, [PACK.outputs[code] for code in settled.argmax(1)])


@pytest.mark.parametrize(
    ("chances", "expected"),
    [((0.9, 0.9, 0.4), "abc"), ((0.9, 0.3, 0.1), "ააა".replace("ა", "ա")), ((0.6, 0.6, 0.3), "ա" * 3)],
)
def test_a_word_stays_when_the_product_of_its_odds_is_above_one(chances, expected):
    odds = np.prod([chance / (1 - chance) for chance in chances])
    assert (odds > 1) == (expected == "abc"), "the example is what it says"
    assert written("abc", chances) == expected


def test_each_word_is_settled_by_itself():
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
def test_beside_a_word_that_surely_stays_less_will_do(typed, stays):
    copied = [0.99 if letter in "abcd" else 0.25 for letter in typed]
    first = written(typed, copied).split()[0 if not typed.startswith("abcd") else 1]
    assert first.isascii() == stays


@pytest.mark.parametrize("word", ["café", "Müller", "e\u0301b", "абcd", "x://ab", "ab://c-d"])
def test_words_with_letters_of_neither_alphabet_and_links_stay(word):
    assert written(word, [0.0] * len(word)) == word


def test_without_keeping_only_strange_letters_stay():
    assert written("abé c", [0.9] * 5, keep_latin=False) == "աաé ա"


@given(ANYTHING, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200)
def test_what_no_rule_gives_a_meaning_is_never_changed_or_lost(typed, random):
    settled = Words(PACK).settle(typed, logs_of(typed, [random.random() for _ in typed]))
    symbols = [PACK.outputs[code] for code in settled.argmax(1)] if typed else []
    for letter, symbol in zip(typed, symbols, strict=True):
        if not letter.isascii() or letter.isspace() or letter in "0123":
            assert restore(letter, [symbol]) == letter or letter in "՝«»—։"
