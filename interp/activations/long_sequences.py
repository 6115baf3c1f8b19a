"""Capture of one long sequence in time chunks. The states of the recurrent modules pass from chunk to chunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor

from interp.activations.batching import MicroBatch, batch_lengths
from interp.base import Batch
from interp.labels import TokenLabels
from interp.torch_utils import first_tensor

CHUNK_STEPS = 1 << 13  # steps per chunk: its intermediate values take about ten MB per module
TRIAL_STEPS = 64  # steps of each of the two chunks of the trial that compares chunks with the whole sequence
TRIAL_TOLERANCE = (
    1e-4  # of that trial, relative to max(1, |value|): matrix products of different shapes round differently
)


def time_dim(batch: Batch) -> int | None:
    """Return the time dim of a batch of one long sequence; None if it is not long or can't be split."""
    value = batch.inputs
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Tensor) or value.dim() < 1 or batch.call is not None or batch.decode is not None:
        return None
    lengths = batch_lengths(batch)
    if lengths is not None and lengths.size > 1:
        return None
    sizes = list(value.shape[:2])
    dim = int(np.argmax(sizes))
    if sizes[dim] <= 2 * CHUNK_STEPS or (lengths is not None and lengths[0] != sizes[dim]):
        return None
    return dim if value.dim() < 3 or sizes[1 - dim] == 1 else None


def slice_steps(batch: Batch, dim: int, start: int, stop: int, labels: TokenLabels | None = None) -> Batch:
    """Return the steps ``start`` to ``stop`` of a batch of one sequence, with their part of ``labels``."""
    value = first_tensor(batch.inputs)
    inputs = value.narrow(dim, start, stop - start)
    flat: Any = {} if labels is None else {name: values[start:stop] for name, values in labels.flat.items()}
    return Batch((inputs,) if isinstance(batch.inputs, list | tuple) else inputs, None, flat)


def planning_prefix(batch: Batch) -> Batch:
    """Return the first steps of a long sequence, enough to make a plan; return any other batch unchanged."""
    dim = time_dim(batch)
    return batch if dim is None else slice_steps(batch, dim, 0, 2 * TRIAL_STEPS)


def split_steps(
    batch: Batch, dim: int, labels: TokenLabels | None, steps: int, size: int
) -> Iterator[tuple[int, MicroBatch]]:
    """Yield the chunks of ``size`` steps, each with its first step."""
    for start in range(0, steps, size):
        yield start, MicroBatch.from_batch(slice_steps(batch, dim, start, min(steps, start + size), labels), 1)
