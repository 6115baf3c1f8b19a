"""Captured chunks that are computed on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from torch import nn

from interp.activations.provenance import model_attrs
from interp.activations.resumable import new_manifest
from interp.activations.session import CaptureOptions, CaptureSession
from interp.activations.sharding import Shard, fingerprint, iter_shards
from interp.errors import CaptureError, OptionError

if TYPE_CHECKING:
    import xarray as xr


class CapturedStream:
    """An `ActivationStream` of captured chunks. Pickling leaves the batches out.

    Parameters
    ----------
    model : Module
        Model in eval mode.
    batches : Batch, Tensor, PackedSequence, or iterable of those
        Samples with their labels; not an iterator.
    options : CaptureOptions
        Options of the capture.
    first : int
        Number of samples before the first one.
    make_session : callable
        ``make_session(model, batches, options, streaming=True)`` returns a new session.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Any,
        options: CaptureOptions,
        first: int = 0,
        make_session: Callable[..., CaptureSession] = CaptureSession,
    ) -> None:
        if isinstance(batches, Iterator):
            raise CaptureError(
                "Expected re-iterable batches: a stream may be read several times, an iterator only once. "
                "Pass a list of batches."
            )
        self.model, self.batches, self.options, self.first_sample = model, batches, options, first
        self.make_session = make_session
        self.attrs = model_attrs(model, batches)

    def __iter__(self) -> Iterator[xr.Dataset]:
        session = self.new_session()
        for labels in session.run():
            matrix, session.matrix = session.matrix, None
            if matrix is not None and matrix.n_rows:
                yield session.dataset(matrix.finish(), labels)

    def new_session(self) -> CaptureSession:
        """Return a new session over the batches, not yet started."""
        session = self.make_session(self.model, self.batches, self.options, streaming=True)
        session.n_samples, session.attrs = self.first_sample, {**session.attrs, **self.attrs}
        return session

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"batches": ()}

    def shards(self) -> Iterator[Shard]:
        """Yield shards of a few thousand samples, each with the number of samples before it."""
        session = self.new_session()
        if not session.can_shard:
            raise OptionError(
                "A stream with edits can't be split into shards. Measure it without client= and checkpoint_dir=."
            )
        return iter_shards(self.batches, lambda batch: session.plan_for(batch).sample_dim)

    def load(self, shard: Shard) -> CapturedStream:
        """Return the stream over the batches of one shard."""
        stream = CapturedStream(self.model, shard.batches, self.options, shard.first_sample, self.make_session)
        stream.attrs = self.attrs
        return stream

    def identity(self) -> dict[str, str]:
        """Return the description of the call that identifies it: its options, model and batches."""
        return {**new_manifest(self.new_session()).call, "batches=": fingerprint(self.batches)}
