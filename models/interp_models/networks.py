"""Networks with shipped weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class TanhLinear(nn.Linear):
    """A linear layer followed by tanh, so that captured units are the inputs of the next layer."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's own name)
        """Map ``(..., in_features)`` to ``(..., out_features)`` in -1..1."""
        return super().forward(input).tanh()


class CharacterBiLSTM(nn.Module):
    """The network of 2017: one-hot letters, a biLSTM, a dense tanh layer, a skip connection, a dense output.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Alphabets.
    cells : int
        Number of cells per direction, and of units of the dense layer.
    layers : int
        Number of layers of the biLSTM.
    name : str
        Name of the model in captures. Default: the name of the class.
    """

    symbols: dict[str, list[str]]
    ngram: Path | None = None  # file of the n-gram for a beam search

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
        """Return a new network of the same sizes for other alphabets."""
        return CharacterBiLSTM(inputs, outputs, name=self.name, **self.sizes)

    def forward(self, letters: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the logits of the output symbols.

        Parameters
        ----------
        letters : LongTensor (sample, step) or FloatTensor (sample, step, input)
            Codes, or one-hot rows (attributions need a gradient).
        lengths : LongTensor (sample,), optional
            Number of tokens of each sample; the rest is padding.

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
