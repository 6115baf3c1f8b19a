"""Strings that are stored as the numbers of their words, and read when they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core.indexing import ExplicitIndexer, IndexingSupport, explicit_indexing_adapter


class Words(BackendArray):
    """The strings of a variable that holds their numbers.

    Parameters
    ----------
    codes : Variable
        Numbers of words; read from its store at each use, and not kept.
    words : array (word,)
        Of strings.
    """

    def __init__(self, codes: xr.Variable, words: np.ndarray) -> None:
        self.codes, self.words = codes, words if len(words) else np.array([""])
        self.shape, self.dtype = codes.shape, self.words.dtype

    def __getitem__(self, key: ExplicitIndexer) -> Any:
        """Return some of the strings."""
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        found: np.ndarray = self.words[self.codes[key].values]
        return found
