"""Lazy arrays of stored variables: numbers with explained read errors, and text decoded from codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core.indexing import ExplicitIndexer, IndexingSupport, explicit_indexing_adapter

from interp.errors import SchemaError


class Held(BackendArray):
    """Numbers of a stored variable; read errors name the variable and its store.

    Parameters
    ----------
    variable : Variable
        Stored variable, read again on each access.
    where : str
        Store and variable, for errors.
    """

    def __init__(self, variable: xr.Variable, where: str) -> None:
        self.held, self.where = variable, where
        self.shape, self.dtype = variable.shape, variable.dtype

    def __getitem__(self, key: ExplicitIndexer) -> Any:
        """Return the selected numbers."""
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        try:
            return self.held[key].values
        except MemoryError:
            raise
        except Exception as error:  # codecs may raise anything for damaged bytes
            raise SchemaError(
                f"{self.where} can't be read: {error} Run `interp doctor` to see the damage and what can be repaired."
            ) from error


class Words(BackendArray):
    """Text of a variable that is stored as codes.

    Parameters
    ----------
    codes : Variable
        Stored indices into ``words``, read again on each access.
    words : array (word,)
        Vocabulary.
    """

    def __init__(self, codes: xr.Variable, words: np.ndarray) -> None:
        self.codes, self.words = codes, words if len(words) else np.array([""])
        self.shape, self.dtype = codes.shape, self.words.dtype

    def __getitem__(self, key: ExplicitIndexer) -> Any:
        """Return the selected text."""
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        text: np.ndarray = self.words[self.codes[key].values]
        return text
