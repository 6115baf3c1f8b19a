"""Letters as rows of numbers: those of the layer that looks them up, or one-hot rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from interp import OptionError, UnknownNameError
from interp_attribution.feeding import Feed
from interp_attribution.selecting import leading

if TYPE_CHECKING:
    from torch import Tensor, nn

NAME_IT = "Name the layer that looks the letters up: embedding=."


def of_letters(feed: Feed, embedding: str) -> Feed:
    """Return the feed of letters with their rows.

    Raises
    ------
    OptionError
        Where the model does not take rows, or gives something else for them than for the letters.
    """
    import torch

    look_up = embedding_of(feed.model, embedding)
    if look_up is None:
        made = replace(feed, x=one_hot_rows(feed), letters=None)
    else:
        with torch.no_grad():
            made = replace(feed, x=look_up(feed.letters), look_up=look_up)
    if made.x.dim() != 3:
        raise OptionError(f"{embedding!r} gives shape {tuple(made.x.shape)} for letters {tuple(feed.x.shape)}.")
    check_rows(feed, made)
    return made


def one_hot_rows(feed: Feed) -> Tensor:
    """Return one-hot rows as wide as what the first recurrent module reads."""
    from torch.nn.functional import one_hot

    widths: list[Any] = [part.input_size for part in feed.model.modules() if hasattr(part, "input_size")]
    width, largest = int(widths[0]) if widths else 0, int(feed.x.max())
    if width <= largest:
        raise OptionError(f"The letters go up to {largest}, and no module reads one-hot rows of them. {NAME_IT}")
    return one_hot(feed.x, width).to(next(feed.model.parameters()).dtype)


def embedding_of(model: nn.Module, name: str) -> nn.Module | None:
    """Return the layer of a name, the only ``nn.Embedding``, or None."""
    from torch import nn

    there = dict(model.named_modules())
    if name:
        if name not in there:
            raise UnknownNameError(f"The model has no module {name!r}. It has: {', '.join(filter(None, there))}.")
        return cast("nn.Module", there[name])
    found: dict[str, nn.Module] = {key: part for key, part in there.items() if isinstance(part, nn.Embedding)}
    if len(found) > 1:
        raise OptionError(f"There are several embeddings: {', '.join(found)}. {NAME_IT}")
    return next(iter(found.values()), None)


def check_rows(feed: Feed, made: Feed) -> None:
    """Raise where the model gives something else for rows than for the letters that they stand for."""
    import torch

    index = feed.lengths[:4].argsort(descending=True, stable=True)
    with torch.no_grad():
        wanted = tensor_of(feed(feed.x[index], index))
        with made.looked_up(), readable():
            same, none = (tensor_of(made(made.x[index] * scale, index)) for scale in (1, 0))
    if not torch.allclose(same, wanted, rtol=1e-4, atol=1e-5) or torch.equal(none, wanted):
        raise OptionError(
            f"The model's output does not depend on its letters through the rows that stand for them. {NAME_IT}"
        )


@contextmanager
def readable() -> Iterator[None]:
    """Turn what a model says of rows in place of letters into an `OptionError`."""
    try:
        yield
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise OptionError(f"The model can't take rows of numbers in place of letters ({error}). {NAME_IT}") from error


def tensor_of(output: Any) -> Tensor:
    """Return the first tensor of an output."""
    from torch.nn.utils.rnn import PackedSequence

    found = leading(output)
    if found is None:
        raise OptionError(
            f"The model gives a {type(output).__name__} without a tensor: call= of the batch can pick one."
        )
    return found.data if isinstance(found, PackedSequence) else cast("Tensor", found)
