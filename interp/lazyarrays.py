"""What is read from a store when it is used: numbers that are checked, and strings that are stored as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core.indexing import ExplicitIndexer, IndexingSupport, explicit_indexing_adapter

from interp.errors import SchemaError


class Held(BackendArray):
    """The numbers of a stored variable.

    Parameters
    ----------
    held : Variable
        Read from its store at each use, and not kept.
    where : str
        What is read, for errors.
    """

    def __init__(self, held: xr.Variable, where: str) -> None:
        self.held, self.where = held, where
        self.shape, self.dtype = held.shape, held.dtype

    def __getitem__(self, key: ExplicitIndexer) -> Any:
        """Return some of the numbers."""
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        try:
            return self.held[key].values
        except MemoryError:
            raise
        except Exception as error:  # whatever a codec makes of bytes that are not its own
            raise SchemaError(
                f"{self.where} can't be read: {error} `interp doctor` says what is damaged and what can be done."
            ) from error


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
