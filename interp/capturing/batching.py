"""Whatever holds samples, as pieces of at most so many samples, each with its labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from interp.capturing.labels import Labels
from interp.contracts import Batch
from interp.errors import CaptureError


@dataclass(frozen=True)
class Piece:
    """Some samples that go through the model at once.

    Attributes
    ----------
    batch : Batch
        Where they come from; its labels and lengths are those of the whole batch.
    inputs : Any
        What the model gets.
    labels : Labels
        Of the whole batch.
    start, stop : int
        Which samples of the batch; ``stop`` is -1 where their number is not known before the run.
    """

    batch: Batch
    inputs: Any
    labels: Labels
    start: int = 0
    stop: int = -1

    @classmethod
    def whole(cls, batch: Batch, count: int | None = None) -> Piece:
        """Return a batch in one piece."""
        labels = Labels(batch.labels, count, known_lengths(batch))
        return cls(batch, batch.inputs, labels, 0, -1 if count is None else count)

    @property
    def samples(self) -> int | None:
        """The number of samples, where known."""
        return None if self.stop < 0 else self.stop - self.start

    @property
    def lengths(self) -> np.ndarray | None:
        """Tokens of each sample, where known before the run."""
        known = known_lengths(self.batch)
        return None if known is None else known[self.start : self.stop if self.stop >= 0 else None]


def each_batch(batches: Any) -> Iterator[Batch]:
    """Yield batches from a batch, a tensor, a ``PackedSequence``, or an iterable of those.

    Raises
    ------
    CaptureError
        For anything else, and where there is nothing.
    """
    if isinstance(batches, Batch | Tensor | PackedSequence):
        yield as_batch(batches)
        return
    if isinstance(batches, str | Mapping) or not isinstance(batches, Iterable):
        raise CaptureError(
            "batches= takes a Batch, a tensor, a PackedSequence, or an iterable of those; "
            f"got {type(batches).__name__}."
        )
    for batch in batches:
        yield as_batch(batch)


def as_batch(value: Any) -> Batch:
    """Return a batch for a batch, a tensor or a ``PackedSequence``; `CaptureError` for anything else or nothing."""
    if isinstance(value, Tensor | PackedSequence):
        value = Batch(value)
    if not isinstance(value, Batch):
        raise CaptureError(
            f"Expected Batch objects, tensors or PackedSequences in batches=; got {type(value).__name__}. "
            "Wrap what your loader yields: interp.Batch(inputs=(x, lengths), lengths=lengths)."
        )
    if isinstance(value.inputs, Mapping) and value.call is None:
        raise CaptureError("A batch with a dict as inputs needs call=: Batch(inputs, call=lambda model, batch: ...).")
    lengths = known_lengths(value)
    if (lengths is not None and not lengths.size) or (isinstance(value.inputs, Tensor) and not value.inputs.numel()):
        raise CaptureError("A batch without samples: expected at least one sample of at least one step.")
    if lengths is not None and (lengths < 1).any():
        raise CaptureError(f"Sample {int((lengths < 1).argmax())} of a batch has length 0; leave it out of the batch.")
    return value


def known_lengths(batch: Batch) -> np.ndarray | None:
    """Return the lengths that a batch states, or those of its ``PackedSequence``."""
    if batch.lengths is not None:
        stated: Any = batch.lengths
        stated = stated.cpu() if isinstance(stated, Tensor) else stated
        return np.asarray(stated, dtype=np.int64).reshape(-1)
    packed = batch.inputs if isinstance(batch.inputs, PackedSequence) else None
    if packed is None and isinstance(batch.inputs, tuple | list) and len(batch.inputs):
        packed = batch.inputs[0] if isinstance(batch.inputs[0], PackedSequence) else None
    return None if packed is None else packed_lengths(packed)


def packed_lengths(packed: PackedSequence) -> np.ndarray:
    """Return the length of each sample, in the caller's order."""
    sizes = packed.batch_sizes.numpy()
    lengths: np.ndarray = (sizes[:, None] > np.arange(sizes[0])[None]).sum(0)
    return lengths if packed.unsorted_indices is None else lengths[packed.unsorted_indices.cpu().numpy()]


def leading(inputs: Any) -> Any:
    """Return the first tensor or ``PackedSequence`` of some inputs, or None."""
    if isinstance(inputs, Tensor | PackedSequence):
        return inputs
    parts = inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, list | tuple) else ()
    return next((found for part in parts if (found := leading(part)) is not None), None)


