"""Division of batches into shards, for distributed captures, and their fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from interp.activations.batching import iter_batches, sample_count
from interp.base import Batch
from interp.errors import CaptureError
from interp.storage.fingerprint import chain_hash

MIN_SHARD_SAMPLES = 4_096  # minimum number of samples per shard


@dataclass(frozen=True)
class Shard:
    """Consecutive batches, and the number of samples before them."""

    batches: Any
    first_sample: int


def iter_shards(batches: Any, axis: Callable[[Batch], int | None]) -> Iterator[Shard]:
    """Yield batches in shards: the shards of the batches themselves, or shards of at least `MIN_SHARD_SAMPLES` samples.

    Parameters
    ----------
    batches : Any
        Batches; see `interp.capture`. If they have a method ``shards()``, which yields re-iterable batches with a
        number of ``samples``, no batch is made here.
    axis : callable
        Function that returns the sample dim of the first input tensor of a batch.

    Raises
    ------
    CaptureError
        For a batch whose number of samples is unknown.
    """
    first = 0
    if hasattr(batches, "shards"):
        for shard in batches.shards():
            yield Shard(shard, first)
            first += shard.samples
        return
    pending: list[Batch] = []
    samples = 0
    for batch in iter_batches(batches):
        count = sample_count(batch, axis(batch))
        if count is None:
            raise CaptureError(
                "The number of samples of a batch is unknown before the model runs; pass lengths= in the Batch."
            )
        pending.append(batch)
        samples += count
        if samples >= MIN_SHARD_SAMPLES:
            yield Shard(pending, first)
            first, samples, pending = first + samples, 0, []
    if pending:
        yield Shard(pending, first)


def fingerprint(batches: Any) -> str:
    """Return the attribute ``fingerprint`` of the batches, or a hash of all of them."""
    value = getattr(batches, "fingerprint", None)
    return value if isinstance(value, str) else hash_batches(batches)[1]


def hash_batches(batches: Any) -> tuple[int, str]:
    """Return the number of batches and the hash of all of them."""
    number, digest = 0, ""
    for number, batch in enumerate(iter_batches(batches), 1):  # noqa: B007 (the last number is returned)
        digest = chain_hash(digest, batch)
    return number, digest
