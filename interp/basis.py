"""Another basis, to see whether single units are special or any direction in their layer would do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from interp.contracts import Stream
from interp.errors import OptionError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from interp.scaling.shards import Sharded

GROUP = ("module", "layer", "direction", "quantity")
BASES = ("units", "rotated")
ROWS_IN_MEMORY, ROWS_ON_DISK = 4096, 32_768  # tokens of a block: on disk, those of a chunk of the store


def random_rotation(size: int, seed: int | list[int] = 0) -> NDArray[np.float64]:
    """Return an orthogonal matrix from the uniform (Haar) law.

    The Q of a Gaussian matrix, columns signed so that the diagonal of R is positive (Mezzadri, "How to generate random
    matrices from the classical compact groups", 2007).

    Parameters
    ----------
    size : int
        Rows and columns.
    seed : int or list of int
        Same seed, same matrix.

    Returns
    -------
    array (size, size) of float64
    """
    orthogonal, triangular = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))
    return np.asarray(orthogonal * np.where(np.diag(triangular) < 0, -1.0, 1.0))


def rotate(source: Any, seed: int = 0) -> Any:
    """Rotate the units of each layer at random among themselves: the control for claims about single units.

    Each group of units that share module, layer, direction and quantity has a rotation of its own, which depends on
    the seed, the names of the four and the number of units only. Distances and covariances within a group stay.

    Parameters
    ----------
    source : Dataset or Stream
        Activations ``(token, unit)``.
    seed : int
        Of the rotations.

    Returns
    -------
    Dataset or Stream
        The same tokens, labels and names of units, where ``lstm.0.forward.h.3`` is now the third direction of its
        group, and no unit stands for a symbol; groups lie side by side. attrs: ``basis`` is ``rotated``, and
        ``basis_seed``. Values are computed when they are used (a Dask array), one group and some tokens at a time;
        ``.load()`` keeps them.

    Raises
    ------
    OptionError
        For activations that are rotated already.
    """
    import xarray as xr

    if isinstance(source, xr.Dataset):
        return _rotated(source, seed)
    if isinstance(source, Iterator):
        return (_rotated(chunk, seed).load() for chunk in source)
    return Rotated(source, seed)


class Rotated:
    """A `Stream` of rotated chunks."""

    def __init__(self, source: Stream, seed: int) -> None:
        self.source, self.seed = source, seed

    def __iter__(self) -> Iterator[xr.Dataset]:
        return self._turned(self.source)

    def _turned(self, chunks: Iterable[xr.Dataset]) -> Iterator[xr.Dataset]:
        return (_rotated(chunk, self.seed).load() for chunk in chunks)

    def _parts(self) -> Sharded:
        from interp.scaling.shards import sharded

        return sharded(self.source)

    def shards(self) -> Iterator[Any]:
        """Yield the shards of what is rotated."""
        return self._parts().shards()

    def of(self, shard: Any) -> Iterator[xr.Dataset]:
        """Return the chunks of a shard."""
        chunks: Any = self._parts().of(shard)
        return self._turned(chunks)

    def identity(self) -> dict[str, str]:
        """Return what tells it from other streams."""
        return {**self._parts().identity(), "basis": f"rotated {self.seed}"}


def in_basis(source: Any, basis: str, seed: int) -> Any:
    """Return a source in a basis: as it is, or rotated."""
    if basis not in BASES:
        raise OptionError(f"basis= is 'units' or 'rotated'; got {basis!r}.")
    return rotate(source, seed) if basis == "rotated" else source


def _rotated(acts: xr.Dataset, seed: int) -> xr.Dataset:
    if acts.attrs.get("basis") == "rotated":
        raise OptionError(f"These activations are rotated already (seed {acts.attrs.get('basis_seed')}).")
    names, codes = groups(acts)
    if (np.diff(codes) < 0).any():
        acts = acts.isel(unit=np.argsort(codes, kind="stable"))
    sizes = np.bincount(codes, minlength=len(names)).tolist()
    turns = [random_rotation(size, _seed(name, seed)) for name, size in zip(names, sizes, strict=True)]
    chunked = acts.activation.chunk({**_rows(acts), "unit": tuple(sizes)}, token=uuid4().hex)

    def turn(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        matrix = turns[block_info[0]["chunk-location"][1]]
        return np.asarray((block.astype(np.float64) @ matrix).astype(block.dtype))

    values = chunked.data.map_blocks(turn, dtype=acts.activation.dtype, name=f"rotate-{uuid4().hex}")
    moved = acts.assign(activation=(("token", "unit"), values)).assign_attrs(basis="rotated", basis_seed=seed)
    return moved.assign_coords(symbol=("unit", np.full(acts.sizes["unit"], ""))) if "symbol" in acts.coords else moved


def _rows(acts: xr.Dataset) -> dict[str, int]:
    if acts.activation.chunks:
        return {}
    return {"token": ROWS_IN_MEMORY if in_memory(acts) else ROWS_ON_DISK}


def in_memory(acts: xr.Dataset) -> bool:
    """Return whether activations are an array, and not on disk or yet to be computed."""
    return bool(acts.activation.variable._in_memory)


def groups(acts: xr.Dataset) -> tuple[list[str], np.ndarray]:
    """Return the names of the groups of units, in order, and the number of the group of each unit."""
    keys = zip(*(acts[name].values.tolist() for name in GROUP), strict=True)
    named = [".".join(map(str, key)) for key in keys]
    number = {name: place for place, name in enumerate(dict.fromkeys(named))}
    return list(number), np.array([number[name] for name in named], dtype=int)


def _seed(name: str, seed: int) -> list[int]:
    return [seed, int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")]
