"""Tracks: the same sentences for every seed, and Latin passages between their words."""

import pytest

from interp import OptionError
from interp_transliteration.evaluation.tracks import insert_passages, iter_samples, list_tracks
from interp_transliteration.task import TransliterationTask

TASK = TransliterationTask()


def test_samples_are_sentences_with_their_spelling():
    samples = list(iter_samples(TASK, "demo", limit=20, seed=1))
    assert [" ".join(sample.expected) for sample in samples] == [TASK.sentences("demo")[one.source] for one in samples]
    again = list(iter_samples(TASK, "demo", limit=20, seed=2))
    assert [one.source for one in samples] == [one.source for one in again], "the same sentences for every seed"
    assert sum(one.line != other.line for one, other in zip(samples, again, strict=True)) > 10
    with pytest.raises(OptionError, match="limit must be at least 1, got 0"):
        list(iter_samples(TASK, "demo", limit=0))


def test_latin_stands_between_words_that_stay_the_same():
    plain = list(iter_samples(TASK, "demo", limit=50))
    for before, after in zip(plain, insert_passages(TASK, plain, seed=3), strict=True):
        own = [word for word, added in zip(after.typed, after.is_passage, strict=True) if not added]
        assert own == list(before.typed)
        assert 0 < sum(after.is_passage) <= 12
        added = [(t, e) for t, e, is_new in zip(after.typed, after.expected, after.is_passage, strict=True) if is_new]
        assert all(e == t or "-" in t or "’" in t for t, e in added), "Latin, or Latin with an ending in script"


def test_tracks_are_the_rule_sets_and_code_mix():
    assert list_tracks(TASK) == ["article", "chat", "noise", "bgn", "ala-lc", "iso", "code-mix"]
