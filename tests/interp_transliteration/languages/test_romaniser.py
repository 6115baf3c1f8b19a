"""Romanising and restoring: round trips, frequencies of spellings, and starts of words by an independent reading."""

import os
import re
import tomllib
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from interp_transliteration.corpora.corpus import read_documents
from interp_transliteration.languages import pack as pack_module
from interp_transliteration.languages.pack import load_pack
from interp_transliteration.languages.romaniser import Romaniser, restore, split_samples
from interp_transliteration.task import TransliterationTask

DATA = Path(os.environ.get("INTERP_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")
RULES, SEEDS = ("article", "chat"), (0, 1, 2)
PACK = load_pack("hy")
TABLE = tomllib.loads((pack_module.DATA_FOLDER / "hy.toml").read_text(encoding="utf-8"))["rules"]
ANY = st.text(alphabet=st.one_of(st.sampled_from("աեոՈՒոււևԵծ՞՛՜ ,_#aBc5\n"), st.characters()), max_size=30)


@cache
def romaniser(*names):
    return Romaniser(PACK, [PACK.rule_set(name) for name in names])


@pytest.fixture(scope="module")
def demo():
    return TransliterationTask().sentences("demo")


def samples(texts, names, seed):
    encoded = romaniser(*names).encode(texts, seed)
    for inputs, outputs, typed in split_samples(encoded):
        yield inputs, typed, [PACK.outputs[code] for code in outputs]


def groups(aligned):
    """Return each symbol with its letters."""
    pairs = []
    for letter, symbol in zip(aligned.latin, aligned.symbols, strict=True):
        if symbol == "_":
            pairs[-1][1] += letter
        else:
            pairs.append([symbol, letter])
    return [tuple(pair) for pair in pairs]


def assert_round_trip(texts, rules, seed):
    count = 0
    for text, (_, typed, symbols) in zip(texts, samples(texts, [rules], seed), strict=True):
        assert restore(typed, symbols) == text
        count += 1
    assert count == len(texts) > 0


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_demo_sentence_comes_back(demo, rules, seed):
    assert_round_trip(demo, rules, seed)


@cache
def shared(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not in {DATA} (set INTERP_DATA)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the dump is truncated
        return [text for document in read_documents(path) for text in document.sentences]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "name",
    ["hywiki-truncated-100k.xml.xz", "news-armner.txt.xz", "news-arpa.txt.xz", "ud-train.txt.xz", "ud-dev.txt.xz"],
)
def test_every_sentence_of_the_shared_data_comes_back(name, rules, seed):
    assert_round_trip(shared(name), rules, seed)


@given(ANY, st.sampled_from(RULES), st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_any_text_comes_back(text, rules, seed):
    aligned = romaniser(rules).align(text, seed)
    assert restore(aligned.latin, aligned.symbols) == text
    assert set(aligned.symbols) <= set(PACK.outputs)


@pytest.mark.parametrize("at", range(10))
def test_one_wrong_symbol_changes_the_text(demo, at):
    text = demo[at]
    aligned = romaniser("article").align(text, seed=at)
    wrong = list(aligned.symbols)
    place = at % len(wrong)
    wrong[place] = "ֆ" if wrong[place] != "ֆ" else "ա"
    assert restore(aligned.latin, wrong) != text


@pytest.mark.parametrize("symbols", [["ա"], ["ա", "_", "բ"]])
def test_lengths_must_agree(symbols):
    with pytest.raises(ValueError, match="zip"):
        restore("ab", symbols)


def allowed(rules, unit, starts_word):
    """Return the spellings that the data file allows, parsed without `pack.py`."""
    layers = [TABLE[rules], TABLE.get(TABLE[rules].get("extends", ""), {})]
    places = ("initial", "anywhere") if starts_word else ("anywhere",)
    lower = {"Ու": "ու", "ՈՒ": "ու"}.get(unit, unit.lower())
    for place in places:
        own = next((layer[place][unit] for layer in layers if unit in layer.get(place, {})), None)
        if own:
            return {*own}
        small = next((layer[place][lower] for layer in layers if lower in layer.get(place, {})), None)
        if small:
            return {form for latin in small for form in ((latin,) if unit == lower else (latin.title(), latin.upper()))}
    return {unit}


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_letter_group_is_in_the_table(demo, rules, seed):
    for text in demo[::3]:
        aligned, at = romaniser(rules).align(text, seed), 0
        small = not re.search("[A-Z]", "".join(latin for unit, latin in groups(aligned) if unit in PACK.units))
        for symbol, latin in groups(aligned):
            unit = latin if symbol == "#" else symbol
            starts = not re.search(r"(?:[^\W\d_]|[՞՛՜])\Z", text[:at])
            forms = allowed(rules, unit, starts)
            assert latin in forms or (small and latin in {form.lower() for form in forms}), (unit, latin, starts)
            at += len(unit)
        assert at == len(text)


@pytest.mark.parametrize("rules", RULES)
def test_spellings_are_as_frequent_as_the_table_says(rules):
    """A chi-square test per unit; a correct sampler passes all of about 80 with a probability above 99 %."""
    table, draws = PACK.rule_set(rules), 4000
    # With `lower_case` a whole text is typed without capitals: see the next test.
    for unit in [unit for unit in PACK.units if not table.lower_case or unit == unit.lower()]:
        spellings = table.spellings(unit, starts_word=False)
        aligned = romaniser(rules).align(("a" + unit) * draws, 5)
        drawn = Counter(latin for symbol, latin in groups(aligned) if symbol == unit)
        assert set(drawn) == set(spellings)
        if len(spellings) > 1:
            expected = [draws * share for share in spellings.values()]
            assert chisquare([drawn[latin] for latin in spellings], expected).pvalue > 1e-4, unit


def test_the_share_of_texts_without_capitals():
    encoded = romaniser("chat").encode(["Բարև Deep"] * 4000, seed=3)
    typed = [sample[2] for sample in split_samples(encoded)]
    small = sum(text[0] == "b" for text in typed) / len(typed)
    assert small == pytest.approx(PACK.rule_set("chat").lower_case, abs=4 * (0.35 * 0.65 / 4000) ** 0.5)
    assert all(text.endswith("Deep") for text in typed), "Latin passages keep their capitals"
    assert {sample[2][0] for sample in split_samples(romaniser("article").encode(["Բ"] * 500, 0))} == {"B"}


def test_several_rule_sets_are_drawn_equally_often():
    typed = [sample[2] for sample in split_samples(romaniser("article", "chat").encode(["վ"] * 8000, seed=1))]
    assert typed.count("w") / 8000 == pytest.approx(0.1, abs=0.015)
    twice = [sample[2] for sample in split_samples(romaniser("article", "article", "chat").encode(["վ"] * 8000, 1))]
    assert twice.count("w") / 8000 == pytest.approx(0.2 / 3, abs=0.013)


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("ոտ", "vot"),
        ("տոտ", "tot"),
        ("ա ոտ", "a vot"),
        ("Ոտ", "Vot"),
        ("ՏՈՏ", "TOT"),
        ("տ՞ո", "t՞o"),
        ("տ՛ո", "t՛o"),
        ("տ՜ո", "t՜o"),
        ("«ո»", "«vo»"),
        ("տ-ոտ", "t-vot"),
        ("5ո", "5vo"),
        ("aո", "ao"),
        ("я ո", "я vo"),
        ("яո", "яo"),
        ("ուր", "ur"),
        ("Ուր ՈՒՐ", "Ur UR"),
        ("տուր", "tur"),
        ("ո", "vo"),
        ("", ""),
    ],
)
def test_the_start_of_a_word(text, latin):
    aligned = romaniser("article").align(text)
    assert aligned.latin == latin
    assert restore(aligned.latin, aligned.symbols) == text


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("text", ["ծանոթ շոշափել", "Շշուկ ՃԱՇ", "ձյունը և խաղողը"])
def test_one_placeholder_per_further_letter(text, rules):
    for seed in range(20):
        aligned = romaniser(rules).align(text, seed)
        assert len(aligned.symbols) == len(aligned.latin)
        assert aligned.symbols.count("_") == len(aligned.latin) - len(PACK.split(text))
        assert aligned.symbols[0] != "_"
        assert [symbol for symbol in aligned.symbols if symbol != "_"] == PACK.split(text)


