"""A batch as rows of numbers that gradients can flow into, whatever layout its model takes them in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from interp import Batch, OptionError
from interp_attribution.selecting import Samples, codes_of, leading, packed, padded

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class Feed:
    """The samples of one batch.

    Attributes
    ----------
    model : Module
        What they go into.
    batch : Batch
        Where they come from.
    x : Tensor (sample, step, feature)
        The leading input as it is, letters as one-hot rows, or the rows of the embedding.
    lengths : Tensor (sample,)
        Steps of each sample; the rest of ``x`` is padding.
    steps_first : bool
        Whether the model takes ``(step, sample, …)``.
    letters : Tensor (sample, step) of int, optional
        What the model gets where ``x`` stands in for the output of a layer.
    look_up : Module, optional
        That layer.
    """

    model: nn.Module
    batch: Batch
    samples: Samples
    x: Tensor
    lengths: Tensor
    steps_first: bool
    letters: Tensor | None = None
    look_up: nn.Module | None = None
    given: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    asked: int = field(default=0, init=False)

    def inputs(self, x: Tensor, index: Tensor) -> Batch:
        """Return a batch of samples ``index``, longest first, with other numbers for the leading input."""
        from torch.nn.utils.rnn import PackedSequence

        lengths = self.lengths[index.cpu()]
        fed: Any = x if self.letters is None else self.letters[index]
        if isinstance(self.samples.first, PackedSequence):
            fed = packed(fed, lengths, self.samples.first.sorted_indices is None)
        elif self.steps_first:
            fed = fed.transpose(0, 1)
        stated = None if self.batch.lengths is None else lengths.tolist()
        return Batch(self.samples.taken(index, fed), stated, None, self.batch.call)

    def __call__(self, x: Tensor, index: Tensor) -> Any:
        """Return what the model gives for samples ``index``, longest first, with the numbers ``x``."""
        from torch.nn.utils.rnn import PackedSequence

        batch = self.inputs(x, index)
        self.given, self.asked = (x, index), 0
        if batch.call is not None:
            return batch.call(self.model, batch)
        if isinstance(batch.inputs, tuple | list) and not isinstance(batch.inputs, PackedSequence):
            return self.model(*batch.inputs)
        return self.model(batch.inputs)

    @contextmanager
    def looked_up(self) -> Iterator[None]:
        """Have the layer that looks letters up give the rows that were fed."""
        if self.look_up is None:
            yield
            return
        handle = self.look_up.register_forward_hook(self._answer)
        try:
            yield
        finally:
            handle.remove()

    def _answer(self, _module: Any, args: Any, output: Any) -> Any:
        """Return what the layer gives: for the letters that were fed their rows, laid out as it was asked for them."""
        if self.given is None or self.letters is None:
            return output
        x, index = self.given
        found = codes_of(args[0], self.letters[index], self.lengths[index.cpu()], self.asked)
        if found is None:
            return output
        layout, number = found
        if layout == "step":
            self.asked += 1
            return x[:, number].reshape(output.shape)
        if layout == "packed":
            return packed(x, self.lengths[index.cpu()], bool(number)).data
        return x[:, :number] if layout == "batch" else x[:, :number].transpose(0, 1)


def fed(model: nn.Module, batch: Any, embedding: str = "") -> Feed:
    """Return the feed of a batch.

    Parameters
    ----------
    model : Module
        In eval mode.
    batch : Batch, Tensor or PackedSequence
        As of `interp.capture`.
    embedding : str
        The layer that looks letters up; by default the only ``nn.Embedding``. Without one letters become one-hot rows.

    Raises
    ------
    OptionError
        For inputs that no gradient can flow into.
    """
    import torch
    from torch.nn.utils.rnn import PackedSequence

    from interp_attribution.letters import of_letters

    batch = batch if isinstance(batch, Batch) else Batch(batch)
    first = leading(batch.inputs)
    if first is None:
        raise OptionError(f"A batch of {type(batch.inputs).__name__} holds no tensor that could be attributed to.")
    steps_first = False
    if isinstance(first, PackedSequence):
        rows, lengths = padded(first)
    else:
        steps_first = first.dim() > 1 and time_first(model)
        rows = first.transpose(0, 1) if steps_first else first
        every = torch.full((len(rows),), rows.shape[1] if rows.dim() > 1 else 0)
        lengths = every if batch.lengths is None else torch.as_tensor(batch.lengths).reshape(-1).cpu()
    check(rows, lengths)
    samples = Samples(batch.inputs, first, len(rows), 1 if steps_first else 0)
    feed = Feed(model, batch, samples, rows, lengths, steps_first)
    return feed if rows.is_floating_point() else of_letters(replace(feed, letters=rows), embedding)


def check(rows: Tensor, lengths: Tensor) -> None:
    """Raise `OptionError` for a leading input of another shape than samples of these lengths have."""
    right = rows.dim() == (3 if rows.is_floating_point() else 2) and len(lengths) == len(rows)
    if not right or int(lengths.max()) > rows.shape[1]:
        raise OptionError(
            f"The leading input has shape {tuple(rows.shape)}, samples first, and there are {len(lengths)} lengths up "
            f"to {int(lengths.max())}: expected (sample, step) letters or (sample, step, feature) numbers, or "
            "(step, sample, …) where no module has batch_first."
        )


def time_first(model: nn.Module) -> bool:
    """Return whether all modules that say so by ``batch_first`` take ``(step, sample, …)``."""
    stated = [bool(part.batch_first) for part in model.modules() if hasattr(part, "batch_first")]
    return bool(stated) and not any(stated)
