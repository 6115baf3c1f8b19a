"""The matrix (token, unit) while it is filled: nothing is copied at the end."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.errors import OptionError

DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16}


class Matrix:
    """Rows of one width that are reserved piece by piece.

    numpy allocates it: it asks for huge pages, and the first touch of fresh memory is a large part of the cost of a
    capture. Memory that is not touched costs nothing, so where the number of rows is not known the address space for
    many is taken, and what was not used is given back. Growing beyond that works, but writes zeros first.

    Parameters
    ----------
    width : int
        Columns.
    dtype : str
        ``float32``, ``float64`` or ``float16``.
    rows : int, optional
        Rows to begin with, where their number is known.
    """

    def __init__(self, width: int, dtype: str = "float32", rows: int | None = None) -> None:
        self.width, self.used, self.dtype = width, 0, check_dtype(dtype)
        self.values = self._empty(room(width * self.dtype.itemsize) if rows is None else rows)

    def _empty(self, rows: int) -> np.ndarray:
        try:
            return np.empty((rows, self.width), dtype=self.dtype)
        except MemoryError:  # a system that counts untouched memory
            return np.empty((0, self.width), dtype=self.dtype)

    def reserve(self, rows: int) -> Tensor:
        """Return the next rows, to be filled: ``(rows, width)``; earlier ones must no longer be held."""
        start, self.used = self.used, self.used + rows
        if self.used > len(self.values):
            self.values.resize((max(self.used, len(self.values) * 33 // 32), self.width), refcheck=False)
        return torch.from_numpy(self.values[start : self.used])

    def finish(self) -> np.ndarray:
        """Return the rows that were reserved."""
        if self.used < len(self.values):
            self.values.resize((self.used, self.width), refcheck=False)
        return self.values


def check_dtype(name: str) -> np.dtype[Any]:
    """Return a dtype that a matrix can have, or raise `OptionError`."""
    if name not in DTYPES:
        raise OptionError(f"dtype= must be one of {', '.join(DTYPES)}; got {name!r}.")
    return np.dtype(DTYPES[name])


def room(row: int) -> int:
    """Return how many rows of so many bytes fill a quarter of the machine's memory."""
    if not hasattr(os, "sysconf"):
        return 0
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 // max(1, row))
