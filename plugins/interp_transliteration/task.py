"""The task: text to batches of codes with labels, and predictions back to text and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from interp import Batch, CorpusError, OptionError, load_model
from interp_transliteration.batches import Batches
from interp_transliteration.corpora import read_documents, read_split, split_of
from interp_transliteration.mixing import Mixer, latin_words, latin_words_in, raised
from interp_transliteration.pack import UNKNOWN, Pack, load_pack
from interp_transliteration.romanise import Romaniser
from interp_transliteration.scoring import Counts

if TYPE_CHECKING:
    import torch

SPLITS = ("demo", "train", "validation", "test")
IGNORED = -100  # what torch's cross entropy leaves out


@dataclass(frozen=True)
class TextBatch(Batch):
    """A batch with the text behind it.

    Attributes
    ----------
    typed : tuple of str
        What was typed, a string for each sample.
    targets : LongTensor (sample, step)
        Positions in ``pack.outputs``; -100 at padding.
    """

    typed: tuple[str, ...] = ()
    targets: Any = field(default=None, repr=False)


class TransliterationTask:
    """Romanised text to its script, letter by letter.

    Parameters
    ----------
    language : str
        A shipped language pack, or the path of one.
    corpus : path, optional
        A text file, a Wikipedia dump, or a directory of them; gives ``train``, ``validation`` and ``test``. Without it
        the demo sentences are split into these.
    rules : str, optional
        A rule set of the pack, by default its first; ``article+chat`` draws one for each sample.
    batch_size : int
        Samples a batch.
    latin : path, optional
        More Latin words for the passages of ``train``, a text file with white space between them.
    mix : float
        Share of samples with Latin passages between their words, 0..1. One in five of the words stands in
        ``validation``, ``test`` and ``demo`` only.
    capitals : float
        Share of the samples of ``train`` with words all in capitals, as in headlines, 0..1.
    chunk : int
        Letters of each sample of ``train``, which is running text cut in pieces.
    short : float
        Batches of ``train`` that have a few whole words a sample, for one batch of pieces, 0..1.
    """

    name: ClassVar[str] = "transliteration"

    def __init__(
        self,
        *,
        language: str = "hy",
        corpus: str | Path | None = None,
        rules: str | None = None,
        mix: float = 0.0,
        latin: str | Path | None = None,
        batch_size: int = 64,
        chunk: int = 100,
        short: float = 0.0,
        capitals: float = 0.0,
    ) -> None:
        self.pack: Pack = load_pack(language)
        self.corpus = Path(corpus) if corpus is not None else None
        self.rules = rules or next(iter(self.pack.rules))
        self.mix, self.short, self.capitals = mix, short, capitals
        self.latin = Path(latin) if latin is not None else None
        for name, share in {"mix": mix, "short": short, "capitals": capitals}.items():
            if not 0 <= share <= 1:
                raise OptionError(f"{name} must be 0..1, got {share}.")
        self.batch_size = batch_size
        self.chunk = chunk
        self.romaniser = Romaniser(self.pack, [self.pack.choose(name) for name in self.rules.split("+")])
        self._texts: dict[str, list[str]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the text behind: shards bring theirs."""
        return self.__dict__ | {"_texts": {}}

    def sentences(self, split: str) -> list[str]:
        """Return the distinct sentences of a split with at least a third of letters of the script.

        Raises
        ------
        OptionError
            No such split, or one that needs a corpus.
        CorpusError
            No sentence is left.
        """
        if split not in SPLITS:
            raise OptionError(f"No split {split!r}; there are {', '.join(SPLITS)}.")
        if split not in self._texts:
            self._texts[split] = self._read(split)
        return self._texts[split]

    def _read(self, split: str) -> list[str]:
        found = [text for _, text in read_split(self._demo, None)] if split == "demo" else self._split(split)
        path = self._demo if split == "demo" or self.corpus is None else self.corpus
        kept = [text for text in dict.fromkeys(found) if self.pack.share(text) >= 1 / 3]
        if not kept:
            raise CorpusError(
                f"{path} has no sentence in {self.pack.title} script for the split {split!r} "
                f"({len(found)} sentences read); give another corpus or split."
            )
        return kept

    @cached_property
    def _demo(self) -> Path:
        """The demo sentences, which stand beside the pack."""
        path = self.pack.folder / f"demo-{self.pack.name}.txt"
        if not path.is_file():
            raise OptionError(f"The language {self.pack.name!r} has no demo sentences {path}; give corpus=PATH.")
        return path

    def _split(self, split: str) -> list[str]:
        held_out = self._corpus["validation"] + self._corpus["test"]
        unseen = set(held_out) if split == "train" else set()  # some sentences stand in several articles
        return [text for text in self._corpus[split] if text not in unseen]

    @cached_property
    def _corpus(self) -> dict[str, list[str]]:
        texts: dict[str, list[str]] = {split: [] for split in SPLITS[1:]}
        for document in read_documents(self.corpus or self._demo):
            texts[document.split or split_of(document.name)] += document.sentences
        return texts

    def batches(self, split: str, *, limit: int | None = None, seed: int = 0) -> Batches:
        """Return batches that can be iterated again, the same each time.

        Parameters
        ----------
        split : str
            ``demo``; with a corpus ``train`` (chunks of running text), ``validation`` and ``test`` (sentences).
        limit : int, optional
            Samples; distinct sentences first, then further spellings of them, which share their ``source``.
            By default one spelling of each sentence.
        seed : int
            Of the spellings, and of the choice of sentences where the limit leaves some out.
        """
        if limit is not None and limit < 1:
            raise OptionError(f"limit must be at least 1, got {limit}.")
        self.sentences(split)
        return Batches(self, split, limit, seed)

    def mixed(self, texts: Sequence[str], split: str, seed: int) -> list[str]:
        """Return texts of a split with Latin passages in a share `mix` of them, those of ``train`` with capitals."""
        if self.capitals and split == "train":
            texts = raised(self.pack, texts, self.capitals, seed)
        if not self.mix:
            return list(texts)
        words = latin_words(held_out=split != "train")
        if split == "train":
            more = latin_words(self.latin) if self.latin else []
            words += latin_words_in(texts, known=words) + more
        return Mixer(self.pack, tuple(words), self.mix).mix(texts, seed)

    def batch(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], typed: Sequence[str],
              sources: Sequence[int]) -> TextBatch:  # fmt: skip
        """Return a batch of samples given as codes."""
        import torch

        lengths = [codes.size for codes in inputs]
        codes = torch.zeros(len(inputs), max(lengths), dtype=torch.long)
        targets = torch.full_like(codes, IGNORED)
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
        """Return a batch of lines as somebody typed them, with no known outputs (``#`` stands in their place)."""
        inputs = [self._typed_codes(line) for line in lines]
        outputs = [np.full(codes.size, self.pack.outputs.index(UNKNOWN)) for codes in inputs]
        return self.batch(inputs, outputs, lines, range(len(lines)))

    def codes(self, lines: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what a network takes for lines as somebody typed them: codes (sample, step), and lengths (sample,)."""
        import torch

        found = [self._typed_codes(line) for line in lines]
        codes = torch.zeros(len(lines), max(map(len, lines)), dtype=torch.long)
        for row, letters in enumerate(found):
            codes[row, : letters.size] = torch.from_numpy(letters)
        return codes, torch.tensor([letters.size for letters in found])

    def _typed_codes(self, line: str) -> np.ndarray:
        known, unknown = self._input_codes, len(self.pack.inputs) - 1
        return np.array([known.get(" " if char.isspace() else char, unknown) for char in line], dtype=np.int64)

    @cached_property
    def _input_codes(self) -> dict[str, int]:
        return {letter: code for code, letter in enumerate(self.pack.inputs)}

    def loss(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean cross entropy a token, in nats."""
        from torch.nn.functional import cross_entropy

        assert isinstance(batch, TextBatch)  # noqa: S101 (the task makes its own batches)
        return cross_entropy(output.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)

    def decode(self, output: torch.Tensor, batch: Batch) -> list[list[str]]:
        """Return the most probable symbol of each token, a list for each sample."""
        return self._decode(output, batch.lengths or [])

    def _decode(self, output: torch.Tensor, lengths: Sequence[int]) -> list[list[str]]:
        best = output.detach().argmax(-1).cpu().numpy()
        return [self._output_symbols[row[:length]].tolist() for row, length in zip(best, lengths, strict=True)]

    def score(self, predicted: Sequence[Sequence[str]], batch: Batch) -> Mapping[str, float]:
        """Return character error rate, share of words right, and confusions of ambiguous letters."""
        return self.count(predicted, batch).figures()

    def count(self, predicted: Sequence[Sequence[str]], batch: Batch) -> Counts:
        """Return the counts behind `score`; counts of several batches add up."""
        assert isinstance(batch, TextBatch)  # noqa: S101
        assert batch.labels is not None  # noqa: S101
        counts, stop = Counts(self.pack.confusable), 0
        for typed, symbols in zip(batch.typed, predicted, strict=True):
            start, stop = stop, stop + len(typed)
            counts.add(typed, list(batch.labels["output"][start:stop]), symbols)
        return counts

    def build_model(self, name: str) -> torch.nn.Module:
        """Return a fresh network of a registered architecture, with the alphabets of the language.

        Its weights are drawn by torch's generator: seed that first.

        Raises
        ------
        OptionError
            An architecture that is made for other alphabets and can't be made anew for these.
        """
        import torch

        anew = getattr(load_model(name, untrained=0), "for_symbols", None)
        if anew is not None:
            return cast("torch.nn.Module", anew(self.pack.inputs, self.pack.outputs)).eval()
        network = load_model(name, untrained=int(torch.randint(2**31, ())))
        if getattr(network, "symbols", {}).get("output") != list(self.pack.outputs):
            raise OptionError(
                f"The model {name!r} is made for other alphabets than {self.pack.title}'s, and has no method "
                "for_symbols(inputs, outputs) that makes it anew."
            )
        return network
