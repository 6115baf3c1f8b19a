"""A batch as rows of numbers that gradients can flow into, whatever layout its model takes them in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from interp import Batch, OptionError, UnknownNameError
from interp_attribution.selecting import Samples, codes_of, leading, packed, padded

if TYPE_CHECKING:
    import torch
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
    letters : Tensor (sample, step) of int, optional
        Where the input is letters.
    look_up : Module, optional
        The layer whose output ``x`` stands in for.
    steps_first : bool
        Whether the model takes ``(step, sample, …)``.
    """

    model: nn.Module
    batch: Batch
    samples: Samples
    x: Tensor
    lengths: Tensor
    steps_first: bool
    letters: Tensor | None = None
    look_up: nn.Module | None = None
    rows: Any = field(default=None, init=False)

    def inputs(self, x: Tensor, index: Tensor) -> Batch:
        """Return a batch of some samples, longest first, with other numbers for the leading input."""
        from torch.nn.utils.rnn import PackedSequence

        lengths = self.lengths[index.cpu()]
        fed = x if self.look_up is None or self.letters is None else self.letters[index]
        if isinstance(self.samples.first, PackedSequence):
            fed = packed(fed, lengths)  # type: ignore[assignment]
        elif self.steps_first:
            fed = fed.transpose(0, 1)
        stated = None if self.batch.lengths is None else lengths.tolist()
        return Batch(self.samples.taken(index, fed), stated, None, self.batch.call)

    def __call__(self, x: Tensor, index: Tensor) -> Any:
        """Return what the model gives for samples ``index``, longest first, with the numbers ``x``."""
        batch = self.inputs(x, index)
        self.rows = (x, index)
        if batch.call is not None:
            return batch.call(self.model, replace(batch, call=None))
        if isinstance(batch.inputs, tuple | list) and not hasattr(batch.inputs, "batch_sizes"):
            return self.model(*batch.inputs)
        return self.model(batch.inputs)

    @contextmanager
    def looked_up(self) -> Iterator[None]:
        """Have the embedding give the rows that were fed."""
        if self.look_up is None:
            yield
            return
        handle = self.look_up.register_forward_hook(Answer(self))
        try:
            yield
        finally:
            handle.remove()


class Answer:
    """Gives the rows that were fed, laid out as an embedding was asked for them: all, packed, or step by step."""

    def __init__(self, feed: Feed) -> None:
        self.feed, self.last, self.step = feed, None, 0

    def __call__(self, _module: Any, args: Any, output: Tensor) -> Tensor:
        """Return the output of the embedding; its own for letters other than those that were fed."""
        import torch

        feed = self.feed
        if feed.rows is None or feed.letters is None:
            return output
        (x, index), asked = feed.rows, args[0]
        letters, lengths = feed.letters[index], feed.lengths[index.cpu()]
        found = codes_of(asked, letters, lengths)
        if found is not None:
            layout, steps = found
            if layout == "packed":
                return packed(x, lengths).data
            return x[:, :steps] if layout == "batch" else x[:, :steps].transpose(0, 1)
        if self.last is not feed.rows:
            self.last, self.step = feed.rows, 0
        if self.step < letters.shape[1] and torch.equal(asked.reshape(-1), letters[:, self.step]):
            self.step += 1
            return x[:, self.step - 1].reshape(output.shape)
        return output


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

    batch = batch if isinstance(batch, Batch) else Batch(batch)
    first = leading(batch.inputs)
    if first is None:
        raise OptionError(f"A batch of {type(batch.inputs).__name__} holds no tensor that could be attributed to.")
    steps_first = not isinstance(first, tuple) and time_first(model)
    if isinstance(first, tuple):
        rows, lengths = padded(first)
    else:
        rows = first.transpose(0, 1) if steps_first else first
        every = torch.full((len(rows),), rows.shape[1] if rows.dim() > 1 else 0)
        lengths = every if batch.lengths is None else torch.as_tensor(batch.lengths).reshape(-1).cpu()
    if rows.dim() != (3 if rows.is_floating_point() else 2) or len(lengths) != len(rows):
        raise OptionError(
            f"The leading input has shape {tuple(rows.shape)} and {len(lengths)} lengths: expected (sample, step) "
            "letters or (sample, step, feature) numbers, or (step, sample, …) where no module has batch_first."
        )
    samples = Samples(batch.inputs, first, len(rows), 1 if steps_first else 0)
    feed = Feed(model, batch, samples, rows, lengths, steps_first)
    return feed if rows.is_floating_point() else of_letters(feed, embedding)


