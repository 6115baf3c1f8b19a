"""Romanised lines to their script with a trained network."""

from __future__ import annotations

from collections.abc import Sequence

from interp import OptionError, load_model, load_task
from interp_transliteration.romanise import restore
from interp_transliteration.task import TransliterationTask

PIECE = 1_000  # letters of a line that go through the network at once


class Transliterator:
    """Turns romanised lines into their script.

    Parameters
    ----------
    model : str
        A registered model of the task ``transliteration``.
    language : str
        Its language pack.

    Raises
    ------
    OptionError
        A model whose alphabets are not the pack's.
    """

    def __init__(self, *, model: str = "armenian-bilstm", language: str = "hy") -> None:
        task = load_task("transliteration", language=language)
        assert isinstance(task, TransliterationTask)  # noqa: S101 (its own plugin registered it)
        self.task = task
        self.network = load_model(model)
        symbols = getattr(self.network, "symbols", {}).get("output")
        if not symbols or symbols not in (list(task.pack.plain), list(task.pack.outputs)):
            raise OptionError(f"The model {model!r} does not write the alphabet of the language {language!r}.")

    def __call__(self, lines: Sequence[str]) -> list[str]:
        """Return one line for each line; characters outside the alphabet stay as they are."""
        pieces = [(row, piece) for row, line in enumerate(lines) for piece in _cut(line)]
        texts = [""] * len(pieces)
        order = sorted(range(len(pieces)), key=lambda number: len(pieces[number][1]))  # little padding in a batch
        for start in range(0, len(order), self.task.batch_size):
            block = order[start : start + self.task.batch_size]
            for number, text in zip(block, self._run([pieces[number][1] for number in block]), strict=True):
                texts[number] = text
        found = [""] * len(lines)
        for (row, _), text in zip(pieces, texts, strict=True):
            found[row] += text
        return found

    def _run(self, pieces: Sequence[str]) -> list[str]:
        import torch

        batch = self.task.typed_batch(pieces)
        with torch.inference_mode():
            output = self.network(*batch.inputs)
        return [restore(piece, symbols) for piece, symbols in zip(pieces, self.task.decode(output, batch), strict=True)]


def _cut(line: str) -> list[str]:
    pieces = []
    while len(line) > PIECE:
        stop = line.rfind(" ", 1, PIECE) + 1 or PIECE
        pieces.append(line[:stop])
        line = line[stop:]
    return [*pieces, line] if line else pieces
