"""Fusion of network and n-gram, and the decision which words stay Latin, against closed forms."""

import numpy as np
import pytest
from helpers.copied import PACK, logs_of

from interp_transliteration.baselines.baselines import CharacterNGram
from interp_transliteration.decoding.fusion import CONTEXT_LETTERS, KeepLatinDecision, NGramFusion
from interp_transliteration.decoding.latin_words import LatinWordFilter
from interp_transliteration.languages.romaniser import restore

TEXTS = ["βα γα βδ", "γα βα δα", "βα βα γ"] * 3


@pytest.fixture(scope="module")
def ngram(toy):
    return CharacterNGram(toy, [toy.rule_set("mixed")], beam_width=1000).fit(TEXTS)


def logs(rows):
    return np.log(rows / rows.sum(1, keepdims=True))


@pytest.mark.parametrize("typed", ["sa sa st", "ts ta s.", "s"])
def test_without_weight_of_the_network_it_is_the_n_gram(toy, ngram, typed):
    fusion = NGramFusion(ngram, network_weight=0.0)
    even = logs(np.ones((len(typed), len(toy.outputs))))
    assert restore(typed, fusion(typed, even)) == restore(typed, ngram.predict(typed))


def test_a_certain_reading_of_the_network_needs_no_rule(toy, ngram):
    rows = np.full((3, len(toy.outputs)), 1e-12)
    for at, symbol in enumerate("αεα"):
        rows[at, toy.outputs.index(symbol)] = 1  # no rule spells ε as b
    assert NGramFusion(ngram, network_weight=2.0)("aba", logs(rows)) == ("α", "ε", "α")


def test_excluded_outputs_are_never_written(toy, ngram):
    rows = np.ones((4, len(toy.outputs)))
    rows[:, toy.outputs.index("β")] = 0
    with np.errstate(divide="ignore"):
        symbols = NGramFusion(ngram)("ssss", logs(rows))
    assert "β" not in symbols
    assert len(symbols) == 4


def test_a_letter_may_stand_for_two_units_or_for_none():
    ngram = CharacterNGram(PACK, [PACK.rule_set("article")]).fit(["տունը մեծ է"] * 5)
    rows = np.full((5, len(PACK.outputs)), 1e-9)
    for at, symbol in enumerate(("տ", "ու", "_", "նը", "_")):
        rows[at, PACK.outputs.index(symbol)] = 1
    assert restore("tuunn", NGramFusion(ngram)("tuunn", logs(rows))) == "տունը"


class Search:
    """A stand-in for the search: each word fixed to its letters adds its gain, independent of its context."""

    def __init__(self, gains):
        self.gains, self.searches = gains, []

    def best_log_prob(self, typed, logs):
        self.searches.append(typed)
        is_fixed = np.isfinite(logs).sum(1) == 1
        return sum(gain for word, gain in self.gains.items() if word in typed and is_fixed[typed.index(word)])


def latin_words(typed, copied, gains, **options):
    search = Search(gains)
    spans = KeepLatinDecision(LatinWordFilter(PACK, **options), search)(typed, logs_of(typed, copied))
    return [typed[span] for span in spans], search


def score(gain, chance):
    return 0.25 * gain + 0.40 * np.log(chance / (1 - chance))


@pytest.mark.parametrize("gain", [-20, -1, 0, 1, 5, 9, 12])
@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_a_single_word_stays_by_its_own_evidence(gain, chance):
    stays = score(gain, chance) - 0.22 * 9 + 0.25 > 0
    assert latin_words("abcd", [chance] * 4, {"abcd": gain})[0] == (["abcd"] if stays else [])


@pytest.mark.parametrize(("other", "stays"), [(-100, False), (-20, False), (0, True), (100, True)])
def test_a_likely_latin_word_supports_other_words(other, stays):
    gains = {"abcd": 2, "efgh": other}
    best = np.clip(score(other, 0.5), -9, 9)
    assert (score(2, 0.5) + 0.22 * best + 0.25 > 0) == stays, "the example is consistent"
    assert ("abcd" in latin_words("abcd efgh", [0.5] * 9, gains)[0]) == stays


def test_links_and_foreign_letters_stay_and_words_certainly_in_script_are_not_searched():
    typed = "x://ab caf\u00e9 abcdefgh"
    words, search = latin_words(typed, [0.5] * 12 + [1e-6] * 8, {})
    assert words == ["x://ab", "caf\u00e9"]
    assert search.searches == []


def test_without_keep_latin_no_word_stays():
    assert latin_words("abcd", [0.99] * 4, {"abcd": 50}, keep_latin=False)[0] == []


def test_a_search_sees_a_few_letters_on_both_sides():
    far = "b" * (CONTEXT_LETTERS + 3)
    _, search = latin_words(f"{far} abcd {far}", [0.001] * len(far) + [0.5] * 6 + [0.001] * len(far), {})
    assert set(search.searches) == {f"{'b' * (CONTEXT_LETTERS - 1)} abcd {'b' * (CONTEXT_LETTERS - 1)}"}
