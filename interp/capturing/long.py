"""One long sequence in pieces of time: the state of each recurrent module is carried from piece to piece."""

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

STEPS = 1 << 13  # steps of a piece: its intermediate values take some ten MB a module
TRIED = 64  # steps of each of the two pieces on which it is tried whether pieces give what the whole gives
TOLERANCE = 1e-4  # of that trial, relative to 1 or the value: products of other shapes round differently


def long_dim(batch: Batch) -> int | None:
    """Return the dim of the one input that may be long in time, None where there is none or it can't be cut."""
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
    """Return some steps of a batch of one sequence; without labels where none are given."""
    value = leading(batch.inputs)
    inputs = value.narrow(dim, start, stop - start)
    flat: Any = {} if labels is None else {name: held[start:stop] for name, held in labels.flat.items()}
    return Batch((inputs,) if isinstance(batch.inputs, list | tuple) else inputs, None, flat)


def prefix(batch: Batch) -> Batch:
    """Return the first steps of a long sequence, on which a plan can be made; any other batch as it is."""
    dim = long_dim(batch)
    return batch if dim is None else part(batch, dim, 0, 2 * TRIED)


def in_time(session: Session, plan: Plan, batch: Batch) -> list[tuple[int, Piece]]:
    """Return the pieces of a long sequence with their first steps; none where it has to run whole.

    Where values are not kept, a warning says why it has to.
    """
    dim = long_dim(batch)
    if dim is None or plan.shape != (1, 2 * TRIED):
        return []
    why = obstacle(session, plan, batch, dim)
    if why:
        if session.bounded:
            warnings.warn(f"The sequence runs whole, so its steps are all in memory at once: {why}", stacklevel=4)
        return []
    steps = leading(batch.inputs).shape[dim]
    labels = Labels(batch.labels, 1, np.array([steps]))
    return list(cut(batch, dim, labels, steps, STEPS))


def cut(batch: Batch, dim: int, labels: Labels | None, steps: int, size: int) -> Iterator[tuple[int, Piece]]:
    """Yield the pieces of so many steps, and the first step of each."""
    for start in range(0, steps, size):
        yield start, Piece.whole(part(batch, dim, start, min(steps, start + size), labels), 1)


def obstacle(session: Session, plan: Plan, batch: Batch, dim: int) -> str:
    """Return why a model can't run in pieces of time; nothing where it can."""
    for reading in plan.readings:
        if reading.adapter is not None and "backward" in reading.adapter.directions(reading.module):
            return f"{reading.name!r} is bidirectional, and its backward direction begins with the last step."
        if reading.adapter is not None and (reading.stepwise or reading.calls > 1):
            return f"{reading.name!r} is called several times in one forward, with states that the model keeps."
    few = part(batch, dim, 0, 2 * TRIED)
    try:
        whole = tried(session, plan, [(0, Piece.whole(few, 1))])
        pieces = tried(session, plan, list(cut(few, dim, None, 2 * TRIED, TRIED)))
    except InterpError:
        return "the model does not run on pieces of it."
    scale = np.maximum(1, np.abs(whole))
    if whole.shape != pieces.shape or not (np.abs(whole - pieces) <= TOLERANCE * scale).all():
        return "pieces of it give other values, so the model looks across steps in another way than by its state."
    return ""


def tried(session: Session, plan: Plan, pieces: list[tuple[int, Piece]]) -> np.ndarray:
    """Return what a few steps give in pieces."""
    trial = type(session)(session.model, [], replace(session.options, where=None))
    trial.plan = plan
    for _ in trial.carried(plan, pieces):
        pass
    assert trial.matrix is not None  # noqa: S101
    return trial.matrix.finish().astype(np.float64)
