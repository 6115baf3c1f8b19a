"""Conversion of ``batches=`` to `Batch` objects, and their division into micro-batches with labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from interp.base import Batch
from interp.errors import CaptureError
from interp.labels import TokenLabels
from interp.torch_utils import first_tensor


@dataclass(frozen=True)
class MicroBatch:
    """Micro-batch: samples that go through the model in one forward.

    Attributes
    ----------
    batch : Batch
        Batch that the samples come from, with the labels and lengths of all its samples.
    inputs : Any
        Inputs of the model.
    labels : Labels
        Labels of the whole batch.
    start, stop : int
        Range of samples in the batch; ``stop`` is -1 if their number is unknown before the run.
    """

    batch: Batch
    inputs: Any
    labels: TokenLabels
    start: int = 0
    stop: int = -1

    @classmethod
    def from_batch(cls, batch: Batch, count: int | None = None) -> MicroBatch:
        """Return a micro-batch of all samples of a batch."""
        labels = TokenLabels(batch.labels, count, batch_lengths(batch))
        return cls(batch, batch.inputs, labels, 0, -1 if count is None else count)

    @property
    def n_samples(self) -> int | None:
        """Number of samples, None if unknown."""
        return None if self.stop < 0 else self.stop - self.start

    @property
    def lengths(self) -> np.ndarray | None:
        """Number of tokens of each sample, None if unknown before the run."""
        lengths = batch_lengths(self.batch)
        return None if lengths is None else lengths[self.start : self.stop if self.stop >= 0 else None]


def iter_batches(batches: Any) -> Iterator[Batch]:
    """Yield batches from a batch, a tensor, a ``PackedSequence``, or an iterable of those.

    Raises
    ------
    CaptureError
        For any other type, and for a batch without samples.
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
    """Convert a batch, tensor or ``PackedSequence`` to a batch; `CaptureError` for other types or without samples."""
    if isinstance(value, Tensor | PackedSequence):
        value = Batch(value)
    if not isinstance(value, Batch):
        raise CaptureError(
            f"Expected Batch objects, tensors or PackedSequences in batches=; got {type(value).__name__}. "
            "Wrap what your loader yields: interp.Batch(inputs=(x, lengths), lengths=lengths)."
        )
    if isinstance(value.inputs, Mapping) and value.call is None:
        raise CaptureError("A batch with a dict as inputs needs call=: Batch(inputs, call=lambda model, batch: ...).")
    lengths = batch_lengths(value)
    if (lengths is not None and not lengths.size) or (isinstance(value.inputs, Tensor) and not value.inputs.numel()):
        raise CaptureError("Got a batch without samples; expected at least one sample of at least one step.")
    if lengths is not None and (lengths < 1).any():
        raise CaptureError(f"Sample {int((lengths < 1).argmax())} of a batch has length 0; leave it out of the batch.")
    return value


def batch_lengths(batch: Batch) -> np.ndarray | None:
    """Return the lengths given in a batch, or those of its ``PackedSequence``; None if it has neither."""
    if batch.lengths is not None:
        lengths: Any = batch.lengths
        lengths = lengths.cpu() if isinstance(lengths, Tensor) else lengths
        return np.asarray(lengths, dtype=np.int64).reshape(-1)
    packed = batch.inputs if isinstance(batch.inputs, PackedSequence) else None
    if packed is None and isinstance(batch.inputs, tuple | list) and len(batch.inputs):
        packed = batch.inputs[0] if isinstance(batch.inputs[0], PackedSequence) else None
    return None if packed is None else packed_lengths(packed)


def packed_lengths(packed: PackedSequence) -> np.ndarray:
    """Return the length of each sample, in the caller's order."""
    sizes = packed.batch_sizes.numpy()
    lengths: np.ndarray = (sizes[:, None] > np.arange(sizes[0])[None]).sum(0)
    return lengths if packed.unsorted_indices is None else lengths[packed.unsorted_indices.cpu().numpy()]


def sample_count(batch: Batch, axis: int | None) -> int | None:
    """Return the number of samples of a batch; None if unknown.

    ``axis`` is the sample dim of the first input tensor.
    """
    lengths = batch_lengths(batch)
    if lengths is not None:
        return int(lengths.size)
    first = first_tensor(batch.inputs)
    return int(first.shape[axis]) if isinstance(first, Tensor) and axis is not None and first.dim() > axis else None