def time_first(model: nn.Module) -> bool:
    """Return whether all modules that say so by ``batch_first`` take ``(step, sample, …)``."""
    stated = [bool(part.batch_first) for part in model.modules() if hasattr(part, "batch_first")]
    return bool(stated) and not any(stated)


def of_letters(feed: Feed, embedding: str) -> Feed:
    """Return the feed of letters with their rows: of the embedding, or one-hot."""
    import torch
    from torch.nn.functional import one_hot

    look_up, letters = embedding_of(feed.model, embedding), feed.x
    if look_up is not None:
        with torch.no_grad():
            x = look_up(letters)
    else:
        width = next((int(part.input_size) for part in feed.model.modules() if hasattr(part, "input_size")), 0)
        if width <= int(letters.max()):
            raise OptionError(
                f"The letters go up to {int(letters.max())}, and no module reads one-hot rows of them. Name the layer "
                "that looks them up: embedding=."
            )
        x = one_hot(letters, width).to(next(feed.model.parameters()).dtype)
    made = replace(feed, x=x, letters=letters, look_up=look_up)
    check_rows(made)
    return made


def embedding_of(model: nn.Module, name: str) -> nn.Module | None:
    """Return the layer of a name, the only ``nn.Embedding``, or None."""
    from torch import nn

    there = dict(model.named_modules())
    if name:
        if name not in there:
            raise UnknownNameError(f"The model has no module {name!r}. It has: {', '.join(filter(None, there))}.")
        return there[name]
    found = {key: part for key, part in there.items() if isinstance(part, nn.Embedding)}
    if len(found) > 1:
        raise OptionError(f"Which of {', '.join(found)} looks the letters up? Name it: embedding=.")
    return next(iter(found.values()), None)


def check_rows(feed: Feed) -> None:
    """Raise where the model gives something else for rows than for the letters that they stand for."""
    import torch

    index = feed.lengths[: min(4, len(feed.lengths))].argsort(descending=True, stable=True)
    bare = replace(feed, x=feed.letters, look_up=None)
    with torch.no_grad():
        wanted = tensor_of(bare(feed.letters[index], index))  # type: ignore[index]
        ends: list[Tensor] = []
        for scale in (1, 0):
            with feed.looked_up(), readable(feed):
                ends.append(tensor_of(feed(feed.x[index] * scale, index)))
    if not torch.allclose(ends[0], wanted, rtol=1e-4, atol=1e-5) or torch.equal(ends[1], wanted):
        raise OptionError(
            "The model's output does not depend on its letters through the rows that stand for them. Name the layer "
            "that looks them up: embedding=, or give numbers as inputs."
        )


@contextmanager
def readable(feed: Feed) -> Iterator[None]:
    """Turn what a model says of rows in place of letters into an `OptionError`."""
    try:
        yield
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise OptionError(
            f"The model can't take rows of numbers in place of letters ({error}). Name the layer that looks them up: "
            "embedding=."
        ) from error


def tensor_of(output: Any) -> Tensor:
    """Return the tensor of an output: itself, a packed one's data, or that of the first part."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    found = leading(output)
    if found is None:
        raise OptionError(f"The model gives a {type(output).__name__} without a tensor: say which part, output=.")
    return found.data if isinstance(found, tuple) else found  # type: ignore[no-any-return]
