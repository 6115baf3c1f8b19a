"""What is measured: the same sentences spelled by different rules, and with Latin between their words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from interp import OptionError
from interp_transliteration.mixing import Mixer, latin_words
from interp_transliteration.romanise import restore
from interp_transliteration.task import TransliterationTask

CODE_MIX = "code-mix"  # the name of the track with Latin passages


@dataclass(frozen=True)
class Sample:
    """A sentence as it is typed, and what is expected, word by word.

    Attributes
    ----------
    source : int
        The sentence's number.
    typed, expected : tuple of str
        Its words, up to spaces.
    added : tuple of bool
        Which of them are Latin passages that were put between the words of the sentence.
    """

    source: int
    typed: tuple[str, ...]
    expected: tuple[str, ...]
    added: tuple[bool, ...]

    @property
    def line(self) -> str:
        """What is typed."""
        return " ".join(self.typed)


def tracks_of(task: TransliterationTask) -> list[str]:
    """Return the names of the tracks of a language: its rule sets, and ``code-mix``."""
    return [*task.pack.rules, CODE_MIX]


def samples(task: TransliterationTask, split: str, *, limit: int | None = None, seed: int = 0) -> Iterator[Sample]:
    """Yield sentences of a split in one spelling each, by the rules of the task.

    Parameters
    ----------
    task : TransliterationTask
    split : str
    limit : int, optional
        Sentences; which ones is the same for every seed.
    seed : int
        Of the spellings.
    """
    if limit is not None and limit < 1:
        raise OptionError(f"limit must be at least 1, got {limit}.")
    texts = task.sentences(split)
    for number in np.sort(np.random.default_rng(2).permutation(len(texts))[:limit]).tolist():
        typed, expected = spelled(task, texts[number], seed * 1_000_003 + number)
        yield Sample(number, typed, expected, (False,) * len(typed))


def spelled(task: TransliterationTask, text: str, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a text as they are typed and as they are expected."""
    aligned = task.romaniser.align(text, seed)
    return tuple(aligned.latin.split(" ")), tuple(restore(aligned.latin, aligned.symbols).split(" "))


def mixed(task: TransliterationTask, plain: Sequence[Sample], seed: int) -> Iterator[Sample]:
    """Yield samples with one to three Latin passages each, of words that are never trained on."""
    mixer = Mixer(task.pack, tuple(latin_words(held_out=True)), 1.0)
    for sample in plain:
        draw = np.random.default_rng([seed, sample.source, 7])
        words = list(zip(sample.typed, sample.expected, sample.added, strict=True))
        for _ in range(int(draw.integers(1, 4))):
            typed, expected = spelled(task, mixer.passage(draw), int(draw.integers(2**31)))
            place = int(draw.integers(0, len(words) + 1))
            words[place:place] = zip(typed, expected, (True,) * len(typed), strict=True)
        yield Sample(sample.source, *zip(*words, strict=True))
