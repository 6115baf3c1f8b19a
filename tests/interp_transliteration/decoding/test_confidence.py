"""Readings of lines: confidence of words, and uncertain letters."""

from interp_transliteration.decoding.confidence import format_reading
from interp_transliteration.decoding.transliterator import Transliterator


def test_confidence_is_a_probability_and_uncertain_letters_are_shown():
    (reading,) = Transliterator().read(["Aydpes aveli sirun e."])
    assert reading.written == "Այդպես ավելի սիրուն է։"
    assert [word.typed for word in reading.words] == reading.typed.split()
    assert all(0 < word.confidence <= 1 for word in reading.words)
    for word in reading.words:
        for letter in word.uncertain:
            assert letter.probability < 0.9
            assert letter.probability + sum(chance for _, chance in letter.alternatives) <= 1 + 1e-6
            assert f"{letter.typed}: {letter.written or '∅'} {letter.probability:.0%}" in format_reading(reading)
