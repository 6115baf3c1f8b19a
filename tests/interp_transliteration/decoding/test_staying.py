"""Whether a word stays, by the formula worked out by hand from what a search and a network say."""

import numpy as np
import pytest
from copied import PACK, logs_of

from interp_transliteration import staying
from interp_transliteration.staying import Staying
from interp_transliteration.words import Words


class Search:
    """Stands for a search: each word that can only stay brings a gain, whatever stands beside it."""

    def __init__(self, gains):
        self.gains, self.asked = gains, []

    def weigh(self, typed, logs):
        self.asked.append(typed)
        held = np.isfinite(logs).sum(1) == 1
        return sum(gain for word, gain in self.gains.items() if word in typed and held[typed.index(word)])


def kept(typed, copied, gains, **options):
    search = Search(gains)
    found = Staying(Words(PACK, **options), search)(typed, logs_of(typed, copied))
    return [typed[span] for span in found], search


def own(gain, chance):
    return 0.25 * gain + 0.40 * np.log(chance / (1 - chance))


@pytest.mark.parametrize("gain", [-20, -1, 0, 1, 5, 9, 12])
@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_a_word_alone_stays_by_what_speaks_for_it(gain, chance):
    stays = own(gain, chance) - 0.22 * 9 + 0.25 > 0
    assert kept("abcd", [chance] * 4, {"abcd": gain})[0] == (["abcd"] if stays else [])


@pytest.mark.parametrize(("other", "stays"), [(-100, False), (-20, False), (0, True), (100, True)])
def test_another_word_that_likely_stays_speaks_for_it(other, stays):
    gains = {"abcd": 2, "efgh": other}
    best = np.clip(own(other, 0.5), -9, 9)
    assert (own(2, 0.5) + 0.22 * best + 0.25 > 0) == stays, "the example is what it says"
    assert ("abcd" in kept("abcd efgh", [0.5] * 9, gains)[0]) == stays


def test_links_and_strange_words_stay_and_what_the_network_reads_as_script_is_not_searched():
    typed = "x://ab caf\u00e9 abcdefgh"
    words, search = kept(typed, [0.5] * 12 + [1e-6] * 8, {})
    assert words == ["x://ab", "caf\u00e9"]
    assert search.asked == []


def test_without_keeping_no_word_stays():
    assert kept("abcd", [0.99] * 4, {"abcd": 50}, keep_latin=False)[0] == []


def test_a_search_sees_a_few_letters_on_both_sides():
    far = "b" * (staying.AROUND + 3)
    _, search = kept(f"{far} abcd {far}", [0.001] * len(far) + [0.5] * 6 + [0.001] * len(far), {})
    assert set(search.asked) == {f"{'b' * (staying.AROUND - 1)} abcd {'b' * (staying.AROUND - 1)}"}
