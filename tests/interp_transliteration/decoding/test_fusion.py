"""Beam of network and n-gram: with an even network it is the n-gram, with a sure one the network."""

import numpy as np
import pytest

from interp_transliteration.baselines import CharacterNGram
from interp_transliteration.combined import Combined
from interp_transliteration.pack import load_pack
from interp_transliteration.romanise import restore

TEXTS = ["βα γα βδ", "γα βα δα", "βα βα γ"] * 3


@pytest.fixture(scope="module")
def ngram(toy):
    return CharacterNGram(toy, [toy.choose("mixed")], beam=1000).fit(TEXTS)


def logs(rows):
    return np.log(rows / rows.sum(1, keepdims=True))


@pytest.mark.parametrize("typed", ["sa sa st", "ts ta s.", "s"])
def test_without_trust_it_is_the_n_gram(toy, ngram, typed):
    combined = Combined(ngram, trust=0.0)
    even = logs(np.ones((len(typed), len(toy.outputs))))
    assert restore(typed, combined(typed, even)) == restore(typed, ngram.predict(typed))


def test_what_the_network_is_sure_of_it_gets_even_where_no_rule_spells_so(toy, ngram):
    rows = np.full((3, len(toy.outputs)), 1e-12)
    for at, symbol in enumerate("αεα"):
        rows[at, toy.outputs.index(symbol)] = 1  # no rule spells ε as b
    assert Combined(ngram, trust=2.0)("aba", logs(rows)) == ("α", "ε", "α")


def test_what_is_out_of_the_question_is_never_written(toy, ngram):
    rows = np.ones((4, len(toy.outputs)))
    rows[:, toy.outputs.index("β")] = 0
    with np.errstate(divide="ignore"):
        found = Combined(ngram)("ssss", logs(rows))
    assert "β" not in found
    assert len(found) == 4


def test_a_letter_may_stand_for_two_units_or_for_none():
    pack = load_pack("hy")
    ngram = CharacterNGram(pack, [pack.choose("article")]).fit(["տունը մեծ է"] * 5)
    rows = np.full((5, len(pack.outputs)), 1e-9)
    for at, symbol in enumerate(("տ", "ու", "_", "նը", "_")):
        rows[at, pack.outputs.index(symbol)] = 1
    assert restore("tuunn", Combined(ngram)("tuunn", logs(rows))) == "տունը"