def test_unknown_characters_are_hashes_restored_by_position():
    text = "ա_#中б\u0301🙂\nb"
    aligned = romaniser("article").align(text)
    assert aligned.latin == "a_#中б\u0301🙂\nb"
    assert aligned.symbols == ("ա", *"########"[:7], "b")
    assert restore("x中y", ("ա", "#", "_")) == "ա中"
    (inputs, typed, _) = next(iter(samples([text], ["article"], 0)))
    assert typed == aligned.latin
    assert [PACK.inputs[code] for code in inputs] == ["a", *"#######", "b"]


def test_the_same_seed_gives_the_same_and_further_texts_change_nothing(demo):
    def spell(texts, seed):
        return [typed for _, typed, _ in samples(texts, ["article", "chat"], seed)]

    first = spell(demo[:40], 7)
    assert first == spell(demo[:40], 7)
    assert first == spell(demo, 7)[:40]
    assert first != spell(demo[:40], 8)


def test_no_text_and_empty_texts():
    assert list(samples([], ["article"], 0)) == []
    assert [typed for _, typed, _ in samples(["", "ա", ""], ["article"], 0)] == ["", "a", ""]


def test_the_largest_draw_stays_within_its_row(monkeypatch):
    class Largest:
        def random(self, size):
            return np.full(size, 1 - 2.0**-53)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Largest())
    text = "".join(PACK.units) + "中"
    aligned = romaniser("article", "chat").align(text)
    assert restore(aligned.latin, aligned.symbols) == text
