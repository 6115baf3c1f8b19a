"""Baselines that an input is compared with: samples of other sources, zeros, or spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError
from interp_attribution.batch_indexing import as_batch_list, labels_by_sample
from interp_attribution.model_inputs import ModelInputs, make_model_inputs

if TYPE_CHECKING:
    from torch import Tensor, nn

KINDS = ("samples", "zero", "space")


class Baselines:
    """The baselines of each sample.

    Parameters
    ----------
    kind : {"samples", "zero", "space"}
        Samples of other sources, zeros, or the row of the symbol ``" "`` at every step.
    count : int
        Number of baselines per sample, for ``"samples"``.
    pool : sequence of ModelInputs
        Inputs that samples and the space are taken from.
    sources : sequence of array (sample,)
        Source of each sample, one array per item of ``pool``.
    space : Tensor (feature,), optional
        Row of the symbol ``" "``.
    seed : int
        Random seed for the choice of samples.

    Notes
    -----
    Samples of the same length come first, in random order and one per source. If there are too few, longer ones follow,
    the least longer first, truncated; then shorter ones, the least shorter first, each continued by other samples.
    """

    def __init__(
        self,
        kind: str,
        count: int,
        pool: Sequence[ModelInputs],
        sources: Sequence[np.ndarray],
        space: Tensor | None = None,
        seed: int = 0,
    ) -> None:
        if kind not in KINDS:
            raise OptionError(f"baseline= must be one of {', '.join(KINDS)}; got {kind!r}.")
        if count < 1:
            raise OptionError(f"n_baselines= must be at least 1; got {count}.")
        self.kind, self.count, self.pool, self.space, self.seed = kind, count, pool, space, seed
        self.sources = np.concatenate(sources) if len(sources) else np.zeros(0, np.int64)
        self.lengths = np.concatenate([inputs.lengths.numpy() for inputs in pool]) if len(pool) else self.sources
        self.samples = [(inputs, sample) for inputs in pool for sample in range(len(inputs.lengths))]

    def for_sample(self, inputs: ModelInputs, sample: int, source: int) -> Tensor:
        """Return the baselines of a sample, ``(baseline, step, feature)``; its padding is that of the sample itself."""
        import torch

        own, length = inputs.x[sample], int(inputs.lengths[sample])
        if self.kind != "samples":
            baseline = own.clone()
            baseline[:length] = 0 if self.kind == "zero" or self.space is None else self.space
            return baseline[None]
        rows = []
        for positions in self.choose_samples(length, source, sample):
            parts = [self.samples[position] for position in positions]
            joined = torch.cat([other.x[index, : int(other.lengths[index])] for other, index in parts])
            rows.append(torch.cat([joined[:length], own[length:]]))
        return torch.stack(rows)

    def choose_samples(self, length: int, source: int, sample: int) -> list[list[int]]:
        """Return, for each baseline of a sample, the pool positions of the samples that are joined to make it."""
        order = np.random.default_rng([self.seed, abs(source), sample]).permutation(len(self.sources))
        order = order[self.sources[order] != source]
        if not order.size:
            raise OptionError(
                "There is no sample of another source to use as a baseline. Pass some with baseline_pool=, or "
                "baseline='zero' or 'space'."
            )
        order = order[np.lexsort((abs(self.lengths[order] - length), self.lengths[order] < length))]
        _, first = np.unique(self.sources[order], return_index=True)
        return [self._join(np.roll(order, -start), length) for start in np.sort(first)[: self.count].tolist()]

    def _join(self, order: np.ndarray, length: int) -> list[int]:
        """Return the first positions of ``order`` whose samples together have ``length`` steps, repeated if needed."""
        ends = np.cumsum(self.lengths[order])
        order = np.tile(order, -(-length // int(ends[-1])))
        last = int(np.searchsorted(np.cumsum(self.lengths[order]), length))
        return [int(position) for position in order[: last + 1]]


def make_baselines(
    model: nn.Module,
    inputs: Sequence[ModelInputs],
    *,
    kind: str,
    count: int,
    pool: Any = None,
    embedding: str = "",
    seed: int = 0,
) -> Baselines:
    """Return the baselines for the options of a probe.

    Parameters
    ----------
    model : Module
        Captured model.
    inputs : sequence of ModelInputs
        Inputs of the capture.
    kind, count, seed
        See `Baselines`.
    pool : Batch or iterable of Batch, optional
        Batches to take samples from; by default those of ``inputs``.
    embedding : str
        See `make_model_inputs`.
    """
    pooled = inputs if pool is None else [make_model_inputs(model, batch, embedding) for batch in as_batch_list(pool)]
    sources, first = [], 0
    for part in pooled:
        labels = (part.batch.labels or {}).get("source")
        own = np.arange(first, first + len(part.lengths)) if pool is None else np.arange(-len(part.lengths), 0) - first
        if labels is not None:
            own = np.array([values[0] for values in labels_by_sample(labels, part.lengths.numpy())])
        sources.append(own)
        first += len(part.lengths)
    return Baselines(kind, count, pooled, sources, space_row(pooled) if kind == "space" else None, seed)


def space_row(pool: Sequence[ModelInputs]) -> Tensor:
    """Return the row ``(feature,)`` of the first step whose label ``input`` is a space."""
    for inputs in pool:
        symbols = labels_by_sample((inputs.batch.labels or {}).get("input", []), inputs.lengths.numpy())
        for sample, row in enumerate(symbols):
            if " " in row:
                return inputs.x[sample, row.index(" ")]
    raise OptionError("baseline='space' needs batches whose label 'input' has a space ' ' somewhere.")
