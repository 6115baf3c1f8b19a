"""Growing row buffer for the matrix (token, unit), which is not copied at the end."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.errors import OptionError

DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16}


class Matrix:
    """Buffer whose rows are reserved block by block.

    The memory is allocated by numpy, which requests huge pages: first-touch page faults are a large part of the cost of
    a capture. Untouched memory costs nothing, so if the number of rows is unknown, address space for many rows is
    allocated and the unused part is released at the end. Growing beyond it works, but writes zeros first.

    Parameters
    ----------
    width : int
        Number of columns.
    dtype : str
        ``float32``, ``float64`` or ``float16``.
    rows : int, optional
        Initial number of rows, if known.
    """

    def __init__(self, width: int, dtype: str = "float32", rows: int | None = None) -> None:
        self.width, self.used, self.dtype = width, 0, check_dtype(dtype)
        self.values = self._empty(room(width * self.dtype.itemsize) if rows is None else rows)

    def _empty(self, rows: int) -> np.ndarray:
        try:
            return np.empty((rows, self.width), dtype=self.dtype)
        except MemoryError:  # a system that counts untouched memory as used
            return np.empty((0, self.width), dtype=self.dtype)

    def reserve(self, rows: int) -> Tensor:
        """Return the next rows ``(rows, width)`` to fill; references to earlier rows become invalid."""
        start, self.used = self.used, self.used + rows
        if self.used > len(self.values):
            self.values.resize((max(self.used, len(self.values) * 33 // 32), self.width), refcheck=False)
        return torch.from_numpy(self.values[start : self.used])

    def finish(self) -> np.ndarray:
        """Release the unused memory and return the reserved rows."""
        if self.used < len(self.values):
            self.values.resize((self.used, self.width), refcheck=False)
        return self.values


def check_dtype(name: str) -> np.dtype[Any]:
    """Return the numpy dtype of a name, or raise `OptionError` if a capture can't have it."""
    if name not in DTYPES:
        raise OptionError(f"dtype= must be one of {', '.join(DTYPES)}; got {name!r}.")
    return np.dtype(DTYPES[name])


def room(row_bytes: int) -> int:
    """Return the number of rows of ``row_bytes`` bytes that fill a quarter of the machine's memory; 0 if unknown."""
    if not hasattr(os, "sysconf"):
        return 0
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 // max(1, row_bytes))
