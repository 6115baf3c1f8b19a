"""Samples of whatever a model takes, again and in any order: what Captum multiplies, a batch can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interp import OptionError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn.utils.rnn import PackedSequence


def leading(inputs: Any) -> Any:
    """Return the first tensor or ``PackedSequence`` of some inputs, or None."""
    from torch import Tensor
    from torch.nn.utils.rnn import PackedSequence

    if isinstance(inputs, Tensor | PackedSequence):
        return inputs
    parts = inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, list | tuple) else ()
    return next((found for part in parts if (found := leading(part)) is not None), None)


def padded(data: PackedSequence) -> tuple[Tensor, Tensor]:
    """Return ``(sample, step, …)`` in the caller's order, and the lengths ``(sample,)``."""
    from torch.nn.utils.rnn import pad_packed_sequence

    rows, lengths = pad_packed_sequence(data, batch_first=True)
    return rows, lengths


def packed(rows: Tensor, lengths: Tensor, in_order: bool = True) -> PackedSequence:
    """Return rows ``(sample, step, …)`` as a ``PackedSequence``.

    Parameters
    ----------
    rows, lengths : Tensor (sample, step, …), (sample,)
        The samples.
    in_order : bool
        Whether they come longest first, and the result says nothing of their order; else it does.
    """
    from torch.nn.utils.rnn import pack_padded_sequence

    if in_order and bool((lengths.diff() > 0).any()):
        raise OptionError(
            "A batch has two PackedSequences, of which the second says nothing of the order of its samples: make it "
            "with enforce_sorted=False."
        )
    return pack_padded_sequence(rows, lengths.cpu(), batch_first=True, enforce_sorted=in_order)


@dataclass(frozen=True)
class Samples:
    """The samples of a batch's inputs.

    Attributes
    ----------
    inputs : Any
        A nest of tuples, lists and dicts.
    first : Tensor or PackedSequence
        The leading one; it gives the count and where the samples are.
    count : int
        How many.
    axis : int
        Where the leading tensor has them.
    """

    inputs: Any
    first: Any
    count: int
    axis: int

    def taken(self, index: Tensor, replacement: Any) -> Any:
        """Return inputs of the samples ``index``, with a replacement for the leading one."""
        return self._taken(self.inputs, index, replacement)

    def _taken(self, value: Any, index: Tensor, replacement: Any) -> Any:
        from torch import Tensor
        from torch.nn.utils.rnn import PackedSequence

        if value is self.first:
            return replacement
        if isinstance(value, PackedSequence):
            rows, lengths = padded(value)
            return packed(rows[index], lengths[index.cpu()], value.sorted_indices is None)
        if isinstance(value, Tensor):
            dim = self._dim(value)
            return value if dim is None else value.index_select(dim, index.to(value.device))
        if isinstance(value, Mapping):
            return {key: self._taken(part, index, replacement) for key, part in value.items()}
        if isinstance(value, list | tuple):
            if len(value) == self.count and all(isinstance(part, int) for part in value):
                return [value[place] for place in index.tolist()]
            return tuple(self._taken(part, index, replacement) for part in value)
        return value

    def _dim(self, value: Tensor) -> int | None:
        """Return where an input has the samples; None where it has none."""
        from torch.nn.utils.rnn import PackedSequence

        found = [dim for dim, size in enumerate(value.shape) if size == self.count]
        alike = not isinstance(self.first, PackedSequence) and value.shape[:2] == self.first.shape[:2]
        if alike and self.axis in found:
            return self.axis
        if len(found) > 1:
            raise OptionError(
                f"Which dim of an input of shape {tuple(value.shape)} are the {self.count} samples is not clear. "
                "Give a batch with another number of samples."
            )
        return found[0] if found else None


def codes_of(data: Tensor, letters: Tensor, lengths: Tensor, step: int) -> tuple[str, int] | None:
    """Return how some letters are laid out in what a layer is asked for.

    Parameters
    ----------
    data : Tensor of int
        What it is asked for.
    letters : Tensor (sample, step) of int
        What the model was given, longest sample first.
    lengths : Tensor (sample,)
        Of the samples.
    step : int
        The next step, where it is asked for one after the other.

    Returns
    -------
    tuple or None
        ``batch`` or ``time`` with the number of steps, ``packed`` with whether in order (see `packed`), ``step`` with
        which one; None for other letters.
    """
    import torch

    steps = int(lengths.max())
    for size in {letters.shape[1], steps}:
        if torch.equal(data, letters[:, :size]):
            return "batch", size
        if torch.equal(data, letters[:, :size].t()):
            return "time", size
    if data.dim() == 1 and data.numel() == int(lengths.sum()):
        for in_order in (True, False):  # of equal lengths torch sorts some before others
            if torch.equal(data, packed(letters, lengths, in_order).data):
                return "packed", in_order
    if step < letters.shape[1] and torch.equal(data.reshape(-1), letters[:, step]):
        return "step", step
    return None
