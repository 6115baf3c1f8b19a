"""The tokens of some samples, and which of them are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from interp.selection import match_labels


class Tokens:
    """The tokens of some samples, and the rows of those that are kept.

    Parameters
    ----------
    lengths : array (sample,)
        Tokens of each sample.
    labels : mapping
        Name to a value a token; ``source`` may be missing.
    where : mapping, callable or None
        Which tokens are kept.
    first : int
        The number of the first sample.
    first_step : int
        The number of the first step of every sample.
    calls : array (call, sample), optional
        Steps of each call, where the modules are called several times; they add up to ``lengths``.

    Attributes
    ----------
    sample, step : Tensor (row,)
        Of each kept token; samples count from 0 here.
    table : Tensor (sample, step)
        The row of each token, -1 where it is not kept.
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
        known = {"sample": sample + first, "step": step + first_step, "source": source, **labels}
        known = {name: values.astype(np.int32) if name in ("sample", "step", "source") else values
                 for name, values in known.items()}  # fmt: skip
        if calls is not None:
            order = np.tile(np.arange(len(self.calls), dtype=np.int32), lengths.size)
            known["call"] = np.repeat(order, self.calls.T.reshape(-1))
        keep = match_labels(known, where, sample.size)
        self.labels = known if keep.all() else {name: values[keep] for name, values in known.items()}
        self.keep = keep
        self.sample, self.step = torch.from_numpy(sample[keep]), torch.from_numpy(step[keep])
        self.table = torch.full((lengths.size, int(lengths.max())), -1)
        self.table[self.sample, self.step] = torch.arange(self.rows)

    @property
    def rows(self) -> int:
        """The number of tokens kept."""
        return int(self.sample.numel())

    @property
    def whole(self) -> bool:
        """Whether every sample has all steps and every token is kept."""
        return bool(self.rows == self.table.numel())
