"""The networks whose weights are shipped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class TanhLinear(nn.Linear):
    """A linear layer whose output is after its tanh, so that captured units are what the next layer reads."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's own name)
        """Map ``(..., in_features)`` to ``(..., out_features)`` in -1..1."""
        return super().forward(input).tanh()


class CharacterBiLSTM(nn.Module):
    """The network of 2017: one-hot letters, a biLSTM, a dense tanh layer, the input again, a dense output.

    Parameters
    ----------
    inputs, outputs : sequence of str
        The alphabets.
    cells : int
        Cells of each direction, and units of the dense layer.
    layers : int
        Of the biLSTM.
    name : str
        Stands in captures.
    """

    symbols: dict[str, list[str]]
    ngram: Path | None = None  # what a beam search may weigh it with

    def __init__(
        self, inputs: Sequence[str], outputs: Sequence[str], *, cells: int = 228, layers: int = 1, name: str = ""
    ) -> None:
        super().__init__()
        self.name = name or type(self).__name__
        self.symbols = {"output": list(outputs)}
        self.n_inputs, self.sizes = len(inputs), {"cells": cells, "layers": layers}
        self.lstm = nn.LSTM(len(inputs), cells, layers, bidirectional=True, batch_first=True)
        self.hidden = TanhLinear(2 * cells, cells)
        self.output = nn.Linear(cells + len(inputs), len(outputs))

    def for_symbols(self, inputs: Sequence[str], outputs: Sequence[str]) -> CharacterBiLSTM:
        """Return a fresh network of the same sizes for other alphabets."""
        return CharacterBiLSTM(inputs, outputs, name=self.name, **self.sizes)

    def forward(self, letters: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the logits of each output symbol.

        Parameters
        ----------
        letters : LongTensor (sample, step) or FloatTensor (sample, step, input)
            Codes, or the one-hot rows themselves (attributions need a gradient).
        lengths : LongTensor (sample,), optional
            Tokens of each sample; the rest is padding.

        Returns
        -------
        FloatTensor (sample, step, output)
        """
        x = letters if letters.is_floating_point() else one_hot(letters, self.n_inputs).to(self.hidden.weight.dtype)
        h = self._recur(x, lengths)
        return self.output(torch.cat([self.hidden(h), x], dim=-1))  # type: ignore[no-any-return]

    def _recur(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        steps = x.shape[1]
        if lengths is None or bool((lengths == steps).all()):
            return self.lstm(x)[0]  # type: ignore[no-any-return]
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=steps)[0]
