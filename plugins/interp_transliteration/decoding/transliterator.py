"""Romanised lines to their script with a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp import OptionError, load_model, load_task, load_weights
from interp_transliteration.baselines import CharacterNGram
from interp_transliteration.combined import Combined
from interp_transliteration.ngram import NGram
from interp_transliteration.reading import Reading, reading_of
from interp_transliteration.romanise import restore
from interp_transliteration.staying import Staying
from interp_transliteration.task import TransliterationTask
from interp_transliteration.words import Words

if TYPE_CHECKING:
    import torch

PIECE = 1_000  # letters of a line that go through the network at once


class Transliterator:
    """Turns romanised lines into their script.

    Parameters
    ----------
    model : str or Module
        A registered model of the task ``transliteration``, or one of your own.
    language : str
        Its language pack, or the path of one.
    weights : path, optional
        Weights of your own for the registered model.
    keep_latin : bool
        Whether words that the network takes for Latin stay as they are typed, see `Words`.
    rules : str, optional
        By which rule sets a beam search may suppose that lines are typed, several with ``+`` between; by default by any
        of the language.
    beam : int
        Paths kept by a beam search that weighs the network and the n-gram which the model brings; 0 for the network
        alone.

    Raises
    ------
    OptionError
        A model whose alphabets are not the pack's, or that brings no n-gram to a beam search.
    """

    def __init__(
        self,
        *,
        model: str | torch.nn.Module = "armenian-bilstm",
        language: str = "hy",
        weights: str | Path | None = None,
        keep_latin: bool = True,
        rules: str | None = None,
        beam: int = 0,
    ) -> None:
        task = load_task("transliteration", language=language)
        assert isinstance(task, TransliterationTask)  # noqa: S101 (its own plugin registered it)
        self.task = task
        self.network = _network(task, model, weights)
        symbols = getattr(self.network, "symbols", {}).get("output")
        if symbols not in (list(task.pack.plain), list(task.pack.outputs)):
            raise OptionError(f"The model {model!r} does not write the alphabet of the language {language!r}.")
        self.words = Words(task.pack, keep_latin=keep_latin)
        self._combined = Combined(self._ngram(rules, beam)) if beam else None

    def _ngram(self, rules: str | None, beam: int) -> CharacterNGram:
        path = getattr(self.network, "ngram", None)
        if path is None:
            raise OptionError("This model brings no n-gram; a beam search needs one, as armenian-bilstm-large has it.")
        pack = self.task.pack
        chosen = [pack.choose(name) for name in rules.split("+")] if rules else list(pack.rules.values())
        return CharacterNGram(pack, chosen, beam=beam, language=NGram.load(path), folds=True)

    def __call__(self, lines: Sequence[str]) -> list[str]:
        """Return one line for each line; characters outside the alphabet stay as they are."""
        return ["".join(restore(typed, symbols) for typed, symbols, _ in pieces) for pieces in self._read(lines)]

    def read(self, lines: Sequence[str]) -> list[Reading]:
        """Return for each line what is written, with the confidence of each word and the letters it rests on."""
        return [reading_of(self.task.pack, pieces) for pieces in self._read(lines)]

    def _read(self, lines: Sequence[str]) -> list[list[_Piece]]:
        """Return the pieces of each line."""
        pieces = [(row, piece) for row, line in enumerate(lines) for piece in _cut(line)]
        found: dict[int, _Piece] = {}
        order = sorted(range(len(pieces)), key=lambda number: len(pieces[number][1]))  # little padding in a batch
        for start in range(0, len(order), self.task.batch_size):
            block = order[start : start + self.task.batch_size]
            found.update(zip(block, self._run([pieces[number][1] for number in block]), strict=True))
        lists: list[list[_Piece]] = [[] for _ in lines]
        for number, (row, _) in enumerate(pieces):
            lists[row].append(found[number])
        return lists

    def _run(self, pieces: Sequence[str]) -> Iterator[_Piece]:
        import torch

        with torch.inference_mode():
            logs = self.network(*self.task.codes(pieces)).log_softmax(-1).numpy()
        names = self.task.pack.outputs
        for typed, row in zip(pieces, logs, strict=True):
            if self._combined is None:
                settled = self.words.settle(typed, row[: len(typed)])
                yield typed, [names[code] for code in settled.argmax(1).tolist()], settled
            else:
                yield typed, *self._searched(typed, row[: len(typed)], self._combined)

    def _searched(self, typed: str, logs: np.ndarray, combined: Combined) -> tuple[Sequence[str], np.ndarray]:
        """Return symbols and settled log probabilities."""
        settled = self.words.fix(typed, logs, Staying(self.words, combined)(typed, logs))
        return combined(typed, settled), settled


_Piece = tuple[str, Sequence[str], np.ndarray]  # typed, a symbol for each letter, log probabilities (letter, output)


def _network(task: TransliterationTask, model: str | torch.nn.Module, weights: str | Path | None) -> torch.nn.Module:
    """Return the network in eval mode; weights of your own are those of the alphabets of the task."""
    if not isinstance(model, str):
        return model.eval()
    return load_model(model) if weights is None else load_weights(task.build_model(model), weights)


def _cut(line: str) -> list[str]:
    pieces = []
    while len(line) > PIECE:
        stop = line.rfind(" ", 1, PIECE) + 1 or PIECE
        pieces.append(line[:stop])
        line = line[stop:]
    return [*pieces, line] if line else pieces
