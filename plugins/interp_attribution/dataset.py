"""What both probes begin with: the batches of a capture, its tokens in them, and what each is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import Batch, OptionError
from interp_attribution.baselines import Baselines
from interp_attribution.feeding import Feed, fed
from interp_attribution.readout import Readout, against_of, columns_of

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Some tokens of one batch, each with one thing that it is compared with.

    Attributes
    ----------
    feed : Feed
        The batch.
    token : array (row,)
        Which token of the activations each row is.
    x, reference : Tensor (row, step, feature)
        The input and what it is compared with; equal where a sample has ended.
    index, at, column, lengths : Tensor (row,)
        The sample of the batch, the step and the output that count, and the steps of the sample.
    """

    feed: Feed
    token: np.ndarray
    x: Tensor
    reference: Tensor
    index: Tensor
    at: Tensor
    column: Tensor

    @property
    def lengths(self) -> Tensor:
        """Steps of each row's sample."""
        return self.feed.lengths[self.index.cpu()]


class Setting:
    """The batches of a capture as feeds, and how an output is read.

    Parameters
    ----------
    acts : Dataset (token, unit)
        The tokens to explain: any part of a capture.
    model : Module
        The captured one.
    batches : Batch, tensor or iterable of those
        All of the capture, in the same order.
    target, against, output
        See `Readout` and `columns_of`.
    embedding : str
        See `fed`.
    """

    def __init__(
        self, acts: xr.Dataset, model: Any, batches: Any, target: Any, against: Any, output: Any, embedding: str
    ) -> None:
        if model is None or batches is None:
            raise OptionError("Give the captured network and what it was given: model=, batches=.")
        if not acts.sizes["token"]:
            raise OptionError("These activations have no token to explain.")
        check_still(model)
        self.acts, self.model = acts, model
        self.feeds = [fed(model, batch, embedding) for batch in listed(batches)]
        self.readout = Readout(output, against_of(model, against), any(feed.steps_first for feed in self.feeds))
        self.column, self.step = columns_of(acts, model, target), acts["step"].values.astype(np.int64)
        self._place()
        self._check_engine()

    def _check_engine(self) -> None:
        """Run some samples, so that the engine is compared with the modules on data; on the way to it, it is not."""
        import torch

        from interp import intervene

        feed = self.feeds[self.which[0]]
        index = feed.lengths.argsort(descending=True, stable=True)[:16].to(feed.x.device)
        with torch.no_grad(), feed.looked_up(), intervene(self.model, []):
            feed(feed.x[index], index)

    def _place(self) -> None:
        """Find the batch and the sample of each token."""
        ends = np.cumsum([len(feed.lengths) for feed in self.feeds])
        sample = self.acts["sample"].values.astype(np.int64)
        self.which = np.searchsorted(ends, sample, side="right")
        if (self.which >= len(self.feeds)).any():
            raise OptionError(
                f"These activations have sample {sample.max()}, and batches= has {ends[-1]} samples: pass all "
                "batches of the capture."
            )
        self.sample = sample - np.concatenate([[0], ends])[self.which]
        known = [feed.lengths.numpy() for feed in self.feeds]
        self.lengths = np.array([known[which][k] for which, k in zip(self.which, self.sample, strict=True)])
        self.steps = max(feed.x.shape[1] for feed in self.feeds)
        beyond = np.flatnonzero(self.step >= self.lengths)
        if beyond.size:
            raise OptionError(
                f"These activations have a token at step {self.step[beyond[0]]} of a sample that has "
                f"{self.lengths[beyond[0]]} steps in batches=: pass the captured ones."
            )

    def rows(self, baselines: Baselines, steps: int, together: bool = False) -> Iterator[Rows]:
        """Yield tokens with their baselines, longest samples first.

        Parameters
        ----------
        baselines : Baselines
            Of the samples.
        steps : int
            At most so many steps of rows at once, but one row at least.
        together : bool
            One token with all its baselines at a time.
        """
        for place, feed in enumerate(self.feeds):
            mine = np.flatnonzero(self.which == place)
            held: list[tuple[int, Tensor]] = []
            for token in mine[np.argsort(-self.lengths[mine], kind="stable")].tolist():
                found = baselines.of(feed, int(self.sample[token]), int(self.acts["source"].values[token]))
                if together:
                    yield self._made(feed, [(token, row) for row in found])
                    continue
                for row in found:
                    held.append((token, row))
                    if (len(held) + 1) * feed.x.shape[1] > steps:
                        yield self._made(feed, held)
                        held = []
            if held:
                yield self._made(feed, held)

    def _made(self, feed: Feed, held: Sequence[tuple[int, Tensor]]) -> Rows:
        import torch

        token = np.array([token for token, _ in held])
        index, at, column = (torch.from_numpy(values[token]) for values in (self.sample, self.step, self.column))
        device = feed.x.device
        index, at, column = index.to(device), at.to(device), column.to(device)
        return Rows(feed, token, feed.x[index], torch.stack([row for _, row in held]), index, at, column)

    def number(self, rows: Rows, x: Tensor) -> Tensor:
        """Return the number that is attributed, for rows that hold ``x``: ``(row,)``."""
        return read(self.readout, rows.feed, x, rows.index, rows.at, rows.column)

    def source_letters(self, name: str, steps: int) -> np.ndarray | None:
        """Return a label of all steps of each token's sample, ``(token, step)`` of str; None where there is none."""
        tables = []
        for feed in self.feeds:
            values = (feed.batch.labels or {}).get(name)
            if values is None:
                return None
            tables.append(per_sample(values, feed.lengths.numpy()))
        rows = [tables[which][sample] for which, sample in zip(self.which, self.sample, strict=True)]
        return np.array([[str(value) for value in row[:steps]] + [""] * (steps - len(row)) for row in rows])


def per_sample(values: Any, lengths: np.ndarray) -> list[list[Any]]:
    """Return a batch's label as one list a sample, whether it is flat or not."""
    if len(values) == lengths.sum() and (len(values) != len(lengths) or np.ndim(values[0]) == 0):
        return [part.tolist() for part in np.split(np.asarray(values), np.cumsum(lengths)[:-1])]
    return [
        list(value) if hasattr(value, "__len__") else [value] * int(n) for value, n in zip(values, lengths, strict=True)
    ]


def listed(batches: Any) -> list[Any]:
    """Return batches as a list."""
    from torch import Tensor
    from torch.nn.utils.rnn import PackedSequence

    found = [batches] if isinstance(batches, Batch | Tensor | PackedSequence) else list(batches)
    for batch in found:
        if not isinstance(batch, Batch | Tensor | PackedSequence):
            raise OptionError(f"batches= takes interp.Batch, tensors or PackedSequences; got {type(batch).__name__}.")
    return found


def read(readout: Readout, feed: Feed, x: Tensor, index: Tensor, at: Tensor, column: Tensor) -> Tensor:
    """Return the number for rows in any order; the model gets the longest first."""
    lengths = feed.lengths[index.cpu()]
    order = lengths.argsort(descending=True, stable=True)
    back = order.argsort().to(x.device)
    order = order.to(x.device)
    found = readout(feed(x[order], index[order]), at[order], column[order], lengths)
    return found[back]


def check_still(model: torch.nn.Module) -> None:
    """Raise where a model is in train mode: dropout would make another network of it at every pass."""
    if model.training and any(getattr(part, "dropout", 0) or type(part).__name__.startswith("Dropout")
                              for part in model.modules()):  # fmt: skip
        raise OptionError("The model is in train mode, and its dropout is active: call model.eval().")
