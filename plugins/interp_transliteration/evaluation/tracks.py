"""Evaluation tracks: the same sentences spelled by each rule set, and with Latin passages between their words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from interp import OptionError
from interp_transliteration.languages.code_mixing import CodeMixer, load_latin_words
from interp_transliteration.languages.romaniser import restore
from interp_transliteration.task import TransliterationTask

CODE_MIX = "code-mix"  # the track with Latin passages


@dataclass(frozen=True)
class Sample:
    """A sentence as typed, and its reference, word by word.

    Attributes
    ----------
    source : int
        Number of the sentence.
    typed, expected : tuple of str
        Words, separated by spaces.
    is_passage : tuple of bool
        Whether the word is part of an inserted Latin passage.
    """

    source: int
    typed: tuple[str, ...]
    expected: tuple[str, ...]
    is_passage: tuple[bool, ...]

    @property
    def line(self) -> str:
        """The typed sentence."""
        return " ".join(self.typed)


def list_tracks(task: TransliterationTask) -> list[str]:
    """Return the names of the tracks of a language: its rule sets, and ``code-mix``."""
    return [*task.pack.rules, CODE_MIX]


def iter_samples(task: TransliterationTask, split: str, *, limit: int | None = None, seed: int = 0) -> Iterator[Sample]:
    """Yield the sentences of a split in one spelling each, by the rules of the task.

    Parameters
    ----------
    task : TransliterationTask
    split : str
    limit : int, optional
        Number of sentences; their choice does not depend on the seed. Default: all.
    seed : int
        Random seed of the spellings.
    """
    if limit is not None and limit < 1:
        raise OptionError(f"limit must be at least 1, got {limit}.")
    texts = task.sentences(split)
    for number in np.sort(np.random.default_rng(2).permutation(len(texts))[:limit]).tolist():
        typed, expected = spell_words(task, texts[number], seed * 1_000_003 + number)
        yield Sample(number, typed, expected, (False,) * len(typed))


def spell_words(task: TransliterationTask, text: str, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a text as typed and as expected."""
    aligned = task.romaniser.align(text, seed)
    return tuple(aligned.latin.split(" ")), tuple(restore(aligned.latin, aligned.symbols).split(" "))


def insert_passages(task: TransliterationTask, plain: Sequence[Sample], seed: int) -> Iterator[Sample]:
    """Yield the samples with one to three Latin passages each, of words that are held out from training."""
    mixer = CodeMixer(task.pack, tuple(load_latin_words(held_out=True)), 1.0)
    for sample in plain:
        generator = np.random.default_rng([seed, sample.source, 7])
        words = list(zip(sample.typed, sample.expected, sample.is_passage, strict=True))
        for _ in range(int(generator.integers(1, 4))):
            typed, expected = spell_words(task, mixer.passage(generator), int(generator.integers(2**31)))
            position = int(generator.integers(0, len(words) + 1))
            words[position:position] = zip(typed, expected, (True,) * len(typed), strict=True)
        yield Sample(sample.source, *zip(*words, strict=True))
