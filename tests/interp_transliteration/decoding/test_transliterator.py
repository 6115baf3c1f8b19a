"""The shipped network in use: sentences with a known reading, any text, and a beam search."""

from unicodedata import normalize

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interp import OptionError, WeightsError, load_model
from interp_transliteration.baselines.baselines import CharacterNGram
from interp_transliteration.decoding.latin_words import WORD_PATTERN
from interp_transliteration.decoding.transliterator import Transliterator

TRANSLITERATOR = Transliterator()
EXPECTED = {
    "es sirum em Deep Learning": "ես սիրում եմ Deep Learning",
    "Barew Dzez": "Բարև Ձեզ",
    "Aydpes aveli sirun e.": "Այդպես ավելի սիրուն է։",
    "youtube.com": "youtube.com",
    "MSFT": "MSFT",
    "shnorhakalutyun": "շնորհակալություն",
    "Yerevan": "Երևան",
}


@pytest.mark.parametrize("typed", EXPECTED)
def test_known_sentences(typed):
    assert TRANSLITERATOR([typed]) == [EXPECTED[typed]]


def test_lines_do_not_depend_on_their_neighbours():
    lines = [*EXPECTED, "", "a" * 3000, "barev " * 500]
    assert TRANSLITERATOR(lines) == [TRANSLITERATOR([line])[0] for line in lines]


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=100)
@example("👩‍👩‍👧 barev 🇦🇲 e\u0301\u0308 שלום \u202eabc\u202c \x00 \ud800")
def test_characters_outside_the_alphabets_stay_in_order(text):
    (out,) = TRANSLITERATOR([text])
    alphabet = {*TRANSLITERATOR.task.pack.inputs, *TRANSLITERATOR.task.pack.letters}
    assert [char for char in out if char not in alphabet] == [char for char in text if char not in alphabet]


@pytest.fixture(scope="module")
def searcher(tmp_path_factory):
    """Return the shipped network with an n-gram of the demo sentences."""
    network, task = load_model("armenian-bilstm"), TRANSLITERATOR.task
    ngram = CharacterNGram(task.pack, task.romaniser.rules, order=4).fit(task.sentences("demo"))
    network.ngram = tmp_path_factory.mktemp("ngram") / "ngram.npz"
    ngram.ngram.save(network.ngram)
    return Transliterator(model=network, beam_width=6)


def test_a_search_writes_whole_words_and_loses_nothing(searcher):
    typed = "es sirum em Deep Learning, youtube.com café https://ab.am/barev u Dzez 🇦🇲 iPhone-y"
    (out,) = searcher([typed])
    assert "սիրում եմ Deep Learning, youtube.com café https://ab.am/barev ու Ձեզ 🇦🇲 iPhone-" in out
    (reading,) = searcher.read([typed])
    assert " ".join(word.written for word in reading.words) == out
    assert all(0 < word.confidence <= 1 for word in reading.words)


@given(st.text(st.sampled_from("abdeksnyw -.é"), max_size=30))
@settings(deadline=None, max_examples=60)
@example("w- ")
@example("«w-»")
def test_a_search_never_mixes_scripts_in_a_word(searcher, text):
    (out,) = searcher([text])
    assert len(WORD_PATTERN.findall(out)) == len(WORD_PATTERN.findall(text))
    for word in WORD_PATTERN.findall(out):
        letters = [char for char in word if char.isalpha()]
        assert len({char in searcher.task.pack.letters for char in letters}) < 2, word


def test_words_with_accents_stay():
    for text in ("café", normalize("NFD", "café"), "Müller", "señor"):
        assert TRANSLITERATOR([f"es {text} em"])[0].split(" ")[1] == text


def test_a_line_of_a_million_letters_is_written_completely():
    line = "barev dzez " * 91_000
    (out,) = TRANSLITERATOR([line])
    assert out.count("ձեզ") > 90_000
    assert out.count(" ") == line.count(" ")


def test_invalid_options(tmp_path):
    with pytest.raises(OptionError, match="does not write the alphabet of the language 'ru'"):
        Transliterator(language="ru")
    with pytest.raises(OptionError, match="has no n-gram"):
        Transliterator(beam_width=4)
    with pytest.raises(WeightsError, match=r"There is no weights file .*none"):
        Transliterator(weights=tmp_path / "none")
