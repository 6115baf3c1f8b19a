"""Baselines: priors, word positions, styles, one symbol per letter, and the demo corpus."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp import OptionError
from interp_transliteration.baselines.baselines import CharacterNGram, GreedyRules
from interp_transliteration.evaluation.metrics import ErrorCounts
from interp_transliteration.languages.pack import load_pack
from interp_transliteration.languages.romaniser import Romaniser, restore
from interp_transliteration.task import TransliterationTask

PACK = load_pack("hy")
BASELINES = (GreedyRules, CharacterNGram)
FITTED = {}


def build(kind, pack, *names, **options):
    return kind(pack, [pack.rule_set(name) for name in names], **options)


def test_invalid_options():
    with pytest.raises(OptionError, match="beam_width must be at least 1, got 0"):
        build(CharacterNGram, PACK, "article", beam_width=0)


@pytest.mark.parametrize("kind", BASELINES)
def test_without_counts_nothing_is_predicted(kind):
    with pytest.raises(OptionError, match=rf"{kind.__name__} has no counts yet; call fit\(texts\) first"):
        build(kind, PACK, "article").predict("a")


def test_the_longest_spelling_wins(toy):
    greedy = build(GreedyRules, toy, "mixed").fit(["εεεγγ δ"])
    assert greedy.predict("ats") == ("α", "δ", "_")
    assert greedy.predict("at") == ("α", "ε")


@pytest.mark.parametrize(("betas", "gammas", "best"), [(8, 0, "β"), (8, 4, "γ"), (0, 3, "γ"), (0, 0, "s"), (4, 1, "β")])
def test_the_product_of_prior_and_spelling_decides(toy, betas, gammas, best):
    """Inside a word s is β with 1/4, γ with 1/2, or itself, and counts have add-one smoothing."""
    products = {"β": (betas + 1) / 4, "γ": (gammas + 1) / 2, "s": 1}
    assert max(products, key=products.get) == best
    assert build(GreedyRules, toy, "mixed").fit(["β" * betas + "γ" * gammas]).predict("as") == ("α", best)


def test_the_start_of_a_word_has_its_own_rules(toy):
    greedy = build(GreedyRules, toy, "mixed").fit(["ββ"])
    assert greedy.predict("s ab bb") == ("β", " ", "α", "β", " ", "b", "β"), "at the start β is never b"
    article = build(GreedyRules, PACK, "article").fit(["ո օ", "ո"])
    assert article.predict("vo tovo o") == ("ո", "_", " ", "տ", "ո", "վ", "ո", " ", "օ")


@pytest.mark.parametrize("kind", BASELINES)
@given(text=st.text(alphabet="αβγδεΑΒΓΔ .", max_size=25), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=80)
def test_unambiguous_rules_are_undone_exactly(kind, toy, text, seed):
    """The text has no Latin letters, so each spelling has one reading."""
    aligned = Romaniser(toy, [toy.rule_set("clear")]).align(text, seed)
    if (kind, "toy") not in FITTED:
        draw = np.random.default_rng(0)
        FITTED[kind, "toy"] = build(kind, toy, "clear").fit(
            "".join(draw.choice([*"αβγδεΑΒΓΔ ."], 40)) for _ in range(200)
        )
    assert FITTED[kind, "toy"].predict(aligned.latin) == aligned.symbols


@pytest.mark.parametrize("kind", BASELINES)
@given(typed=st.text(alphabet=st.one_of(st.sampled_from("tsaovdzWE_#՞՛։:ա \n"), st.characters()), max_size=30))
@settings(deadline=None, max_examples=80)
def test_any_text_gets_a_symbol_per_letter_and_unknown_characters_stay(kind, typed):
    symbols = fitted(kind)(typed)
    assert len(symbols) == len(typed)
    assert set(symbols) <= set(PACK.outputs)
    alphabet = set(PACK.kept)
    assert all((symbol == "#") == (letter not in alphabet) for letter, symbol in zip(typed, symbols, strict=True))
    unknown = [letter for letter, symbol in zip(typed, symbols, strict=True) if symbol == "#"]
    assert unknown == [letter for letter in typed if letter not in alphabet]
    restore(typed, symbols)


def fitted(kind, rules="chat"):
    """Return `predict` of a baseline fitted on part of the demo corpus; cached."""
    if (kind, rules) not in FITTED:
        texts = TransliterationTask().sentences("demo")
        FITTED[kind, rules] = build(kind, PACK, rules).fit(text for number, text in enumerate(texts) if number % 5)
    return FITTED[kind, rules].predict


@pytest.mark.parametrize("kind", BASELINES)
def test_placeholders_stand_only_inside_a_spelling(kind):
    table = PACK.rule_set("chat")
    symbols = fitted(kind)("shnorhakalutyun vor tchisht edzeq ou schutov")
    pairs = list(zip("shnorhakalutyun vor tchisht edzeq ou schutov", symbols, strict=True))
    spelled = []
    for letter, symbol in pairs:
        if symbol == "_":
            spelled[-1][1] += letter
        else:
            spelled.append([symbol, letter])
    for unit, latin in spelled:
        options = {**table.spellings(unit, starts_word=True), **table.spellings(unit, starts_word=False)}
        assert latin in {*options, *(option.lower() for option in options)}


def test_marks_that_chat_never_types_stay_when_typed():
    assert restore("Բarev ։", fitted(CharacterNGram)("Բarev ։")).endswith("։")
    assert fitted(GreedyRules)("։") == ("։",)


def test_fitting_again_discards_earlier_counts(toy):
    ngram = build(CharacterNGram, toy, "mixed", order=2)
    first = ngram.fit(["αγ"] * 9).predict("as")
    assert first == ("α", "γ")
    assert ngram.fit(["αβ"] * 9).predict("as") == ("α", "β")
    greedy = build(GreedyRules, toy, "mixed").fit(["β" * 9])
    assert greedy.predict("as") == ("α", "β")
    assert greedy.fit(["γ" * 9]).predict("as") == ("α", "γ")


def test_without_any_text_the_ngram_takes_the_rules_alone(toy):
    """All units are equally frequent, and a Latin letter is always typed as itself."""
    ngram = build(CharacterNGram, toy, "mixed").fit([])
    assert ngram.predict("as") in {("α", "s"), ("a", "s")}
    assert build(GreedyRules, toy, "mixed").fit([]).predict("as") == ("α", "s")


def error_rates(predict, rules):
    counts, romaniser = ErrorCounts(), Romaniser(PACK, [PACK.rule_set(rules)])
    for number, text in enumerate(TransliterationTask().sentences("demo")[::5]):
        aligned = romaniser.align(text, number)
        counts.add(aligned.latin, aligned.symbols, predict(aligned.latin))
    return counts.figures()


@pytest.mark.parametrize("rules", ["article", "chat"])
def test_on_unseen_demo_sentences_the_ngram_is_better_than_the_rules_and_these_than_a_copy(rules):
    copied, greedy, ngram = (
        error_rates(predict, rules) for predict in (tuple, fitted(GreedyRules, rules), fitted(CharacterNGram, rules))
    )
    assert ngram["cer"] < 0.6 * greedy["cer"]
    assert greedy["cer"] < 0.2 * copied["cer"]
    assert ngram["words"] > greedy["words"] + 0.15


def test_latin_words_that_the_text_has_stay_latin():
    ngram = build(CharacterNGram, PACK, "article").fit(["ես սիրում եմ Deep Learning", "սիրուն է youtube.com կայքը"])
    typed = "es sirum em Deep Learning youtube.com"
    assert restore(typed, ngram.predict(typed)) == "ես սիրում եմ Deep Learning youtube.com"


def test_a_long_line_needs_no_recursion():
    typed = "barev dzez " * 400
    assert len(fitted(CharacterNGram)(typed)) == len(typed)
    assert fitted(CharacterNGram)("") == ()


def test_a_headline_reads_as_its_words_do_where_capitals_are_folded():
    pack = load_pack("hy")
    texts = TransliterationTask().sentences("demo")
    rules = [pack.rule_set("article")]
    plain = CharacterNGram(pack, rules, beam_width=1000).fit(texts)
    folded = CharacterNGram(pack, rules, beam_width=1000, ngram=plain.ngram, fold_capitals=True)
    for words in ("Hayastani Hanrapetutyun", "Gushakum Haghtanak"):
        titled = " ".join(word.title() for word in words.split())
        expected = pack.upper(restore(titled, folded.predict(titled)))
        assert restore(titled.upper(), folded.predict(titled.upper())) == expected
        assert folded.predict(titled) == plain.predict(titled)
    assert restore("VERABAC", plain.predict("VERABAC")) != restore("VERABAC", folded.predict("VERABAC"))
