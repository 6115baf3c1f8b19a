"""The task: splits, the script filter, errors, loss, decoding and score; and the demo corpus."""

import re

import numpy as np
import pytest
import torch

import interp
from interp import CorpusError, OptionError, UnknownNameError
from interp_transliteration.task import SPLITS, TransliterationTask


@pytest.fixture(scope="module")
def task():
    return TransliterationTask()


def corpus(tmp_path, lines, name="a-train.txt"):
    path = tmp_path / name
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_it_is_registered():
    loaded = interp.load_task("transliteration", rules="chat")
    assert type(loaded).__name__ == "TransliterationTask"
    assert loaded.rules == "chat"


@pytest.mark.parametrize(
    ("line", "is_included"),
    [
        ("աբ gh-", True),
        ("աբ ghi-", False),
        ("ա b", True),
        ("ա bc", False),
        ("youtube.com", False),
        ("Բարև Deep L", True),
    ],
)
def test_sentences_with_less_than_a_third_of_script_are_dropped(tmp_path, line, is_included):
    path = corpus(tmp_path, [line, "հայերեն տող"])
    assert (line in TransliterationTask(corpus=path).sentences("train")) == is_included


def test_train_excludes_held_out_sentences(tmp_path):
    same = "նույն նախադասությունը"
    for name in ("a-train.txt", "a-dev.txt", "a-test.txt"):
        corpus(tmp_path, [same, f"ուրիշ տող {name}"], name)
    task = TransliterationTask(corpus=tmp_path)
    assert task.sentences("train") == ["ուրիշ տող a-train.txt"]
    assert same in task.sentences("test")


def test_sentences_are_distinct(tmp_path):
    path = corpus(tmp_path, ["մի տող", "երկու տող", "մի տող"])
    assert TransliterationTask(corpus=path).sentences("train") == ["մի տող", "երկու տող"]


def test_errors_say_what_to_do(task, tmp_path):
    with pytest.raises(OptionError, match="No split 'dev'; there are demo, train, validation, test"):
        task.sentences("dev")
    with pytest.raises(OptionError, match="limit must be at least 1, got 0"):
        task.batches("demo", limit=0)
    with pytest.raises(CorpusError, match="no sentence in Armenian script for the split 'train'"):
        TransliterationTask(corpus=corpus(tmp_path, ["Only English here."])).batches("train")
    with pytest.raises(UnknownNameError, match="no rules 'klingon'"):
        TransliterationTask(rules="article+klingon")
    with pytest.raises(UnknownNameError, match="No language"):
        TransliterationTask(language="qq")
    assert SPLITS == ("demo", "train", "validation", "test")


def test_a_uniform_network_loses_the_logarithm_of_the_alphabet(task):
    batch = next(iter(task.batches("demo", limit=5)))
    output = torch.zeros(*batch.targets.shape, len(task.pack.outputs))
    assert task.loss(output, batch).item() == pytest.approx(np.log(len(task.pack.outputs)), rel=1e-5)


def test_decoding_the_targets_has_no_error_and_one_wrong_symbol_has(task):
    batch = next(iter(task.batches("demo", limit=64)))
    output = torch.nn.functional.one_hot(batch.targets.clamp(min=0), len(task.pack.outputs)).float()
    predicted = task.decode(output, batch)
    score = task.score(predicted, batch)
    assert score == {"cer": 0, "words": 1}
    assert batch.decode(output) == batch.labels["output"].tolist()
    predicted[0][0] = "ֆ"
    assert task.score(predicted, batch)["cer"] > 0


def test_a_batch_of_typed_lines(task):
    batch = task.typed_batch(["Barew _ 中", "a"])
    assert batch.typed == ("Barew _ 中", "a")
    assert batch.labels["input"].tolist() == [*"Barew # #", "a"]
    assert batch.inputs[1].tolist() == [9, 1]


def words(sentence):
    return re.findall(r"[^\W_]+", re.sub("[՞՛՜]", "", sentence.casefold()))


def test_the_demo_corpus_has_the_expected_content(task):
    sentences = task.sentences("demo")
    assert len(sentences) >= 500
    assert sum(bool(re.search("[A-Za-z]", sentence)) for sentence in sentences) >= 80
    assert sum("http" in sentence or bool(re.search(r"\w\.(com|am|org)\b", sentence)) for sentence in sentences) >= 3
    assert sum(sentence.startswith("—") for sentence in sentences) >= 20
    assert set("".join(sentences)) <= {*"".join(task.pack.outputs)} - {"_", "#"}


def test_no_two_demo_sentences_share_a_run_of_five_words(task):
    owner = {}
    for number, sentence in enumerate(task.sentences("demo")):
        sentence_words = words(sentence)
        for start in range(len(sentence_words) - 4):
            run = tuple(sentence_words[start : start + 5])
            assert owner.setdefault(run, number) == number, run


def test_every_unit_of_the_rules_occurs_in_the_demo_corpus(task):
    units = {unit for sentence in task.sentences("demo") for unit in task.pack.split(sentence)}
    assert {unit for unit in task.pack.units if unit == unit.lower() and unit != "ւ"} <= units
