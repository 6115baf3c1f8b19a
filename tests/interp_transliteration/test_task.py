"""The task: sources and limits, seeds, splits, the filter, labels, loss and score; and the demo corpus."""

import pickle
import re
from collections import Counter

import numpy as np
import pytest
import torch

import interp
from interp import CorpusError, OptionError, UnknownNameError
from interp_transliteration import batches
from interp_transliteration.romanise import restore
from interp_transliteration.task import IGNORED, SPLITS, TransliterationTask


@pytest.fixture(scope="module")
def task():
    return TransliterationTask()


def corpus(tmp_path, lines, name="a-train.txt"):
    path = tmp_path / name
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def flat(batches):
    """Return ``(source, typed, symbols)`` of every sample."""
    found = []
    for batch in batches:
        stop = 0
        for typed in batch.typed:
            start, stop = stop, stop + len(typed)
            sources = set(batch.labels["source"][start:stop].tolist())
            assert len(sources) == 1 or batch.targets.shape[1] == len(typed)
            found.append((int(batch.labels["source"][start]), typed, tuple(batch.labels["output"][start:stop])))
    return found


def test_it_is_registered():
    loaded = interp.load_task("transliteration", rules="chat")
    assert type(loaded).__name__ == "TransliterationTask"
    assert loaded.rules == "chat"


def test_one_spelling_of_each_sentence_by_default(task):
    sentences = task.sentences("demo")
    found = flat(task.batches("demo"))
    assert sorted(source for source, _, _ in found) == list(range(len(sentences)))
    assert all(restore(typed, symbols) == sentences[source] for source, typed, symbols in found)


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_a_limit_takes_distinct_sentences(task, limit):
    sources = [source for source, _, _ in flat(task.batches("demo", limit=limit))]
    assert len(sources) == len(set(sources)) == limit
    assert set(sources) != {source for source, _, _ in flat(task.batches("demo", limit=limit, seed=1))}


@pytest.mark.parametrize("extra", [1, 300, 1300])
def test_further_samples_are_other_spellings_of_the_same_sources(task, extra):
    sentences = task.sentences("demo")
    found = flat(task.batches("demo", limit=len(sentences) + extra))
    times = Counter(source for source, _, _ in found)
    assert len(found) == len(sentences) + extra
    assert set(times) == set(range(len(sentences)))
    assert max(times.values()) - min(times.values()) <= 1
    assert all(restore(typed, symbols) == sentences[source] for source, typed, symbols in found)
    spelled = Counter((source, typed) for source, typed, _ in found)
    assert sum(number > 1 for number in spelled.values()) < 0.02 * len(found)


def test_iterating_again_gives_the_same_and_another_seed_something_else(task):
    batches = task.batches("demo", limit=200, seed=3)
    first, again, same, other = (
        list(b)
        for b in (batches, batches, task.batches("demo", limit=200, seed=3), task.batches("demo", limit=200, seed=4))
    )
    for copy in (again, same):
        for a, b in zip(first, copy, strict=True):
            assert a.typed == b.typed
            assert torch.equal(a.targets, b.targets)
            assert torch.equal(a.inputs[0], b.inputs[0])
    assert [b.typed for b in first] != [b.typed for b in other]


def test_the_fingerprint_changes_with_what_is_in_the_batches(task, tmp_path):
    def fingerprint(task, split="demo", limit=9, seed=0):
        return task.batches(split, limit=limit, seed=seed).fingerprint

    prints = [fingerprint(task), fingerprint(task, limit=8), fingerprint(task, seed=1)]
    prints.append(fingerprint(TransliterationTask(rules="chat")))
    tasks = (TransliterationTask(corpus=corpus(tmp_path, [line])) for line in ("բարև ձեզ", "բարև Ձեզ"))
    prints += [fingerprint(task, "train") for task in tasks]
    assert len(set(prints)) == len(prints)
    assert fingerprint(task) == fingerprint(TransliterationTask())


def test_labels_inputs_and_targets_agree(task):
    for batch in task.batches("demo", limit=130):
        codes, lengths = batch.inputs
        assert lengths.tolist() == list(batch.lengths) == [len(typed) for typed in batch.typed]
        real = torch.arange(codes.shape[1]) < lengths[:, None]
        assert [task.pack.inputs[code] for code in codes[real].tolist()] == batch.labels["input"].tolist()
        assert [task.pack.outputs[code] for code in batch.targets[real].tolist()] == batch.labels["output"].tolist()
        assert (batch.targets[~real] == IGNORED).all()
        known = ["#" if letter not in task.pack.inputs else letter for letter in "".join(batch.typed)]
        assert known == batch.labels["input"].tolist()


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("աբ gh-", True),
        ("աբ ghi-", False),
        ("ա b", True),
        ("ա bc", False),
        ("youtube.com", False),
        ("Բարև Deep L", True),
    ],
)
def test_under_one_third_of_the_script_is_left_out(tmp_path, line, kept):
    path = corpus(tmp_path, [line, "հայերեն տող"])
    assert (line in TransliterationTask(corpus=path).sentences("train")) == kept


