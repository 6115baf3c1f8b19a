"""Cache of the columns of a long store, so that the next click needs no disk access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core.indexing import IndexingSupport, LazilyIndexedArray, explicit_indexing_adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_UNITS = 16  # units per chunk of a store


class CachedColumns(BackendArray):
    """Matrix ``(token, unit)`` of a few tokens whose blocks of units are read on first access.

    Parameters
    ----------
    matrix : DataArray
        Lazy array, dims ``(token, unit)``.
    """

    def __init__(self, matrix: xr.DataArray) -> None:
        self.matrix = matrix
        self.shape, self.dtype = matrix.shape, matrix.dtype
        self.values = np.empty(self.shape, self.dtype, order="F")  # memory is allocated as columns are written
        self.is_read = np.zeros(-(-self.shape[1] // BLOCK_UNITS), bool)

    def __getitem__(self, key: Any) -> Any:
        """Return the values of a lazy index."""
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._get)

    def _get(self, key: tuple[Any, ...]) -> np.ndarray:
        blocks = np.zeros(self.is_read.size, bool)
        blocks[np.atleast_1d(np.arange(self.shape[1])[key[1]]) // BLOCK_UNITS] = True
        for first, last in true_ranges(blocks & ~self.is_read):
            units = slice(first * BLOCK_UNITS, last * BLOCK_UNITS)
            self.values[:, units] = self.matrix.isel(unit=units).values
            self.is_read[first:last] = True
        rows, columns = (as_slice(part) for part in key)
        if isinstance(rows, slice):  # select the rows first: they are a view
            return np.asarray(self.values[rows][:, columns])
        return np.asarray(self.values[:, columns][rows])


def as_slice(part: Any) -> Any:
    """Return an array of consecutive positions as a slice, which needs no copy; return anything else unchanged."""
    if isinstance(part, np.ndarray) and part.size and (np.diff(part) == 1).all():
        return slice(int(part[0]), int(part[-1]) + 1)
    return part


def true_ranges(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the half-open ranges in which a boolean array is true.

    Examples
    --------
    >>> list(true_ranges(np.array([True, True, False, True])))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def cache_columns(acts: xr.Dataset) -> xr.Dataset:
    """Return the dataset with labels in memory and a matrix whose columns are cached on first access.

    Parameters
    ----------
    acts : Dataset
        Activations, dims ``(token, unit)``, with so few tokens that the matrix fits in memory.
    """
    matrix = xr.Variable(("token", "unit"), LazilyIndexedArray(CachedColumns(acts["activation"])))
    coords = {name: coord.variable.copy().load() for name, coord in acts.coords.items()}
    return xr.Dataset({"activation": matrix}, coords, acts.attrs)
