"""Index of the tokens of the samples in a forward, and their selection by ``where``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from interp.selection import match_labels


class Tokens:
    """Tokens of the samples in a forward, and the rows of the selected ones.

    Parameters
    ----------
    lengths : array (sample,)
        Number of tokens of each sample.
    labels : mapping
        Labels by name, with one value per token; without ``source`` it defaults to the sample number.
    where : mapping, callable or None
        Selection of tokens; see `interp.capture`. None selects all.
    first : int
        Number of the first sample.
    first_step : int
        Number of the first step of every sample.
    calls : array (call, sample), optional
        Number of steps of each call, if the modules are called several times; they add up to ``lengths``.

    Attributes
    ----------
    labels : dict of str to array (row,)
        Labels of the selected tokens, including ``sample``, ``step`` and ``source``.
    keep : array (token,) of bool
        True for the selected tokens.
    sample, step : Tensor (row,)
        Sample and step of each selected token, counted from 0.
    table : Tensor (sample, step)
        Row of each token, -1 if it is not selected.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        labels: dict[str, np.ndarray],
        where: Any,
        first: int = 0,
        first_step: int = 0,
        calls: np.ndarray | None = None,
    ) -> None:
        self.lengths = lengths
        self.calls = lengths[None] if calls is None else calls
        sample = np.repeat(np.arange(lengths.size), lengths)
        step = np.arange(sample.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        source = labels.get("source", sample + first)
        coords = {"sample": sample + first, "step": step + first_step, "source": source, **labels}
        coords = {name: values.astype(np.int32) if name in ("sample", "step", "source") else values
                  for name, values in coords.items()}  # fmt: skip
        if calls is not None:
            order = np.tile(np.arange(len(self.calls), dtype=np.int32), lengths.size)
            coords["call"] = np.repeat(order, self.calls.T.reshape(-1))
        keep = match_labels(coords, where, sample.size)
        self.labels = coords if keep.all() else {name: values[keep] for name, values in coords.items()}
        self.keep = keep
        self.sample, self.step = torch.from_numpy(sample[keep]), torch.from_numpy(step[keep])
        self.table = torch.full((lengths.size, int(lengths.max())), -1)
        self.table[self.sample, self.step] = torch.arange(self.rows)

    @property
    def rows(self) -> int:
        """Number of selected tokens."""
        return int(self.sample.numel())

    @property
    def whole(self) -> bool:
        """True if every sample has all steps and every token is selected."""
        return bool(self.rows == self.table.numel())