def test_chunks_are_running_text_with_a_third_of_the_script(tmp_path):
    lines = [f"{'հայերեն բառ ' * 12}{number} {'latin words ' * 16}" for number in range(60)]
    task = TransliterationTask(corpus=corpus(tmp_path, lines), chunk=50, batch_size=16)
    text = "".join(line.strip() + " " for line in lines)
    found = flat(task.batches("train", seed=1))
    scripted = [np.mean([symbol == "_" or symbol in task.pack.units for symbol in symbols]) for _, _, symbols in found]
    assert all(len(typed) == 50 for _, typed, _ in found)
    assert min(scripted) >= 1 / 3
    assert 0.3 * len(text) / 50 < len(found) < 0.8 * len(text) / 50, "the Latin passages are out"
    for source, typed, symbols in found:
        assert restore(typed, symbols) in text or str(source) in restore(typed, symbols)
    assert len(flat(task.batches("train", limit=7))) == 7
    assert [typed for _, typed, _ in found] != [typed for _, typed, _ in flat(task.batches("train", seed=2))]


def test_train_leaves_out_what_is_held_out(tmp_path):
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


def test_decoding_the_targets_is_without_error_and_one_wrong_symbol_is_seen(task):
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


def test_the_demo_corpus_is_what_was_promised(task):
    sentences = task.sentences("demo")
    assert len(sentences) >= 500
    assert sum(bool(re.search("[A-Za-z]", sentence)) for sentence in sentences) >= 80
    assert sum("http" in sentence or bool(re.search(r"\w\.(com|am|org)\b", sentence)) for sentence in sentences) >= 3
    assert sum(sentence.startswith("—") for sentence in sentences) >= 20
    assert set("".join(sentences)) <= {*"".join(task.pack.outputs)} - {"_", "#"}


def test_no_two_demo_sentences_share_a_run_of_five_words(task):
    owner = {}
    for number, sentence in enumerate(task.sentences("demo")):
        listed = words(sentence)
        for start in range(len(listed) - 4):
            run = tuple(listed[start : start + 5])
            assert owner.setdefault(run, number) == number, run


def test_every_unit_of_the_rules_occurs_in_the_demo_corpus(task):
    seen = {unit for sentence in task.sentences("demo") for unit in task.pack.split(sentence)}
    assert {unit for unit in task.pack.units if unit == unit.lower() and unit != "ւ"} <= seen


def test_shards_are_the_batches_and_can_be_read_elsewhere(monkeypatch):
    monkeypatch.setattr(batches, "SHARD", 9)
    task = TransliterationTask(rules="noise", mix=0.5, batch_size=4)
    some = task.batches("demo", limit=30, seed=1)
    sent = [pickle.dumps(shard) for shard in some.shards()]
    assert max(map(len, sent)) < 100_000, "a shard brings its own text and no other"
    read = [pickle.loads(data) for data in sent]
    assert [shard.samples for shard in read] == [9, 9, 9, 3]
    assert [batch.typed for shard in read for batch in shard] == [batch.typed for batch in some]
    assert [len(batch.typed) for batch in read[0]] == [4, 4, 1]


def test_samples_of_later_shards_are_spelled_anew_and_those_before_stay(monkeypatch):
    monkeypatch.setattr(batches, "SHARD", 50)
    task = TransliterationTask(rules="chat")
    number = len(task.sentences("demo"))
    few, many = (flat(task.batches("demo", limit=limit)) for limit in (number, 2 * number))
    spellings = {source: [typed for one, typed, _ in many if one == source] for source in range(number)}
    assert {len(found) for found in spellings.values()} == {2}
    assert all(typed in spellings[source] for source, typed, _ in few)
    assert sum(first != second for first, second in spellings.values()) > number / 2


def test_capitals_come_into_training_alone():
    plain, raised = TransliterationTask(), TransliterationTask(capitals=1.0)
    before, after = (sum(str(s).isupper() for batch in one.batches("train") for s in batch.labels["output"])
                     for one in (plain, raised))  # fmt: skip
    assert after > 5 * before
    for one, two in zip(plain.batches("demo"), raised.batches("demo"), strict=True):
        assert one.typed == two.typed
    with pytest.raises(OptionError, match=r"capitals must be 0\.\.1, got 2"):
        TransliterationTask(capitals=2)
