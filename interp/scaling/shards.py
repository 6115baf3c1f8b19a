"""A source in shards: runs of whole samples, each small enough to be sent and large enough to be worth it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from interp.capturing.identity import described, feed
from interp.errors import OptionError
from interp.reducers import in_order, sample_bounds, unit_blocks

if TYPE_CHECKING:
    import xarray as xr

TOKENS = 2**18  # of a shard of a dataset


@runtime_checkable
class Sharded(Protocol):
    """A `Stream` in parts that can be made elsewhere; it is sent there once, without what its shards bring."""

    def shards(self) -> Iterator[Any]:
        """Yield what `of` takes: small, and in the order of the tokens, the same each time."""

    def of(self, shard: Any) -> Iterable[xr.Dataset] | xr.Dataset:
        """Return the chunks of a shard, or a dataset."""

    def identity(self) -> Mapping[str, str]:
        """Return what tells it from other streams, to find again what has been counted in it."""


class Rows:
    """A dataset in shards; elsewhere each shard brings its own rows.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``. What is read from a store is read where the shard is.
    """

    def __init__(self, acts: xr.Dataset) -> None:
        self.acts: xr.Dataset | None = in_order(acts)

    def __getstate__(self) -> dict[str, Any]:
        return {"acts": None}

    def shards(self) -> Iterator[xr.Dataset]:
        """Yield rows of whole samples, about `TOKENS` of them, in order."""
        assert self.acts is not None  # noqa: S101
        bounds = sample_bounds(self.acts["sample"].values)
        first = 0
        while first < bounds.size - 1:
            last = max(first + 1, int(np.searchsorted(bounds, bounds[first] + TOKENS, side="right")) - 1)
            yield self.acts.isel(token=slice(int(bounds[first]), int(bounds[last])))
            first = last

    def of(self, shard: xr.Dataset) -> xr.Dataset:
        """Return the rows themselves."""
        return shard

    def identity(self) -> dict[str, str]:
        """Return the attrs, a hash of the labels of units and tokens, and how the units are cut."""
        assert self.acts is not None  # noqa: S101
        digest = sha256()
        for name, held in sorted(self.acts.coords.items(), key=lambda coord: str(coord[0])):
            feed(digest, [str(name), held.values])
        told = {"labels": digest.hexdigest(), "blocks of units": f"{[block.stop for block in unit_blocks(self.acts)]}"}
        return {name: described(value) for name, value in self.acts.attrs.items()} | told


def sharded(source: Any) -> Sharded:
    """Return a dataset or a stream as something in shards.

    Raises
    ------
    OptionError
        For a stream that can't be cut.
    """
    import xarray as xr

    if isinstance(source, xr.Dataset):
        return Rows(source)
    if isinstance(source, Sharded):
        return source
    raise OptionError(
        f"A {type(source).__name__} can't be cut in shards for client= or states=: it needs methods shards() and "
        "of(shard), as interp.stream has them."
    )
