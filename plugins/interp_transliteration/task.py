"""The transliteration task: from text to batches of codes, and from predictions to text and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from interp import Batch, CorpusError, OptionError, load_model
from interp_transliteration.batches import MIN_SCRIPT_SHARE, Batches, Sampler, TextBatch
from interp_transliteration.corpora.corpus import assign_split, read_documents, read_split
from interp_transliteration.evaluation.metrics import ErrorCounts
from interp_transliteration.languages.code_mixing import (
    CodeMixer,
    add_capitals,
    extract_latin_words,
    load_latin_words,
)
from interp_transliteration.languages.pack import UNKNOWN, Pack, load_pack
from interp_transliteration.languages.romaniser import Romaniser

if TYPE_CHECKING:
    import torch

SPLITS = ("demo", "train", "validation", "test")
IGNORE_INDEX = -100  # target that torch's cross entropy ignores


class TransliterationTask:
    """Romanised text to its script, letter by letter.

    Parameters
    ----------
    language : str
        Name of a shipped language pack, or the path of one.
    corpus : path, optional
        A text file, a Wikipedia dump, or a directory of them, split into ``train``, ``validation`` and ``test``.
        Default: the demo sentences.
    rules : str, optional
        Rule set of the pack; several joined with ``+``, such as ``article+chat``, of which each sample draws one.
        Default: the first one.
    batch_size : int
        Number of samples per batch.
    latin : path, optional
        Text file with further Latin words, separated by white space, for the passages of ``train``.
    latin_share : float
        Share of samples with Latin passages between their words, 0..1. One word in five is held out from ``train``
        and used in ``validation``, ``test`` and ``demo`` only.
    capitals_share : float
        Share of the samples of ``train`` with words all in capitals, as in headlines, 0..1.
    chunk_length : int
        Number of letters per sample of ``train``, which is running text cut into chunks.
    short_share : float
        Number of batches of ``train`` with a few whole words per sample, per batch of chunks, 0..1.
    """

    name: ClassVar[str] = "transliteration"

    def __init__(
        self,
        *,
        language: str = "hy",
        corpus: str | Path | None = None,
        rules: str | None = None,
        latin_share: float = 0.0,
        latin: str | Path | None = None,
        batch_size: int = 64,
        chunk_length: int = 100,
        short_share: float = 0.0,
        capitals_share: float = 0.0,
    ) -> None:
        self.pack: Pack = load_pack(language)
        self.corpus = Path(corpus) if corpus is not None else None
        self.rules = rules or next(iter(self.pack.rules))
        self.latin = Path(latin) if latin is not None else None
        self.shares = {"latin_share": latin_share, "short_share": short_share, "capitals_share": capitals_share}
        for name, share in self.shares.items():
            if not 0 <= share <= 1:
                raise OptionError(f"{name} must be 0..1, got {share}.")
        self.batch_size = batch_size
        self.chunk_length = chunk_length
        self.romaniser = Romaniser(self.pack, [self.pack.rule_set(name) for name in self.rules.split("+")])
        self._texts: dict[str, list[str]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the texts: shards contain their own."""
        return {name: value for name, value in self.__dict__.items() if name != "_corpus_texts"} | {"_texts": {}}

    def sentences(self, split: str) -> list[str]:
        """Return the distinct sentences of a split of which at least a third are letters of the script.

        Raises
        ------
        OptionError
            If there is no such split, or no demo sentences and no corpus.
        CorpusError
            If no sentence is left.
        """
        if split not in SPLITS:
            raise OptionError(f"No split {split!r}; there are {', '.join(SPLITS)}.")
        if split not in self._texts:
            self._texts[split] = self._read(split)
        return self._texts[split]

    def _read(self, split: str) -> list[str]:
        texts = [text for _, text in read_split(self._demo_path, None)] if split == "demo" else self._read_corpus(split)
        path = self._demo_path if split == "demo" or self.corpus is None else self.corpus
        sentences = [text for text in dict.fromkeys(texts) if self.pack.script_share(text) >= MIN_SCRIPT_SHARE]
        if not sentences:
            raise CorpusError(
                f"{path} has no sentence in {self.pack.title} script for the split {split!r} "
                f"({len(texts)} sentences read); give another corpus or split."
            )
        return sentences

    @cached_property
    def _demo_path(self) -> Path:
        """Path of the demo sentences, in the folder of the pack."""
        path = self.pack.folder / f"demo-{self.pack.name}.txt"
        if not path.is_file():
            raise OptionError(f"The language {self.pack.name!r} has no demo sentences {path}; give corpus=PATH.")
        return path

    def _read_corpus(self, split: str) -> list[str]:
        held_out = self._corpus_texts["validation"] + self._corpus_texts["test"]
        excluded = set(held_out) if split == "train" else set()  # some sentences occur in several articles
        return [text for text in self._corpus_texts[split] if text not in excluded]

    @cached_property
    def _corpus_texts(self) -> dict[str, list[str]]:
        texts: dict[str, list[str]] = {split: [] for split in SPLITS[1:]}
        for document in read_documents(self.corpus or self._demo_path):
            texts[document.split or assign_split(document.name)] += document.sentences
        return texts

    def batches(self, split: str, *, limit: int | None = None, seed: int = 0) -> Batches:
        """Return batches; every iteration over them gives the same.

        Parameters
        ----------
        split : str
            ``demo``, ``train`` (chunks of running text), ``validation`` or ``test`` (sentences).
        limit : int, optional
            Number of samples: distinct sentences first, then further spellings of them, which share their ``source``.
            Default: one spelling of each sentence.
        seed : int
            Random seed of the spellings, and of the choice of sentences if `limit` is smaller than their number.
        """
        if limit is not None and limit < 1:
            raise OptionError(f"limit must be at least 1, got {limit}.")
        self.sentences(split)
        sampler = Sampler(
            self.romaniser, self.augment, self.make_batch, self.batch_size, self.chunk_length,
            self.shares["short_share"],
        )  # fmt: skip
        return Batches(self.sentences, sampler, split, limit, seed, self._provenance(split, limit, seed))

    def _provenance(self, split: str, limit: int | None, seed: int) -> dict[str, str | int | float]:
        attrs: dict[str, str | int | float] = {
            "task": self.name,
            "language": self.pack.name,
            "rules": self.rules,
            "corpus": self.corpus.name if self.corpus and split != "demo" else "demo",
            "split": split,
            "limit": -1 if limit is None else limit,
            "seed": seed,
        }
        return attrs | {name: share for name, share in self.shares.items() if share}

    def augment(self, texts: Sequence[str], split: str, seed: int) -> list[str]:
        """Return texts of a split, a share of them with Latin passages and, in ``train``, with capitals."""
        if self.shares["capitals_share"] and split == "train":
            texts = add_capitals(self.pack, texts, self.shares["capitals_share"], seed)
        if not self.shares["latin_share"]:
            return list(texts)
        words = load_latin_words(held_out=split != "train")
        if split == "train":
            more = load_latin_words(self.latin) if self.latin else []
            words += extract_latin_words(texts, exclude=words) + more
        return CodeMixer(self.pack, tuple(words), self.shares["latin_share"]).mix(texts, seed)

    def make_batch(
        self,
        inputs: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        typed: Sequence[str],
        sources: Sequence[int],
    ) -> TextBatch:
        """Return a batch of samples given as codes."""
        import torch

        lengths = [codes.size for codes in inputs]
        codes = torch.zeros(len(inputs), max(lengths), dtype=torch.long)
        targets = torch.full_like(codes, IGNORE_INDEX)
        for row, (letters, symbols) in enumerate(zip(inputs, outputs, strict=True)):
            codes[row, : letters.size] = torch.from_numpy(letters.astype(np.int64))
            targets[row, : symbols.size] = torch.from_numpy(symbols.astype(np.int64))
        labels = {
            "input": self._input_symbols[np.concatenate(inputs)],
            "output": self._output_symbols[np.concatenate(outputs)],
            "source": np.repeat(np.asarray(sources, dtype=np.int32), lengths),
        }
        return TextBatch(
            inputs=(codes, torch.tensor(lengths)),
            lengths=lengths,
            labels=labels,
            decode=lambda output: [symbol for sample in self._decode(output, lengths) for symbol in sample],
            typed=tuple(typed),
            targets=targets,
        )

    @cached_property
    def _input_symbols(self) -> np.ndarray:
        return np.array(self.pack.inputs)

    @cached_property
    def _output_symbols(self) -> np.ndarray:
        return np.array(self.pack.outputs)

    def typed_batch(self, lines: Sequence[str]) -> TextBatch:
        """Return a batch of typed lines whose outputs are unknown (all ``#``)."""
        inputs = [self._letter_codes(line) for line in lines]
        outputs = [np.full(codes.size, self.pack.outputs.index(UNKNOWN)) for codes in inputs]
        return self.make_batch(inputs, outputs, lines, range(len(lines)))

    def encode_lines(self, lines: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the inputs of a network for typed lines: codes (sample, step), and lengths (sample,)."""
        import torch

        rows = [self._letter_codes(line) for line in lines]
        codes = torch.zeros(len(lines), max(map(len, lines)), dtype=torch.long)
        for row, letters in enumerate(rows):
            codes[row, : letters.size] = torch.from_numpy(letters)
        return codes, torch.tensor([letters.size for letters in rows])

    def _letter_codes(self, line: str) -> np.ndarray:
        codes, unknown = self._input_codes, len(self.pack.inputs) - 1
        return np.array([codes.get(" " if char.isspace() else char, unknown) for char in line], dtype=np.int64)

    @cached_property
    def _input_codes(self) -> dict[str, int]:
        return {letter: code for code, letter in enumerate(self.pack.inputs)}

    def loss(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean cross entropy per token, in nats."""
        from torch.nn.functional import cross_entropy

        assert isinstance(batch, TextBatch)  # noqa: S101 (the task makes its own batches)
        return cross_entropy(output.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE_INDEX)

    def decode(self, output: torch.Tensor, batch: Batch) -> list[list[str]]:
        """Return the most probable symbol of each token, one list per sample."""
        return self._decode(output, batch.lengths or [])

    def _decode(self, output: torch.Tensor, lengths: Sequence[int]) -> list[list[str]]:
        best = output.detach().argmax(-1).cpu().numpy()
        return [self._output_symbols[row[:length]].tolist() for row, length in zip(best, lengths, strict=True)]

    def score(self, predicted: Sequence[Sequence[str]], batch: Batch) -> Mapping[str, float]:
        """Return character error rate, share of correct words, and confusions of ambiguous letters."""
        return self.count(predicted, batch).figures()

    def count(self, predicted: Sequence[Sequence[str]], batch: Batch) -> ErrorCounts:
        """Return the counts behind `score`; counts of several batches can be added."""
        assert isinstance(batch, TextBatch)  # noqa: S101
        assert batch.labels is not None  # noqa: S101
        counts, stop = ErrorCounts(self.pack.confusable), 0
        for typed, symbols in zip(batch.typed, predicted, strict=True):
            start, stop = stop, stop + len(typed)
            counts.add(typed, list(batch.labels["output"][start:stop]), symbols)
        return counts

    def build_model(self, name: str) -> torch.nn.Module:
        """Return a fresh network of a registered architecture, with the alphabets of the language.

        Its weights are drawn with torch's global generator: seed that first.

        Raises
        ------
        OptionError
            If the architecture has other alphabets and can't be built for these.
        """
        import torch

        build = getattr(load_model(name, random_init=0), "for_symbols", None)
        if build is not None:
            return cast("torch.nn.Module", build(self.pack.inputs, self.pack.outputs)).eval()
        network = load_model(name, random_init=int(torch.randint(2**31, ())))
        if getattr(network, "symbols", {}).get("output") != list(self.pack.outputs):
            raise OptionError(
                f"The model {name!r} has other alphabets than {self.pack.title}, and no method "
                "for_symbols(inputs, outputs) that returns it for these."
            )
        return network
