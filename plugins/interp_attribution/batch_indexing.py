"""Selection of samples from batches of any structure, in any order and number, as Captum's methods require."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import Batch, OptionError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn.utils.rnn import PackedSequence


def as_batch_list(batches: Any) -> list[Any]:
    """Return one batch or an iterable of batches as a list.

    Parameters
    ----------
    batches : Batch, Tensor, PackedSequence or iterable of those
        Value of the option ``batches`` or ``baseline_pool``.

    Raises
    ------
    OptionError
        For items of any other type.
    """
    from torch import Tensor
    from torch.nn.utils.rnn import PackedSequence

    items = [batches] if isinstance(batches, Batch | Tensor | PackedSequence) else list(batches)
    for batch in items:
        if not isinstance(batch, Batch | Tensor | PackedSequence):
            raise OptionError(f"batches= takes interp.Batch, tensors or PackedSequences; got {type(batch).__name__}.")
    return items


def labels_by_sample(values: Any, lengths: np.ndarray) -> list[list[Any]]:
    """Return a label of a batch as one list per sample.

    Parameters
    ----------
    values : sequence
        One value per token (flat, sample after sample), one sequence per sample, or one value per sample.
    lengths : array (sample,) of int
        Number of steps of each sample.

    Returns
    -------
    list of list
        One list per sample, with one value per step.
    """
    if len(values) == lengths.sum() and (len(values) != len(lengths) or np.ndim(values[0]) == 0):
        return [part.tolist() for part in np.split(np.asarray(values), np.cumsum(lengths)[:-1])]
    return [
        list(value) if hasattr(value, "__len__") else [value] * int(n) for value, n in zip(values, lengths, strict=True)
    ]


def unpack_samples(data: PackedSequence) -> tuple[Tensor, Tensor]:
    """Return padded samples ``(sample, step, ...)`` in the caller's order, and their lengths ``(sample,)``."""
    from torch.nn.utils.rnn import pad_packed_sequence

    samples, lengths = pad_packed_sequence(data, batch_first=True)
    return samples, lengths


def pack_samples(samples: Tensor, lengths: Tensor, enforce_sorted: bool = True) -> PackedSequence:
    """Return padded samples as a ``PackedSequence``.

    Parameters
    ----------
    samples : Tensor (sample, step, ...)
        Padded samples.
    lengths : Tensor (sample,)
        Number of steps of each sample.
    enforce_sorted : bool
        Require the longest sample first and store no ``sorted_indices``; False sorts the samples and stores them.

    Raises
    ------
    OptionError
        If ``enforce_sorted`` and a longer sample follows a shorter one.
    """
    from torch.nn.utils.rnn import pack_padded_sequence

    if enforce_sorted and bool((lengths.diff() > 0).any()):
        raise OptionError(
            "A batch has two PackedSequences, and the second one stores no order of its samples: create it with "
            "enforce_sorted=False."
        )
    return pack_padded_sequence(samples, lengths.cpu(), batch_first=True, enforce_sorted=enforce_sorted)


@dataclass(frozen=True)
class BatchSamples:
    """The samples in the inputs of one batch.

    Attributes
    ----------
    inputs : Any
        Tensors, packed sequences and lists of int, nested in tuples, lists and dicts.
    first : Tensor or PackedSequence
        First tensor of ``inputs``; it defines the number of samples.
    count : int
        Number of samples.
    sample_dim : int
        Sample dim of ``first``.
    """

    inputs: Any
    first: Any
    count: int
    sample_dim: int

    def select(self, index: Tensor, replacement: Any) -> Any:
        """Return the inputs of the samples ``index``, with ``replacement`` in place of the first tensor."""
        return self._select(self.inputs, index, replacement)

    def _select(self, value: Any, index: Tensor, replacement: Any) -> Any:
        from torch import Tensor
        from torch.nn.utils.rnn import PackedSequence

        if value is self.first:
            return replacement
        if isinstance(value, PackedSequence):
            samples, lengths = unpack_samples(value)
            return pack_samples(samples[index], lengths[index.cpu()], value.sorted_indices is None)
        if isinstance(value, Tensor):
            dim = self._find_sample_dim(value)
            return value if dim is None else value.index_select(dim, index.to(value.device))
        if isinstance(value, Mapping):
            return {key: self._select(part, index, replacement) for key, part in value.items()}
        if isinstance(value, list | tuple):
            if len(value) == self.count and all(isinstance(part, int) for part in value):
                return [value[sample] for sample in index.tolist()]
            return tuple(self._select(part, index, replacement) for part in value)
        return value

    def _find_sample_dim(self, value: Tensor) -> int | None:
        """Return the sample dim of an input, or None if no dim has the number of samples as its size."""
        from torch.nn.utils.rnn import PackedSequence

        dims = [dim for dim, size in enumerate(value.shape) if size == self.count]
        same_shape = not isinstance(self.first, PackedSequence) and value.shape[:2] == self.first.shape[:2]
        if same_shape and self.sample_dim in dims:
            return self.sample_dim
        if len(dims) > 1:
            raise OptionError(
                f"Cannot tell which dim of an input of shape {tuple(value.shape)} holds the {self.count} samples. "
                "Pass a batch with a different number of samples."
            )
        return dims[0] if dims else None


def lookup_layout(data: Tensor, codes: Tensor, lengths: Tensor, step: int) -> tuple[str, int] | None:
    """Return how the codes that a layer looks up are laid out.

    Parameters
    ----------
    data : Tensor of int
        Input of the layer.
    codes : Tensor (sample, step) of int
        Codes that the model received, longest sample first.
    lengths : Tensor (sample,)
        Number of steps of each sample.
    step : int
        Next step, for models that look up one step at a time.

    Returns
    -------
    tuple or None
        ``"batch"`` or ``"time"`` (first dim) with the number of steps, ``"packed"`` with ``enforce_sorted`` of
        `pack_samples`, or ``"step"`` with the step; None if ``data`` contains other codes.
    """
    import torch

    steps = int(lengths.max())
    for size in {codes.shape[1], steps}:
        if torch.equal(data, codes[:, :size]):
            return "batch", size
        if torch.equal(data, codes[:, :size].t()):
            return "time", size
    if data.dim() == 1 and data.numel() == int(lengths.sum()):
        for enforce_sorted in (True, False):  # torch may reorder samples of equal length
            if torch.equal(data, pack_samples(codes, lengths, enforce_sorted).data):
                return "packed", enforce_sorted
    if step < codes.shape[1] and torch.equal(data.reshape(-1), codes[:, step]):
        return "step", step
    return None
