"""Batches in shards, for a stream whose parts are made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from interp.capturing.batching import each_batch, sample_count
from interp.capturing.identity import chained
from interp.contracts import Batch
from interp.errors import CaptureError

SAMPLES = 4_096  # of a shard, at least


@dataclass(frozen=True)
class Shard:
    """Some batches, and the number of samples before them."""

    batches: Any
    first: int


def shards_of(batches: Any, axis: Callable[[Batch], int | None]) -> Iterator[Shard]:
    """Yield batches in shards: those that they give themselves, or runs of so many samples.

    Parameters
    ----------
    batches : Any
        As of `interp.capture`. With a method ``shards()``, which yields batches that can be iterated again, each with
        its number of ``samples``, no batch is made here.
    axis : callable
        Gives the axis of the samples in the leading tensor of a batch.
    """
    first = 0
    if hasattr(batches, "shards"):
        for shard in batches.shards():
            yield Shard(shard, first)
            first += shard.samples
        return
    waiting: list[Batch] = []
    samples = 0
    for batch in each_batch(batches):
        count = sample_count(batch, axis(batch))
        if count is None:
            raise CaptureError("The number of samples of a batch is not known before the model runs: give its lengths.")
        waiting.append(batch)
        samples += count
        if samples >= SAMPLES:
            yield Shard(waiting, first)
            first, samples, waiting = first + samples, 0, []
    if waiting:
        yield Shard(waiting, first)


def fingerprint(batches: Any) -> str:
    """Return what batches say of themselves, or a hash of all of them."""
    told = getattr(batches, "fingerprint", None)
    return told if isinstance(told, str) else mark(batches)[1]


def mark(batches: Any) -> tuple[int, str]:
    """Return the number of batches and the hash of them all."""
    number, digest = 0, ""
    for number, batch in enumerate(each_batch(batches), 1):  # noqa: B007 (the last one is told)
        digest = chained(digest, batch)
    return number, digest
