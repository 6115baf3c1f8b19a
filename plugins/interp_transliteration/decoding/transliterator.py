"""Transliteration of romanised lines with a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp import OptionError, load_model, load_task, load_weights
from interp_transliteration.baselines.baselines import CharacterNGram
from interp_transliteration.baselines.ngram import NGram
from interp_transliteration.decoding.confidence import LineReading, make_reading
from interp_transliteration.decoding.fusion import KeepLatinDecision, NGramFusion
from interp_transliteration.decoding.latin_words import LatinWordFilter
from interp_transliteration.languages.romaniser import restore
from interp_transliteration.task import TransliterationTask

if TYPE_CHECKING:
    import torch

MAX_PIECE_LENGTH = 1_000  # letters of a line that the network reads at a time


class Transliterator:
    """Converts romanised lines to their script.

    Parameters
    ----------
    model : str or Module
        Name of a registered model of the task ``transliteration``, or a module.
    language : str
        Name of the language pack, or its path.
    weights : path, optional
        Weights for the registered model, instead of its own.
    keep_latin : bool
        Whether words that the network takes for Latin stay as typed, see `LatinWordFilter`.
    rules : str, optional
        Rule sets that the beam search assumes for the typing, joined with ``+``. Default: all of the language.
    beam_width : int
        Number of paths of a beam search with the network and the n-gram of the model; 0 uses the network alone.

    Raises
    ------
    OptionError
        If the alphabets of the model are not those of the pack, or a beam search is requested for a model without an
        n-gram.
    """

    def __init__(
        self,
        *,
        model: str | torch.nn.Module = "armenian-bilstm",
        language: str = "hy",
        weights: str | Path | None = None,
        keep_latin: bool = True,
        rules: str | None = None,
        beam_width: int = 0,
    ) -> None:
        task = load_task("transliteration", language=language)
        assert isinstance(task, TransliterationTask)  # noqa: S101 (registered by this plugin)
        self.task = task
        self.network = _load_network(task, model, weights)
        symbols = getattr(self.network, "symbols", {}).get("output")
        if symbols not in (list(task.pack.plain), list(task.pack.outputs)):
            raise OptionError(f"The model {model!r} does not write the alphabet of the language {language!r}.")
        self.latin_filter = LatinWordFilter(task.pack, keep_latin=keep_latin)
        self._fusion = NGramFusion(self._load_ngram(rules, beam_width)) if beam_width else None

    def _load_ngram(self, rules: str | None, beam_width: int) -> CharacterNGram:
        path = getattr(self.network, "ngram", None)
        if path is None:
            raise OptionError("This model has no n-gram for a beam search; use armenian-bilstm-large or beam_width=0.")
        pack = self.task.pack
        rule_sets = [pack.rule_set(name) for name in rules.split("+")] if rules else list(pack.rules.values())
        return CharacterNGram(pack, rule_sets, beam_width=beam_width, ngram=NGram.load(path), fold_capitals=True)

    def __call__(self, lines: Sequence[str]) -> list[str]:
        """Return one line per input line; characters outside the alphabet stay as they are."""
        return ["".join(restore(typed, symbols) for typed, symbols, _ in pieces) for pieces in self._decode(lines)]

    def read(self, lines: Sequence[str]) -> list[LineReading]:
        """Return the reading of each line: the written text, the confidence of each word, and uncertain letters."""
        return [make_reading(self.task.pack, pieces) for pieces in self._decode(lines)]

    def _decode(self, lines: Sequence[str]) -> list[list[_Piece]]:
        """Return the decoded pieces of each line."""
        pieces = [(row, piece) for row, line in enumerate(lines) for piece in _split_line(line)]
        decoded: dict[int, _Piece] = {}
        order = sorted(range(len(pieces)), key=lambda number: len(pieces[number][1]))  # keeps the padding small
        for start in range(0, len(order), self.task.batch_size):
            block = order[start : start + self.task.batch_size]
            decoded.update(zip(block, self._decode_pieces([pieces[number][1] for number in block]), strict=True))
        lists: list[list[_Piece]] = [[] for _ in lines]
        for number, (row, _) in enumerate(pieces):
            lists[row].append(decoded[number])
        return lists

    def _decode_pieces(self, pieces: Sequence[str]) -> Iterator[_Piece]:
        import torch

        with torch.inference_mode():
            log_probs = self.network(*self.task.encode_lines(pieces)).log_softmax(-1).numpy()
        names = self.task.pack.outputs
        for typed, rows in zip(pieces, log_probs, strict=True):
            if self._fusion is None:
                constrained = self.latin_filter.decide(typed, rows[: len(typed)])
                yield typed, [names[code] for code in constrained.argmax(1).tolist()], constrained
            else:
                yield typed, *self._search(typed, rows[: len(typed)], self._fusion)

    def _search(self, typed: str, log_probs: np.ndarray, fusion: NGramFusion) -> tuple[Sequence[str], np.ndarray]:
        """Return symbols and constrained log probabilities."""
        spans = KeepLatinDecision(self.latin_filter, fusion)(typed, log_probs)
        constrained = self.latin_filter.constrain(typed, log_probs, spans)
        return fusion(typed, constrained), constrained


_Piece = tuple[str, Sequence[str], np.ndarray]  # typed text, one symbol per letter, log probabilities (letter, output)


def _load_network(
    task: TransliterationTask, model: str | torch.nn.Module, weights: str | Path | None
) -> torch.nn.Module:
    """Return the network in eval mode; with given weights it has the alphabets of the task."""
    if not isinstance(model, str):
        return model.eval()
    return load_model(model) if weights is None else load_weights(task.build_model(model), weights)


def _split_line(line: str) -> list[str]:
    pieces = []
    while len(line) > MAX_PIECE_LENGTH:
        stop = line.rfind(" ", 1, MAX_PIECE_LENGTH) + 1 or MAX_PIECE_LENGTH
        pieces.append(line[:stop])
        line = line[stop:]
    return [*pieces, line] if line else pieces
