"""Capture of one long sequence in time chunks. The states of the recurrent modules pass from chunk to chunk."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from interp.capturing.batching import Piece, known_lengths, leading
from interp.capturing.labels import Labels
from interp.contracts import Batch
from interp.errors import InterpError

if TYPE_CHECKING:
    from interp.capturing.plan import Plan
    from interp.capturing.session import Session

STEPS = 1 << 13  # steps per chunk: its intermediate values take about ten MB per module
TRIED = 64  # steps of each of the two chunks of the trial that compares chunks with the whole sequence
TOLERANCE = 1e-4  # of that trial, relative to max(1, |value|): matrix products of different shapes round differently


def long_dim(batch: Batch) -> int | None:
    """Return the time dim of a batch of one long sequence; None if it is not long or can't be split."""
    value = batch.inputs
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Tensor) or value.dim() < 1 or batch.call is not None or batch.decode is not None:
        return None
    lengths = known_lengths(batch)
    if lengths is not None and lengths.size > 1:
        return None
    sizes = list(value.shape[:2])
    dim = int(np.argmax(sizes))
    if sizes[dim] <= 2 * STEPS or (lengths is not None and lengths[0] != sizes[dim]):
        return None
    return dim if value.dim() < 3 or sizes[1 - dim] == 1 else None


def part(batch: Batch, dim: int, start: int, stop: int, labels: Labels | None = None) -> Batch:
    """Return the steps ``start`` to ``stop`` of a batch of one sequence, with their part of ``labels``."""
    value = leading(batch.inputs)
    inputs = value.narrow(dim, start, stop - start)
    flat: Any = {} if labels is None else {name: values[start:stop] for name, values in labels.flat.items()}
    return Batch((inputs,) if isinstance(batch.inputs, list | tuple) else inputs, None, flat)


def prefix(batch: Batch) -> Batch:
    """Return the first steps of a long sequence, enough to make a plan; return any other batch unchanged."""
    dim = long_dim(batch)
    return batch if dim is None else part(batch, dim, 0, 2 * TRIED)


def in_time(session: Session, plan: Plan, batch: Batch) -> list[tuple[int, Piece]]:
    """Return the time chunks of a long sequence, each with its first step; an empty list if it can't be split.

    If memory is to stay bounded, warn with the reason why it can't be split.
    """
    dim = long_dim(batch)
    if dim is None or plan.shape != (1, 2 * TRIED):
        return []
    reason = obstacle(session, plan, batch, dim)
    if reason:
        if session.bounded:
            warnings.warn(f"The sequence runs in one piece, so all its steps are in memory: {reason}", stacklevel=4)
        return []
    steps = leading(batch.inputs).shape[dim]
    labels = Labels(batch.labels, 1, np.array([steps]))
    return list(cut(batch, dim, labels, steps, STEPS))


def cut(batch: Batch, dim: int, labels: Labels | None, steps: int, size: int) -> Iterator[tuple[int, Piece]]:
    """Yield the chunks of ``size`` steps, each with its first step."""
    for start in range(0, steps, size):
        yield start, Piece.whole(part(batch, dim, start, min(steps, start + size), labels), 1)


def obstacle(session: Session, plan: Plan, batch: Batch, dim: int) -> str:
    """Return the reason why a model can't run in time chunks; an empty string if it can."""
    for module_plan in plan.readings:
        if module_plan.adapter is not None and "backward" in module_plan.adapter.directions(module_plan.module):
            return f"{module_plan.name!r} is bidirectional, and its backward direction starts at the last step."
        if module_plan.adapter is not None and (module_plan.stepwise or module_plan.calls > 1):
            return f"{module_plan.name!r} is called several times in one forward, with states that the model stores."
    start = part(batch, dim, 0, 2 * TRIED)
    try:
        whole = tried(session, plan, [(0, Piece.whole(start, 1))])
        chunked = tried(session, plan, list(cut(start, dim, None, 2 * TRIED, TRIED)))
    except InterpError:
        return "the model does not run on chunks of it."
    scale = np.maximum(1, np.abs(whole))
    if whole.shape != chunked.shape or not (np.abs(whole - chunked) <= TOLERANCE * scale).all():
        return "chunks of it give different values, so the model looks across steps other than through its state."
    return ""


def tried(session: Session, plan: Plan, chunks: list[tuple[int, Piece]]) -> np.ndarray:
    """Return the activations ``(token, unit)`` of a few steps that run in the given chunks."""
    trial = type(session)(session.model, [], replace(session.options, where=None))
    trial.plan = plan
    for _ in trial.carried(plan, chunks):
        pass
    assert trial.matrix is not None  # noqa: S101
    return trial.matrix.finish().astype(np.float64)