def sample_count(batch: Batch, axis: int | None) -> int | None:
    """Return the number of samples of a batch whose leading tensor has them on ``axis``; None where unknown."""
    lengths = known_lengths(batch)
    if lengths is not None:
        return int(lengths.size)
    first = leading(batch.inputs)
    return int(first.shape[axis]) if isinstance(first, Tensor) and axis is not None and first.dim() > axis else None


def pieces(batch: Batch, size: int, axis: int | None) -> Iterator[Piece]:
    """Yield a batch in pieces of at most ``size`` samples, which the leading tensor has on ``axis``.

    A batch with ``call``, or one whose samples can't be told apart from its steps, comes whole.
    """
    count = sample_count(batch, axis)
    whole = Piece.whole(batch, count)
    if batch.call is not None or count is None or count <= size or not can_cut(batch.inputs, count, axis):
        yield whole
        return
    for start in range(0, count, size):
        stop = min(count, start + size)
        yield Piece(batch, cut(batch.inputs, start, stop, count, axis), whole.labels, start, stop)


def can_cut(value: Any, count: int, axis: int | None, first: Any = None) -> bool:
    """Return whether it is clear for each tensor which of its dims are the samples."""
    first = leading(value) if first is None else first
    if isinstance(value, Tensor):
        return sample_dim(value, count, axis, first) is not UNCLEAR
    parts = value if isinstance(value, list | tuple) and not isinstance(value, PackedSequence) else ()
    return all(can_cut(part, count, axis, first) for part in parts)


def cut(value: Any, start: int, stop: int, count: int, axis: int | None, first: Any = None) -> Any:
    """Return some samples of inputs: tensors are cut where they have ``count`` samples, tuples part by part."""
    first = leading(value) if first is None else first
    if isinstance(value, PackedSequence):
        sorted_already = value.sorted_indices is None
        return pack_sequence(unpack_sequence(value)[start:stop], enforce_sorted=sorted_already)
    if isinstance(value, Tensor):
        dim = sample_dim(value, count, axis, first)
        return value if dim is None else value.narrow(dim, start, stop - start)
    if isinstance(value, list | tuple):
        return tuple(cut(part, start, stop, count, axis, first) for part in value)
    return value


UNCLEAR = -1


def sample_dim(value: Tensor, count: int, axis: int | None, first: Any) -> int | None:
    """Return which dim of an input is the samples, None where it has none, `UNCLEAR` where several could be."""
    found = [dim for dim, size in enumerate(value.shape) if size == count]
    if axis in found and (value is first or alike(value, first, count)):
        return axis
    return (found[0] if len(found) == 1 else UNCLEAR) if found else None


def alike(value: Tensor, first: Any, count: int) -> bool:
    """Return whether an input has the samples and steps of the leading one, where those can't be mixed up."""
    shape = first.shape[:2] if isinstance(first, Tensor) else ()
    return len(shape) == 2 and value.shape[:2] == shape and list(shape).count(count) == 1


def call_model(model: torch.nn.Module, piece: Piece) -> Any:
    """Run the model on a piece."""
    if piece.batch.call is not None:
        return piece.batch.call(model, piece.batch)
    inputs = piece.inputs
    if isinstance(inputs, list | tuple) and not isinstance(inputs, PackedSequence):
        return model(*inputs)
    return model(inputs)


def join_outputs(outputs: list[Any], counts: list[int]) -> Any:
    """Return what the model gave for some pieces as if it had run once.

    Parameters
    ----------
    outputs : list
        Of each piece: a tensor, or a tuple, list or dict of them. Where pieces have fewer steps they are padded with 0.
    counts : list of int
        Samples of each piece.
    """
    first = outputs[0]
    if len(outputs) == 1:
        return first
    if isinstance(first, Mapping):
        return {key: join_outputs([output[key] for output in outputs], counts) for key in first}
    if isinstance(first, list | tuple) and not isinstance(first, PackedSequence):
        return tuple(join_outputs(list(parts), counts) for parts in zip(*outputs, strict=True))
    if not isinstance(first, Tensor):
        raise CaptureError(
            f"decode= gets the output of a whole batch, and parts of type {type(first).__name__} can't be joined; "
            "raise batch_size=."
        )
    axis = next((dim for dim in range(first.dim()) if [output.shape[dim] for output in outputs] == counts), None)
    if axis is None:
        return first
    shape = [max(output.shape[dim] for output in outputs) for dim in range(first.dim())]
    shape[axis] = sum(counts)
    joined, start = first.new_zeros(shape), 0
    for output, count in zip(outputs, counts, strict=True):
        place = joined.narrow(axis, start, count)
        place[tuple(slice(size) for size in output.shape)] = output
        start += count
    return joined