def split_batch(batch: Batch, size: int, axis: int | None) -> Iterator[MicroBatch]:
    """Split a batch into micro-batches of at most ``size`` samples; ``axis`` is the sample dim of the first tensor.

    A batch with ``call``, or one whose sample and step dims can't be distinguished, is not split.
    """
    count = sample_count(batch, axis)
    whole = MicroBatch.from_batch(batch, count)
    if batch.call is not None or count is None or count <= size or not can_split(batch.inputs, count, axis):
        yield whole
        return
    for start in range(0, count, size):
        stop = min(count, start + size)
        yield MicroBatch(batch, narrow_samples(batch.inputs, start, stop, count, axis), whole.labels, start, stop)


def can_split(value: Any, count: int, axis: int | None, first: Any = None) -> bool:
    """Return whether the sample dim of every tensor in the inputs is unambiguous."""
    first = first_tensor(value) if first is None else first
    if isinstance(value, Tensor):
        return sample_dim(value, count, axis, first) is not AMBIGUOUS
    parts = value if isinstance(value, list | tuple) and not isinstance(value, PackedSequence) else ()
    return all(can_split(part, count, axis, first) for part in parts)


def narrow_samples(value: Any, start: int, stop: int, count: int, axis: int | None, first: Any = None) -> Any:
    """Return the samples ``start`` to ``stop`` of the inputs.

    Tensors are narrowed along the dim that has ``count`` samples; tuples are narrowed element by element.
    """
    first = first_tensor(value) if first is None else first
    if isinstance(value, PackedSequence):
        is_sorted = value.sorted_indices is None
        return pack_sequence(unpack_sequence(value)[start:stop], enforce_sorted=is_sorted)
    if isinstance(value, Tensor):
        dim = sample_dim(value, count, axis, first)
        return value if dim is None else value.narrow(dim, start, stop - start)
    if isinstance(value, list | tuple):
        return tuple(narrow_samples(part, start, stop, count, axis, first) for part in value)
    return value


AMBIGUOUS = -1


def sample_dim(value: Tensor, count: int, axis: int | None, first: Any) -> int | None:
    """Return the sample dim of an input, None if it has none, or `AMBIGUOUS` if several dims qualify."""
    dims = [dim for dim, size in enumerate(value.shape) if size == count]
    if axis in dims and (value is first or same_leading_dims(value, first, count)):
        return axis
    return (dims[0] if len(dims) == 1 else AMBIGUOUS) if dims else None


def same_leading_dims(value: Tensor, first: Any, count: int) -> bool:
    """Return whether an input has the leading dims of the first one, and these differ from each other in size."""
    shape = first.shape[:2] if isinstance(first, Tensor) else ()
    return len(shape) == 2 and value.shape[:2] == shape and list(shape).count(count) == 1


def call_model(model: torch.nn.Module, micro_batch: MicroBatch) -> Any:
    """Run the model on a micro-batch."""
    if micro_batch.batch.call is not None:
        return micro_batch.batch.call(model, micro_batch.batch)
    inputs = micro_batch.inputs
    if isinstance(inputs, list | tuple) and not isinstance(inputs, PackedSequence):
        return model(*inputs)
    return model(inputs)


def join_outputs(outputs: list[Any], counts: list[int]) -> Any:
    """Join the outputs of several micro-batches into that of the whole batch.

    Parameters
    ----------
    outputs : list
        Output of each micro-batch: a tensor, or a tuple, list or dict of tensors. Shorter ones are padded with 0.
    counts : list of int
        Number of samples of each micro-batch.
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
            f"decode= gets the output of a whole batch, and outputs of type {type(first).__name__} can't be joined; "
            "raise batch_size= so that the batch is not split."
        )
    axis = next((dim for dim in range(first.dim()) if [output.shape[dim] for output in outputs] == counts), None)
    if axis is None:
        return first
    shape = [max(output.shape[dim] for output in outputs) for dim in range(first.dim())]
    shape[axis] = sum(counts)
    joined, start = first.new_zeros(shape), 0
    for output, count in zip(outputs, counts, strict=True):
        target = joined.narrow(axis, start, count)
        target[tuple(slice(size) for size in output.shape)] = output
        start += count
    return joined
