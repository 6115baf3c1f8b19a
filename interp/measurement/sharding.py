"""Split a source into shards: runs of whole samples, the unit of distributed work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from interp.errors import OptionError
from interp.measurement.reduce import sample_bounds, sort_by_sample, unit_blocks
from interp.storage.fingerprint import canonical_text, update_hash

if TYPE_CHECKING:
    import xarray as xr


TOKENS_PER_SHARD = 2**18  # tokens per shard of a dataset


@runtime_checkable
class Sharded(Protocol):
    """An `ActivationStream` in shards that workers load. It is sent to each worker once, without the data."""

    def shards(self) -> Iterator[Any]:
        """Yield the arguments of `of`: small objects in the order of the tokens, the same in each iteration."""

    def load(self, shard: Any) -> Iterable[xr.Dataset] | xr.Dataset:
        """Return a shard as chunks, or as one dataset."""

    def identity(self) -> Mapping[str, str]:
        """Return the properties that distinguish this stream from others, to recognise its states on disk."""


class DatasetShards:
    """A dataset in shards; each shard carries its own rows.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``. Rows of a stored dataset are read by the worker.
    """

    def __init__(self, acts: xr.Dataset) -> None:
        self.acts: xr.Dataset | None = sort_by_sample(acts)

    def __getstate__(self) -> dict[str, Any]:
        return {"acts": None}

    def shards(self) -> Iterator[xr.Dataset]:
        """Yield runs of whole samples of about `TOKENS_PER_SHARD` tokens each, in order."""
        assert self.acts is not None  # noqa: S101
        bounds = sample_bounds(self.acts["sample"].values)
        first = 0
        while first < bounds.size - 1:
            last = max(first + 1, int(np.searchsorted(bounds, bounds[first] + TOKENS_PER_SHARD, side="right")) - 1)
            yield self.acts.isel(token=slice(int(bounds[first]), int(bounds[last])))
            first = last

    def load(self, shard: xr.Dataset) -> xr.Dataset:
        """Return the shard, which is a dataset already."""
        return shard

    def identity(self) -> dict[str, str]:
        """Return the attrs, a hash of all coords, and the ends of the blocks of units."""
        assert self.acts is not None  # noqa: S101
        digest = sha256()
        for name, coord in sorted(self.acts.coords.items(), key=lambda coord: str(coord[0])):
            update_hash(digest, [str(name), coord.values])
        properties = {
            "labels": digest.hexdigest(),
            "blocks of units": f"{[block.stop for block in unit_blocks(self.acts)]}",
        }
        return {name: canonical_text(value) for name, value in self.acts.attrs.items()} | properties


def as_sharded(source: Any) -> Sharded:
    """Wrap a dataset or a stream as `Sharded`.

    Raises
    ------
    OptionError
        The stream can't be split.
    """
    import xarray as xr

    if isinstance(source, xr.Dataset):
        return DatasetShards(source)
    if isinstance(source, Sharded):
        return source
    raise OptionError(
        f"A {type(source).__name__} can't be split into shards for client= or checkpoint_dir=: it needs the "
        "methods shards() and load(shard). Pass a dataset, or a stream of interp.stream."
    )
