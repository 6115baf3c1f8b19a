"""Random rotation of the units of each layer, a control for claims about single units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from interp.base import ActivationStream
from interp.errors import OptionError
from interp.schema import LAYER_COORDS
from interp.statistics.rotation import haar_rotation

if TYPE_CHECKING:
    import xarray as xr

    from interp.measurement.sharding import Sharded


BASES = ("units", "rotated")
ROWS_IN_MEMORY, ROWS_ON_DISK = 4096, 32_768  # tokens per block; on disk, the chunk size of a store


def rotate_basis(source: Any, seed: int = 0) -> Any:
    """Rotate the units of each layer at random, as a control for claims about single units.

    Each group of units that share module, layer, direction and quantity has its own rotation, which depends only on
    the seed, these four names and the number of units. Distances and the eigenvalues of the covariance within a group
    are preserved.

    Parameters
    ----------
    source : Dataset or ActivationStream
        Activations ``(token, unit)``.
    seed : int
        Random seed of the rotations.

    Returns
    -------
    Dataset or Stream
        The same tokens, labels and names of units. ``lstm.0.forward.h.3`` is now direction 3 of its group, and the
        coord ``symbol`` is empty; the units of a group are contiguous. attrs: ``basis`` is ``rotated``, and
        ``basis_seed``. Values are computed lazily (a Dask array), in blocks of one group and some tokens; call
        ``.load()`` to keep them.

    Raises
    ------
    OptionError
        If the activations are already rotated.
    """
    import xarray as xr

    if isinstance(source, xr.Dataset):
        return _rotated(source, seed)
    if isinstance(source, Iterator):
        return (_rotated(chunk, seed).load() for chunk in source)
    return RotatedStream(source, seed)


class RotatedStream:
    """A stream of rotated chunks."""

    def __init__(self, source: ActivationStream, seed: int) -> None:
        self.source, self.seed = source, seed

    def __iter__(self) -> Iterator[xr.Dataset]:
        return self._rotated_chunks(self.source)

    def _rotated_chunks(self, chunks: Iterable[xr.Dataset]) -> Iterator[xr.Dataset]:
        return (_rotated(chunk, self.seed).load() for chunk in chunks)

    def _sharded(self) -> Sharded:
        from interp.measurement.sharding import as_sharded

        return as_sharded(self.source)

    def shards(self) -> Iterator[Any]:
        """Yield the shards of the underlying source."""
        return self._sharded().shards()

    def load(self, shard: Any) -> Iterator[xr.Dataset]:
        """Return the rotated chunks of a shard."""
        chunks: Any = self._sharded().load(shard)
        return self._rotated_chunks(chunks)

    def identity(self) -> dict[str, str]:
        """Return the values that identify the stream."""
        return {**self._sharded().identity(), "basis": f"rotated {self.seed}"}


def to_basis(source: Any, basis: str, seed: int) -> Any:
    """Return a source in a basis: unchanged, or rotated."""
    if basis not in BASES:
        raise OptionError(f"basis= must be 'units' or 'rotated'; got {basis!r}.")
    return rotate_basis(source, seed) if basis == "rotated" else source


def _rotated(acts: xr.Dataset, seed: int) -> xr.Dataset:
    if acts.attrs.get("basis") == "rotated":
        raise OptionError(f"These activations are already rotated (seed {acts.attrs.get('basis_seed')}).")
    names, codes = unit_groups(acts)
    if (np.diff(codes) < 0).any():
        acts = acts.isel(unit=np.argsort(codes, kind="stable"))
    sizes = np.bincount(codes, minlength=len(names)).tolist()
    rotations = [haar_rotation(size, _seed(name, seed)) for name, size in zip(names, sizes, strict=True)]
    import dask.array  # noqa: F401 (an optional dependency, which chunks need)

    chunked = acts.activation.chunk({**_token_chunks(acts), "unit": tuple(sizes)}, token=uuid4().hex)

    def rotate_block(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        matrix = rotations[block_info[0]["chunk-location"][1]]
        return np.asarray((block.astype(np.float64) @ matrix).astype(block.dtype))

    values = chunked.data.map_blocks(rotate_block, dtype=acts.activation.dtype, name=f"rotate-{uuid4().hex}")
    rotated = acts.assign(activation=(("token", "unit"), values)).assign_attrs(basis="rotated", basis_seed=seed)
    if "symbol" not in acts.coords:
        return rotated
    return rotated.assign_coords(symbol=("unit", np.full(acts.sizes["unit"], "")))


def _token_chunks(acts: xr.Dataset) -> dict[str, int]:
    if acts.activation.chunks:
        return {}
    return {"token": ROWS_IN_MEMORY if is_in_memory(acts) else ROWS_ON_DISK}


def is_in_memory(acts: xr.Dataset) -> bool:
    """Return whether activations are in memory, as opposed to on disk or lazily computed."""
    return bool(acts.activation.variable._in_memory)


def unit_groups(acts: xr.Dataset) -> tuple[list[str], np.ndarray]:
    """Return the names of the groups of units in order, and the group number of each unit."""
    keys = zip(*(acts[name].values.tolist() for name in LAYER_COORDS), strict=True)
    names = [".".join(map(str, key)) for key in keys]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return list(numbers), np.array([numbers[name] for name in names], dtype=int)


def _seed(name: str, seed: int) -> list[int]:
    return [seed, int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")]
