"""Batches of one split: whole sentences, or chunks of running text for training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from interp import Batch, OptionError
from interp_transliteration.languages.romaniser import EncodedSamples, Romaniser, split_samples

MAX_SHORT_WORDS = 6  # words of a short sample
SAMPLES_PER_SHARD = 4_096  # held in memory at a time
MIN_SCRIPT_SHARE = 1 / 3  # of a sentence or chunk


@dataclass(frozen=True)
class TextBatch(Batch):
    """A batch with its text.

    Attributes
    ----------
    typed : tuple of str
        Typed text of each sample.
    targets : LongTensor (sample, step)
        Positions in ``pack.outputs``; -100 at padding.
    """

    typed: tuple[str, ...] = ()
    targets: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class Sampler:
    """Converts texts into samples and batches.

    Parameters
    ----------
    romaniser : Romaniser
        Spells the texts.
    augment : callable
        Function ``(texts, split, seed)`` that returns the texts with Latin passages and capitals.
    make_batch : callable
        Function ``(inputs, outputs, typed, sources)`` that returns a `TextBatch` of samples given as codes.
    batch_size : int
        Number of samples per batch.
    chunk_length : int
        Number of letters per sample of ``train``.
    short_share : float
        Probability of a batch of short samples before each batch of ``train``, 0..1.
    """

    romaniser: Romaniser
    augment: Callable[[Sequence[str], str, int], list[str]]
    make_batch: Callable[[Sequence[np.ndarray], Sequence[np.ndarray], Sequence[str], Sequence[int]], TextBatch]
    batch_size: int
    chunk_length: int
    short_share: float

    def encode(self, texts: Sequence[str], split: str, seed: int) -> EncodedSamples:
        """Return one spelling of each text."""
        return self.romaniser.encode(self.augment(texts, split, seed), seed)


class Batches:
    """Batches of one split, limit and seed; every iteration gives the same batches.

    Parameters
    ----------
    sentences : callable
        Function from a split to its sentences.
    sampler : Sampler
    split : str
    limit : int or None
        Number of samples.
    seed : int
        Random seed.
    attrs : mapping
        Provenance.

    Attributes
    ----------
    attrs : dict
        Provenance: task, language, rules, split, limit, seed, and the shares that are not 0.
    fingerprint : str
        Changes with the text, the rules, the limit or the seed.
    """

    def __init__(
        self,
        sentences: Callable[[str], list[str]],
        sampler: Sampler,
        split: str,
        limit: int | None,
        seed: int,
        attrs: Mapping[str, str | int | float],
    ) -> None:
        self.split, self.limit, self.seed, self.attrs = split, limit, seed, dict(attrs)
        self._sentences, self._sampler = sentences, sampler

    @cached_property
    def fingerprint(self) -> str:
        """A sha256 of the text and of `attrs`."""
        digest = sha256(repr(sorted(self.attrs.items())).encode())
        for text in self._sentences(self.split):
            digest.update(text.encode() + b"\n")
        return digest.hexdigest()

    def __iter__(self) -> Iterator[TextBatch]:
        return self._iter_chunks() if self.split == "train" else self._iter_sentences()

    def __len__(self) -> int:
        """Return the number of samples; for ``train``, where it is not fixed, the number of sentences."""
        return self.limit or len(self._sentences(self.split))

    def _iter_sentences(self) -> Iterator[TextBatch]:
        for shard in self.shards():
            yield from shard

    def shards(self) -> Iterator[Shard]:
        """Yield independent shards of `SAMPLES_PER_SHARD` samples, in the order of the batches.

        Raises
        ------
        OptionError
            For ``train``, which is running text.
        """
        if self.split == "train":
            raise OptionError("The split train is running text and has no shards: read it in one process.")
        texts = self._sentences(self.split)
        order = np.arange(len(texts))
        if self.limit is not None and self.limit < len(texts):
            order = np.sort(np.random.default_rng([self.seed, 2]).permutation(len(texts))[: self.limit])
        for start in range(0, self.limit or len(texts), SAMPLES_PER_SHARD):
            stop = min(start + SAMPLES_PER_SHARD, self.limit or len(texts))
            yield Shard(self._sampler, self.split, tuple(self._runs(texts, order, start, stop)))

    def _runs(self, texts: list[str], order: np.ndarray, start: int, stop: int) -> Iterator[SentenceRun]:
        """Yield the samples from `start` to `stop` as runs of sentences, each with its own seed."""
        while start < stop:
            replica, first = divmod(start, len(order))
            sources = order[first : first + stop - start]
            yield SentenceRun([texts[i] for i in sources], sources, self.seed + 1_000_003 * replica + (first << 40))
            start += len(sources)

    def _iter_chunks(self) -> Iterator[TextBatch]:
        """Yield running text, shuffled and cut into chunks; each seed gives other spellings and other cuts."""
        generator = np.random.default_rng([self.seed, 3])
        texts, sampler = self._sentences(self.split), self._sampler
        order = generator.permutation(len(texts))
        augmented = sampler.augment([texts[i] for i in order], self.split, self.seed)
        encoded = sampler.romaniser.encode([text + " " for text in augmented], self.seed)
        size, skip = sampler.chunk_length, int(generator.integers(sampler.chunk_length))
        rows = self._script_chunks(encoded, skip, (encoded.inputs.size - skip) // size)
        generator.shuffle(rows)
        rows = rows[: self.limit]
        source = np.repeat(order, encoded.lengths)
        for start in range(0, len(rows), sampler.batch_size):
            if sampler.short_share and generator.random() < sampler.short_share:
                yield self._make_batch(encoded, source, *self._short_samples(encoded, generator))
            yield self._make_batch(encoded, source, skip + rows[start : start + sampler.batch_size] * size, size)

    def _make_batch(self, encoded: EncodedSamples, source: np.ndarray, starts: np.ndarray, size: int) -> TextBatch:
        spans = [slice(start, start + size) for start in starts.tolist()]
        return self._sampler.make_batch(
            [encoded.inputs[span] for span in spans],
            [encoded.outputs[span] for span in spans],
            [encoded.typed[span] for span in spans],
            source[starts].tolist(),
        )

    def _short_samples(self, encoded: EncodedSamples, generator: np.random.Generator) -> tuple[np.ndarray, int]:
        """Return the starts of runs of whole words of one length, and that length.

        A batch has about as many letters as other batches.
        """
        space = self._sampler.romaniser.pack.inputs.index(" ")
        is_space = np.concatenate([[True], encoded.inputs == space, [True]])
        begins, ends = (np.flatnonzero(edge) for edge in (is_space[:-1] & ~is_space[1:], is_space[1:] & ~is_space[:-1]))
        first = int(generator.integers(begins.size))
        last = min(first + int(generator.integers(MAX_SHORT_WORDS)), ends.size - 1)
        size = int(ends[last] - begins[first])
        starts = begins[np.isin(begins + size, ends)]
        return generator.choice(starts, max(1, self._sampler.batch_size * self._sampler.chunk_length // size)), size

    def _script_chunks(self, encoded: EncodedSamples, skip: int, n_chunks: int) -> np.ndarray:
        """Return the numbers of the chunks with at least a third of letters of the script."""
        size, pack = self._sampler.chunk_length, self._sampler.romaniser.pack
        symbols = encoded.outputs[skip : skip + n_chunks * size].reshape(n_chunks, size)
        is_script = (symbols <= len(pack.units)) | (symbols >= len(pack.plain))  # `_`, the units, and the fused ones
        return np.flatnonzero(is_script.mean(1) >= MIN_SCRIPT_SHARE)


class SentenceRun(NamedTuple):
    """Sentences that are spelled together, with one seed."""

    texts: list[str]
    sources: np.ndarray
    seed: int


@dataclass(frozen=True)
class Shard:
    """Some samples of a split, with everything that makes their batches; every iteration gives the same batches."""

    sampler: Sampler
    split: str
    runs: tuple[SentenceRun, ...]

    @property
    def samples(self) -> int:
        """Number of samples."""
        return sum(len(run.texts) for run in self.runs)

    def __iter__(self) -> Iterator[TextBatch]:
        samples = sorted(self._samples(), key=lambda sample: len(sample[2]))  # stable; keeps the padding small
        size = self.sampler.batch_size
        for start in range(0, len(samples), size):
            yield self.sampler.make_batch(*zip(*samples[start : start + size], strict=True))

    def _samples(self) -> Iterator[tuple[np.ndarray, np.ndarray, str, int]]:
        for texts, sources, seed in self.runs:
            encoded = self.sampler.encode(texts, self.split, seed)
            for source, sample in zip(sources.tolist(), split_samples(encoded), strict=True):
                yield (*sample, source)
