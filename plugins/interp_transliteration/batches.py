"""Batches of one split: sentences as they are, or chunks of running text for training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from interp import OptionError
from interp_transliteration.romanise import Encoded, split_samples

if TYPE_CHECKING:
    from interp_transliteration.task import TextBatch, TransliterationTask

LONGEST = 6  # words of a short sample
SHARD = 4_096  # samples that are in memory at once


class Batches:
    """The batches of one split, limit and seed; iterating again gives the same.

    Attributes
    ----------
    attrs : dict
        Provenance: task, language, rules, split, limit, seed.
    fingerprint : str
        Changes with the text, the rules, the limit or the seed.
    """

    def __init__(self, task: TransliterationTask, split: str, limit: int | None, seed: int) -> None:
        self.task, self.split, self.limit, self.seed = task, split, limit, seed
        self.attrs: dict[str, str | int | float] = {
            "task": task.name,
            "language": task.pack.name,
            "rules": task.rules,
            "corpus": task.corpus.name if task.corpus and split != "demo" else "demo",
            "split": split,
            "limit": -1 if limit is None else limit,
            "seed": seed,
        }
        self.attrs |= {
            key: share
            for key, share in (("mix", task.mix), ("short", task.short), ("capitals", task.capitals))
            if share
        }

    @cached_property
    def fingerprint(self) -> str:
        """A sha256 of the text and of `attrs`."""
        digest = sha256(repr(sorted(self.attrs.items())).encode())
        for text in self.task.sentences(self.split):
            digest.update(text.encode() + b"\n")
        return digest.hexdigest()

    def __iter__(self) -> Iterator[TextBatch]:
        return self._chunks() if self.split == "train" else self._sentences()

    def __len__(self) -> int:
        """Return the number of samples; of ``train``, which has no fixed one, the number of sentences."""
        return self.limit or len(self.task.sentences(self.split))

    def _sentences(self) -> Iterator[TextBatch]:
        for shard in self.shards():
            yield from shard

    def shards(self) -> Iterator[Shard]:
        """Yield the samples in runs of `SHARD`, each of which can be read by itself, in the order of the batches.

        Raises
        ------
        OptionError
            For ``train``, which is running text.
        """
        if self.split == "train":
            raise OptionError("The split train is running text and has no shards: read it in one process.")
        texts = self.task.sentences(self.split)
        order = np.arange(len(texts))
        if self.limit is not None and self.limit < len(texts):
            order = np.sort(np.random.default_rng([self.seed, 2]).permutation(len(texts))[: self.limit])
        for start in range(0, self.limit or len(texts), SHARD):
            stop = min(start + SHARD, self.limit or len(texts))
            yield Shard(self.task, self.split, tuple(self._pieces(texts, order, start, stop)))

    def _pieces(self, texts: list[str], order: np.ndarray, start: int, stop: int) -> Iterator[Piece]:
        """Yield the samples from one to another: runs of sentences, each with a seed of its own."""
        while start < stop:
            replica, first = divmod(start, len(order))
            sources = order[first : first + stop - start]
            yield Piece([texts[i] for i in sources], sources, self.seed + 1_000_003 * replica + (first << 40))
            start += len(sources)

    def _chunks(self) -> Iterator[TextBatch]:
        """Yield running text, shuffled and cut in pieces; another spelling and other cuts for each seed."""
        generator = np.random.default_rng([self.seed, 3])
        texts = self.task.sentences(self.split)
        order = generator.permutation(len(texts))
        written = self.task.mixed([texts[i] for i in order], self.split, self.seed)
        encoded = self.task.romaniser.encode([text + " " for text in written], self.seed)
        size, skip = self.task.chunk, int(generator.integers(self.task.chunk))
        pieces = (encoded.inputs.size - skip) // size
        rows = self._scripted_enough(encoded, skip, pieces)
        generator.shuffle(rows)
        rows = rows[: self.limit]
        source = np.repeat(order, encoded.lengths)
        for start in range(0, len(rows), self.task.batch_size):
            if self.task.short and generator.random() < self.task.short:
                yield self._cut(encoded, source, *self._short(encoded, generator))
            yield self._cut(encoded, source, skip + rows[start : start + self.task.batch_size] * size, size)

    def _cut(self, encoded: Encoded, source: np.ndarray, starts: np.ndarray, size: int) -> TextBatch:
        cuts = [slice(start, start + size) for start in starts.tolist()]
        return self.task.batch(
            [encoded.inputs[cut] for cut in cuts],
            [encoded.outputs[cut] for cut in cuts],
            [encoded.typed[cut] for cut in cuts],
            source[starts].tolist(),
        )

    def _short(self, encoded: Encoded, generator: np.random.Generator) -> tuple[np.ndarray, int]:
        """Return where runs of whole words of one length begin, and the length; as many letters as in other batches."""
        space = np.concatenate([[True], encoded.inputs == self.task.pack.inputs.index(" "), [True]])
        begins, ends = (np.flatnonzero(edge) for edge in (space[:-1] & ~space[1:], space[1:] & ~space[:-1]))
        first = int(generator.integers(begins.size))
        last = min(first + int(generator.integers(LONGEST)), ends.size - 1)
        size = int(ends[last] - begins[first])
        starts = begins[np.isin(begins + size, ends)]
        return generator.choice(starts, max(1, self.task.batch_size * self.task.chunk // size)), size

    def _scripted_enough(self, encoded: Encoded, skip: int, pieces: int) -> np.ndarray:
        symbols = encoded.outputs[skip : skip + pieces * self.task.chunk].reshape(pieces, self.task.chunk)
        pack = self.task.pack
        scripted = (symbols <= len(pack.units)) | (symbols >= len(pack.plain))  # `_`, the units, and the fused
        return np.flatnonzero(scripted.mean(1) >= 1 / 3)


class Piece(NamedTuple):
    """Some sentences that are spelled together: a spelling each, by one seed."""

    texts: list[str]
    sources: np.ndarray
    seed: int


@dataclass(frozen=True)
class Shard:
    """Some samples of a split, with all that it takes to make their batches; iterating again gives the same."""

    task: TransliterationTask
    split: str
    pieces: tuple[Piece, ...]

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return sum(len(piece.texts) for piece in self.pieces)

    def __iter__(self) -> Iterator[TextBatch]:
        samples = sorted(self._samples(), key=lambda sample: len(sample[2]))  # stable; little padding in a batch
        for start in range(0, len(samples), self.task.batch_size):
            yield self.task.batch(*zip(*samples[start : start + self.task.batch_size], strict=True))

    def _samples(self) -> Iterator[tuple[np.ndarray, np.ndarray, str, int]]:
        for texts, sources, seed in self.pieces:
            encoded = self.task.romaniser.encode(self.task.mixed(texts, self.split, seed), seed)
            for source, sample in zip(sources.tolist(), split_samples(encoded), strict=True):
                yield (*sample, source)
