"""A piece of a long store that keeps the columns it has read, so that the next click needs no disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core.indexing import IndexingSupport, LazilyIndexedArray, explicit_indexing_adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 16  # units that a store keeps together


class Columns(BackendArray):
    """The matrix ``(token, unit)`` of a few tokens, read some units at a time when asked for.

    Parameters
    ----------
    matrix : DataArray
        Dims ``(token, unit)``, lazy.
    """

    def __init__(self, matrix: xr.DataArray) -> None:
        self.matrix = matrix
        self.shape, self.dtype = matrix.shape, matrix.dtype
        self.kept = np.empty(self.shape, self.dtype, order="F")  # a unit's column is read; memory is taken when written
        self.known = np.zeros(-(-self.shape[1] // BLOCK), bool)

    def __getitem__(self, key: Any) -> Any:
        """Return what a lazy index asks for."""
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._get)

    def _get(self, key: tuple[Any, ...]) -> np.ndarray:
        wanted = np.zeros(self.known.size, bool)
        wanted[np.atleast_1d(np.arange(self.shape[1])[key[1]]) // BLOCK] = True
        for first, last in stretches(wanted & ~self.known):
            held = slice(first * BLOCK, last * BLOCK)
            self.kept[:, held] = self.matrix.isel(unit=held).values
            self.known[first:last] = True
        rows, columns = (unbroken(part) for part in key)
        if isinstance(rows, slice):  # a view, before columns are copied
            return np.asarray(self.kept[rows][:, columns])
        return np.asarray(self.kept[:, columns][rows])


def unbroken(part: Any) -> Any:
    """Return an array of positions without a gap as a slice, which needs no copy; anything else as it is."""
    if isinstance(part, np.ndarray) and part.size and (np.diff(part) == 1).all():
        return slice(int(part[0]), int(part[-1]) + 1)
    return part


def stretches(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the half-open ranges in which a boolean array is true.

    Examples
    --------
    >>> list(stretches(np.array([True, True, False, True])))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def cached(acts: xr.Dataset) -> xr.Dataset:
    """Return the dataset with labels in memory and a matrix that is read when asked for, and then kept.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``: so few tokens that the matrix fits in memory.
    """
    matrix = xr.Variable(("token", "unit"), LazilyIndexedArray(Columns(acts["activation"])))
    coords = {name: coord.variable.copy().load() for name, coord in acts.coords.items()}
    return xr.Dataset({"activation": matrix}, coords, acts.attrs)
