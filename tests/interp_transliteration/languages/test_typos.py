"""Omitted units and typing errors: the text can be restored, and the shares are those of the rules."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from interp_transliteration.languages.pack import load_pack
from interp_transliteration.languages.romaniser import Romaniser, restore, split_samples
from interp_transliteration.languages.typos import KEYBOARD_ROWS
from interp_transliteration.task import TransliterationTask

PACK = load_pack("hy")
TEXTS = TransliterationTask().sentences("demo")
PLAIN = PACK.rule_set("article")


def encoded(rules, texts=TEXTS, seed=0):
    samples = split_samples(Romaniser(PACK, [rules]).encode(texts, seed))
    return [(typed, [PACK.outputs[code] for code in outputs]) for _, outputs, typed in samples]


def test_the_text_can_be_restored_from_omissions_and_typos():
    for share in ({"left_out": 1.0}, {"typos": 0.3}, {"left_out": 0.5, "typos": 0.1, "lower_case": 0.5}):
        samples = encoded(replace(PLAIN, **share))
        wrong = [text for text, (typed, symbols) in zip(TEXTS, samples, strict=True) if restore(typed, symbols) != text]
        assert not wrong  # the first letter of a unit stands for it even if it is mistyped


def test_the_share_of_omissions_is_that_of_the_rules():
    symbols = Counter(symbol for _, one in encoded(replace(PLAIN, left_out=0.3), TEXTS * 10) for symbol in one)
    pairs = {"".join(pair): symbols["".join(pair)] for pair in PACK.fused}
    possible = sum(text.count(pair) for text in TEXTS for pair in pairs) * 10
    assert sum(pairs.values()) / possible == pytest.approx(0.3, abs=0.03)


def test_the_share_of_typos_and_adjacent_keys():
    clean, noisy = (encoded(replace(PLAIN, typos=share), TEXTS * 4) for share in (0.0, 0.1))
    changed = sum(a != b for a, b in zip(clean, noisy, strict=True))
    assert changed / len(clean) > 0.9
    doubled = sum(len(typed) for typed, _ in noisy) - sum(len(typed) for typed, _ in clean)
    letters = sum(symbol in PACK.units or symbol == "_" for _, symbols in clean for symbol in symbols)
    assert 0.005 < doubled / letters < 0.1 / 4 + 0.005, "one error in four doubles a letter, some drop one"
    rows = {letter: row for row, keys in enumerate(KEYBOARD_ROWS) for letter in keys}
    same = [(a, b) for (a, _), (b, _) in zip(clean, noisy, strict=True) if len(a) == len(b)]
    swaps = [(x, y) for a, b in same for x, y in zip(a, b, strict=True) if x != y and {x, y} <= set(rows)]
    near = sum(abs(rows[x] - rows[y]) <= 1 for x, y in swaps)
    assert near / len(swaps) > 0.6


def test_latin_letters_are_never_mistyped():
    texts = ["Deep Learning 2024, youtube.com"] * 200
    assert {typed for typed, _ in encoded(replace(PLAIN, typos=1.0), texts)} == {texts[0]}


def test_shares_of_zero_do_not_change_the_draws():
    a, b = (Romaniser(PACK, [rules]).encode(TEXTS, 3) for rules in (PLAIN, replace(PLAIN, left_out=0.0, typos=0.0)))
    assert np.array_equal(a.inputs, b.inputs)
