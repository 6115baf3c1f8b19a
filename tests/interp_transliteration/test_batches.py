"""Batches: sources and limits, seeds, fingerprints, labels, chunks and shards."""

import pickle
from collections import Counter

import numpy as np
import pytest
import torch

from interp import OptionError
from interp_transliteration import batches
from interp_transliteration.languages.romaniser import restore
from interp_transliteration.task import IGNORE_INDEX, TransliterationTask


@pytest.fixture(scope="module")
def task():
    return TransliterationTask()


def corpus(tmp_path, lines, name="a-train.txt"):
    path = tmp_path / name
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def flat(batches):
    """Return ``(source, typed, symbols)`` of each sample."""
    samples = []
    for batch in batches:
        stop = 0
        for typed in batch.typed:
            start, stop = stop, stop + len(typed)
            sources = set(batch.labels["source"][start:stop].tolist())
            assert len(sources) == 1 or batch.targets.shape[1] == len(typed)
            samples.append((int(batch.labels["source"][start]), typed, tuple(batch.labels["output"][start:stop])))
    return samples


def test_one_spelling_of_each_sentence_by_default(task):
    sentences = task.sentences("demo")
    samples = flat(task.batches("demo"))
    assert sorted(source for source, _, _ in samples) == list(range(len(sentences)))
    assert all(restore(typed, symbols) == sentences[source] for source, typed, symbols in samples)


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_a_limit_takes_distinct_sentences(task, limit):
    sources = [source for source, _, _ in flat(task.batches("demo", limit=limit))]
    assert len(sources) == len(set(sources)) == limit
    assert set(sources) != {source for source, _, _ in flat(task.batches("demo", limit=limit, seed=1))}


@pytest.mark.parametrize("extra", [1, 300, 1300])
def test_further_samples_are_other_spellings_of_the_same_sources(task, extra):
    sentences = task.sentences("demo")
    samples = flat(task.batches("demo", limit=len(sentences) + extra))
    times = Counter(source for source, _, _ in samples)
    assert len(samples) == len(sentences) + extra
    assert set(times) == set(range(len(sentences)))
    assert max(times.values()) - min(times.values()) <= 1
    assert all(restore(typed, symbols) == sentences[source] for source, typed, symbols in samples)
    spelled = Counter((source, typed) for source, typed, _ in samples)
    assert sum(number > 1 for number in spelled.values()) < 0.02 * len(samples)


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


def test_the_fingerprint_changes_with_the_content(task, tmp_path):
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
        assert (batch.targets[~real] == IGNORE_INDEX).all()
        letters = ["#" if letter not in task.pack.inputs else letter for letter in "".join(batch.typed)]
        assert letters == batch.labels["input"].tolist()


def test_chunks_are_running_text_with_a_third_of_the_script(tmp_path):
    lines = [f"{'հայերեն բառ ' * 12}{number} {'latin words ' * 16}" for number in range(60)]
    task = TransliterationTask(corpus=corpus(tmp_path, lines), chunk_length=50, batch_size=16)
    text = "".join(line.strip() + " " for line in lines)
    samples = flat(task.batches("train", seed=1))
    scripted = [
        np.mean([symbol == "_" or symbol in task.pack.units for symbol in symbols]) for _, _, symbols in samples
    ]
    assert all(len(typed) == 50 for _, typed, _ in samples)
    assert min(scripted) >= 1 / 3
    assert 0.3 * len(text) / 50 < len(samples) < 0.8 * len(text) / 50, "the Latin passages are dropped"
    for source, typed, symbols in samples:
        assert restore(typed, symbols) in text or str(source) in restore(typed, symbols)
    assert len(flat(task.batches("train", limit=7))) == 7
    assert [typed for _, typed, _ in samples] != [typed for _, typed, _ in flat(task.batches("train", seed=2))]


def test_shards_are_the_batches_and_can_be_pickled(monkeypatch):
    monkeypatch.setattr(batches, "SAMPLES_PER_SHARD", 9)
    task = TransliterationTask(rules="noise", latin_share=0.5, batch_size=4)
    some = task.batches("demo", limit=30, seed=1)
    pickled = [pickle.dumps(shard) for shard in some.shards()]
    assert max(map(len, pickled)) < 100_000, "a shard contains its own text only"
    read = [pickle.loads(data) for data in pickled]
    assert [shard.samples for shard in read] == [9, 9, 9, 3]
    assert [batch.typed for shard in read for batch in shard] == [batch.typed for batch in some]
    assert [len(batch.typed) for batch in read[0]] == [4, 4, 1]


def test_later_shards_have_new_spellings_and_earlier_ones_stay(monkeypatch):
    monkeypatch.setattr(batches, "SAMPLES_PER_SHARD", 50)
    task = TransliterationTask(rules="chat")
    number = len(task.sentences("demo"))
    few, many = (flat(task.batches("demo", limit=limit)) for limit in (number, 2 * number))
    spellings = {source: [typed for one, typed, _ in many if one == source] for source in range(number)}
    assert {len(samples) for samples in spellings.values()} == {2}
    assert all(typed in spellings[source] for source, typed, _ in few)
    assert sum(first != second for first, second in spellings.values()) > number / 2


def test_capitals_are_in_training_only():
    plain, raised = TransliterationTask(), TransliterationTask(capitals_share=1.0)
    before, after = (sum(str(s).isupper() for batch in one.batches("train") for s in batch.labels["output"])
                     for one in (plain, raised))  # fmt: skip
    assert after > 5 * before
    for one, two in zip(plain.batches("demo"), raised.batches("demo"), strict=True):
        assert one.typed == two.typed
    with pytest.raises(OptionError, match=r"capitals_share must be 0\.\.1, got 2"):
        TransliterationTask(capitals_share=2)
