"""Encoding of labels and values for the store, and the lazy arrays that read them back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core.indexing import ExplicitIndexer, IndexingSupport, explicit_indexing_adapter

from interp.errors import SchemaError
from interp.schema import ACTIVATIONS
from interp.storage import checksums


class CheckedArray(BackendArray):
    """Numbers of a stored variable; read errors name the variable and its store.

    Parameters
    ----------
    variable : Variable
        Stored variable, read again on each access.
    where : str
        Store and variable, for errors.
    """

    def __init__(self, variable: xr.Variable, where: str) -> None:
        self.variable, self.where = variable, where
        self.shape, self.dtype = variable.shape, variable.dtype

    def __getitem__(self, key: ExplicitIndexer) -> Any:
        """Return the selected numbers."""
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        try:
            return self.variable[key].values
        except MemoryError:
            raise
        except Exception as error:  # codecs may raise anything for damaged bytes
            raise SchemaError(
                f"{self.where} can't be read: {error} Run `interp doctor` to see the damage and what can be repaired."
            ) from error


class VocabularyArray(BackendArray):
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


CHUNK_SIZES = {"token": 32_768, "unit": 16}  # viewers read columns of single units
SHARD_SIZES = {"token": 32_768, "unit": 512}  # 64 MiB of float32 per file
LABEL_CHUNK = 2**18  # tokens per chunk of a label
VOCABULARY = "vocabulary"
VARIABLE_ORDER = "variables"


def encode(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with each text variable as int32 codes and a vocabulary in its attrs."""
    coded = {name: _encode_strings(variable) for name, variable in dataset.variables.items()}
    order = json.dumps([str(name) for name in coded], ensure_ascii=False)  # Zarr groups are unordered
    return with_variables(dataset, coded).assign_attrs({VARIABLE_ORDER: order})


def _encode_strings(variable: xr.Variable) -> xr.Variable:
    import xarray as xr

    if variable.dtype.kind in "biuf":
        return xr.Variable(variable.dims, variable.data, variable.attrs)
    words, codes = np.unique(variable.values.astype(str), return_inverse=True)
    attrs = {**variable.attrs, VOCABULARY: words.tolist()}
    return xr.Variable(variable.dims, codes.reshape(variable.shape).astype(np.int32), attrs)


def decode(stored: xr.Dataset) -> xr.Dataset:
    """Return the dataset with text instead of codes and coords in order; only short coords are loaded."""
    if stored.attrs.get("schema") == ACTIVATIONS:  # labels may have been added after the matrix was created
        stored = stored.set_coords([name for name in stored.data_vars if name != checksums.MATRIX])
    order = json.loads(stored.attrs.get(VARIABLE_ORDER, "[]"))
    rank = {name: position for position, name in enumerate(order)}
    names = sorted(map(str, stored.variables), key=lambda name: (rank.get(name, len(rank)), name))
    decoded = with_variables(stored.drop_encoding(), {name: _decode_strings(stored.variables[name]) for name in names})
    for coord in decoded.coords.values():
        if coord.size <= LABEL_CHUNK:
            coord.load()
    decoded.attrs.pop(VARIABLE_ORDER, None)
    return decoded


def _decode_strings(variable: xr.Variable) -> xr.Variable:
    import xarray as xr
    from xarray.core.indexing import LazilyIndexedArray

    if VOCABULARY not in variable.attrs:
        return variable

    attrs = dict(variable.attrs)
    words = VocabularyArray(variable, np.array(attrs.pop(VOCABULARY), dtype=str))
    return xr.Variable(variable.dims, LazilyIndexedArray(words), attrs)


def with_variables(dataset: xr.Dataset, variables: Mapping[Any, xr.Variable]) -> xr.Dataset:
    """Return a dataset with other variables; coords stay coords, and attrs are kept."""
    import xarray as xr

    coords = {name: variable for name, variable in variables.items() if name in dataset.coords}
    data = {name: variable for name, variable in variables.items() if name not in dataset.coords}
    return xr.Dataset(data, coords, dataset.attrs)


def zarr_encoding(variable: xr.Variable) -> dict[str, Any]:
    """Return the Zarr encoding of a variable: sharded chunks for (token, unit) matrices, few chunks for the rest."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    codec = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=variable.dtype.itemsize)
    encoding: dict[str, Any] = {"_FillValue": None, "compressors": (codec, Crc32cCodec())}
    matrix = {"token", "unit"} <= set(variable.dims)
    if variable.ndim:
        encoding["chunks"] = _sizes(variable, CHUNK_SIZES if matrix else {"token": LABEL_CHUNK})
    if matrix:
        pairs = zip(_sizes(variable, SHARD_SIZES), encoding["chunks"], strict=True)
        encoding["shards"] = tuple(-(-shard // chunk) * chunk for shard, chunk in pairs)
    return encoding


def _sizes(variable: xr.Variable, limits: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(max(min(limits.get(str(dim), size), size), 1) for dim, size in variable.sizes.items())
