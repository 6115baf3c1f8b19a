"""The shipped packs, and one from a folder: complete, restored without error, and trainable."""

from collections import Counter

import pytest
import torch

import interp
from interp import OptionError
from interp_transliteration.decoding.transliterator import Transliterator
from interp_transliteration.languages.pack import languages, load_pack
from interp_transliteration.languages.romaniser import Romaniser, restore, split_samples
from interp_transliteration.task import TransliterationTask

SHIPPED = languages()
GEORGIAN = """
name = "ka"
title = "Georgian"
units = ["ა", "ბ", "გ", "დ", "ე", "ი", "მ", "ნ", "ო", "რ", "ს", "შ", "ხ"]
kept = " .,abcdefghijklmnopqrstuvwxyz"
[rules.plain.anywhere]
"ა" = { a = 1 }
"ბ" = { b = 1 }
"გ" = { g = 1 }
"დ" = { d = 1 }
"ე" = { e = 1 }
"ი" = { i = 1 }
"მ" = { m = 1 }
"ნ" = { n = 1 }
"ო" = { o = 1 }
"რ" = { r = 1 }
"ს" = { s = 1 }
"შ" = { sh = 1 }
"ხ" = { kh = 0.5, x = 0.5 }
"""
SENTENCES = ["დიდი შენობა", "ახარა და სოგდი", "მე ნახე ბაში", "გოგო და ბიშო", "ნანა იხარე"]


def test_four_languages_ship():
    assert SHIPPED == ["el", "fa", "hy", "ru"]


@pytest.mark.parametrize("language", SHIPPED)
def test_demo_sentences_are_distinct_and_enough_and_every_spelling_gives_them_back(language):
    task = TransliterationTask(language=language)
    texts = task.sentences("demo")
    assert len(texts) >= {"fa": 40}.get(language, 300)
    assert max(Counter(texts).values()) == 1
    for rules in task.pack.rules.values():
        samples = split_samples(Romaniser(task.pack, [rules]).encode(texts, seed=4))
        for text, (_, outputs, typed) in zip(texts, samples, strict=True):
            assert restore(typed, [task.pack.outputs[code] for code in outputs]) == text


@pytest.mark.parametrize("language", SHIPPED)
def test_every_unit_is_reached_and_the_demo_uses_nearly_all(language):
    pack = load_pack(language)
    used = {unit for text in TransliterationTask(language=language).sentences("demo") for unit in pack.split(text)}
    lower = {unit for unit in pack.units if unit == unit.lower()}
    assert len(lower - used) <= {"fa": 3}.get(language, 2), lower - used


def test_persian_runs_from_the_right_in_logical_order():
    task = TransliterationTask(language="fa")
    aligned = task.romaniser.align("سلام", 0)
    assert restore(aligned.latin, aligned.symbols) == "سلام"
    assert aligned.latin[0] == "s", "the first letter that is read is the first that is typed"


def test_without_a_corpus_the_demo_sentences_are_split():
    task = TransliterationTask(language="el")
    parts = [set(task.sentences(split)) for split in ("train", "validation", "test")]
    assert set.union(*parts) == set(task.sentences("demo"))
    assert sum(map(len, parts)) == len(task.sentences("demo"))
    assert len(parts[0]) > 0.6 * len(task.sentences("demo"))


def test_a_new_language_is_a_file_that_can_be_trained_and_used(tmp_path):
    (tmp_path / "ka.toml").write_text(GEORGIAN, encoding="utf-8")
    (tmp_path / "demo-ka.txt").write_text("\n".join(f"{a}, {b}" for a in SENTENCES for b in SENTENCES), "utf-8")
    task = TransliterationTask(language=str(tmp_path / "ka.toml"), batch_size=16, chunk_length=30)
    torch.manual_seed(0)
    network = task.build_model("armenian-bilstm")
    before = Transliterator(model=network, language=str(tmp_path / "ka.toml"))(["gogo da bisho"])
    interp.train(network, task, seed=0, budget=300, progress=False)
    weights = tmp_path / "ka.safetensors"
    interp.save_weights(network, weights)
    writer = Transliterator(weights=weights, language=str(tmp_path / "ka.toml"))
    assert writer(["gogo da bisho", "Ünï 12 დიდი"]) == ["გოგო და ბიშო", "Ünï 12 დიდი"]
    assert before != ["გოგო და ბიშო"], "it is learned"


def test_a_language_without_demo_sentences_asks_for_a_corpus(tmp_path):
    (tmp_path / "ka.toml").write_text(GEORGIAN, encoding="utf-8")
    with pytest.raises(OptionError, match=r"no demo sentences .*demo-ka\.txt; give corpus=PATH"):
        TransliterationTask(language=str(tmp_path / "ka.toml")).sentences("train")
