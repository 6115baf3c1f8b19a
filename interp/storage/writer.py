"""Appendable store. Rows are appended in blocks, each file is written once, and a manifest records committed rows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.storage.checksums import BLOCK_CHECKSUMS, MATRIX, read_checksums, write_block_checksums, write_checksums
from interp.storage.encoding import LABEL_CHUNK, VARIABLE_ORDER, VOCABULARY, encode, zarr_encoding
from interp.storage.filesystem import exclusive_lock
from interp.storage.manifest import Manifest
from interp.storage.store import BLOCK_LABELS, PARTS, read_block_labels, write_encoded

if TYPE_CHECKING:
    import xarray as xr
    import zarr


COLUMNS_PER_WRITE = 1024  # columns compressed at once: two shards


class AppendableStore:
    """Store that rows are appended to, locked against other writers.

    Until the first block is written, the store is a hidden directory beside its path.

    Parameters
    ----------
    path : Path
        Path of the store, existing or new.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.is_created = path, path.exists()
        self.current_path = path if self.is_created else path.with_name(f".{path.name}.begun")
        self.lock = -1

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the store; if it was created in this block and an error occurs, remove it."""
        try:
            if self.is_created:
                self._acquire_lock()
                for partial in self.path.rglob("*.partial"):  # left by a killed process
                    partial.unlink()
            yield
        finally:
            if self.lock >= 0:
                os.close(self.lock)
                if not self.is_created:
                    shutil.rmtree(self.current_path)

    def _acquire_lock(self) -> None:
        """Lock the directory until the process ends, even if the directory is renamed."""
        descriptor = exclusive_lock(
            self.current_path, f"Another capture is writing to {self.path}. Wait until it ends, or stop it."
        )
        if self.lock >= 0:
            os.close(self.lock)
        self.lock = descriptor

    def append(self, values: np.ndarray, head: xr.Dataset, manifest: Manifest) -> None:
        """Append a block of rows.

        Parameters
        ----------
        values : array (token, unit)
            Activations of the block.
        head : Dataset
            Labels of the block and coords of the units; its data is ignored.
        manifest : Manifest
            Manifest that includes the rows of the block.
        """
        import zarr

        coded = encode(head)
        if not self.is_created:
            self._create(coded)
        start = manifest.rows - len(values)
        array = zarr.open_array(self.current_path / MATRIX, mode="r+")
        array.resize((manifest.rows, values.shape[1]))
        for first in range(0, values.shape[1], COLUMNS_PER_WRITE):
            array[start:, first : first + COLUMNS_PER_WRITE] = values[:, first : first + COLUMNS_PER_WRITE]
        write_encoded(token_variables(coded), self.current_path, mode="w", group=f"{BLOCK_LABELS}/{start}")
        full = manifest.rows % array.shards[0] == 0  # type: ignore[index]
        write_block_checksums(self.current_path, start, start // array.shards[0] if full else None)  # type: ignore[index]
        manifest.write(self.current_path, coded.attrs)
        if not self.is_created:
            self.current_path.rename(self.path)
            self.current_path, self.is_created = self.path, True

    def create(self, head: xr.Dataset, manifest: Manifest, folder: str) -> None:
        """Create an empty store that contains an empty folder; ``head`` as in `append`."""
        coded = encode(head)
        self._create(coded)
        (self.current_path / folder).mkdir()
        manifest.write(self.current_path, coded.attrs)
        self.current_path.rename(self.path)
        self.current_path, self.is_created = self.path, True

    def resize(self, rows: int) -> None:
        """Extend the matrix to at least ``rows`` rows."""
        import zarr

        array = zarr.open_array(self.current_path / MATRIX, mode="r+")
        array.resize((max(rows, array.shape[0]), array.shape[1]))

    def _create(self, coded: xr.Dataset) -> None:
        """Create the store with the coords of the units and an empty matrix."""
        if self.current_path.exists():  # left by a killed capture
            self._acquire_lock()
            shutil.rmtree(self.current_path)
        self.current_path.mkdir(parents=True)
        self._acquire_lock()
        chunks = {str(name): zarr_encoding(variable) for name, variable in coded.variables.items()}
        coded.isel(token=slice(0)).to_zarr(
            self.current_path, zarr_format=3, consolidated=False, mode="w-", encoding=chunks
        )
        delete_labels(self.current_path, coded)

    def finish(self, head: xr.Dataset, manifest: Manifest) -> None:
        """Write the labels of all rows and mark the store as complete; ``head`` as in `append`, of any rows."""
        coded, starts = encode(head), range(0, manifest.rows, manifest.block)
        delete_labels(self.path, coded)
        write_labels(self.path, starts, manifest.block, manifest.rows)
        manifest.write(self.path, coded.attrs)
        finalize_store(self.path)


def finalize_store(path: Path) -> None:
    """Write the checksums of a complete store and remove temporary files, unless that was done before."""
    if (path / BLOCK_CHECKSUMS).is_dir():
        write_checksums(path, read_checksums(path))
        shutil.rmtree(path / BLOCK_CHECKSUMS)
    for name in (BLOCK_LABELS, PARTS):
        if (path / name).is_dir():
            shutil.rmtree(path / name)


def token_variables(coded: xr.Dataset) -> xr.Dataset:
    """Return only the labels, with the order of all variables."""
    labels = coded.drop_vars([name for name, variable in coded.variables.items() if variable.dims != ("token",)])
    labels.attrs = {VARIABLE_ORDER: coded.attrs[VARIABLE_ORDER]}
    return labels


def delete_labels(path: Path, coded: xr.Dataset) -> None:
    """Delete the labels of all rows, which an interrupted `AppendableStore.finish` may have left."""
    import zarr

    group = zarr.open_group(path, mode="r+")
    for name in map(str, token_variables(coded).variables):
        if name in group:
            del group[name]


LabelArrays = dict[str, np.ndarray]


def write_labels(path: Path, starts: Sequence[int], block: int, rows: int) -> None:
    """Write the labels of all rows.

    Parameters
    ----------
    path : Path
        Path of the store, which has only the labels of blocks so far.
    starts : sequence of int
        First row of each block.
    block : int
        Rows per block.
    rows : int
        Rows of the store.
    """
    kinds = label_vocabularies(iter_label_chunks(path, starts, block))
    arrays = {name: create_label_array(path, name, kind, rows) for name, kind in kinds.items()}
    first = 0
    for labels in iter_label_chunks(path, starts, block):
        stop = first + len(next(iter(labels.values())))
        for name, values in labels.items():
            arrays[name][first:stop] = encode_label(values, kinds[name])
        first = stop


def create_label_array(path: Path, name: str, kind: np.ndarray, rows: int) -> zarr.Array[Any]:
    """Create the array of a label; ``kind`` as returned by `label_vocabularies`."""
    import xarray as xr
    import zarr

    variable = xr.Variable("token", np.broadcast_to(encode_label(kind[:0], kind).dtype.type(0), rows))
    options = zarr_encoding(variable)
    del options["_FillValue"]
    return zarr.create_array(
        path,
        name=name,
        shape=variable.shape,
        dtype=variable.dtype,
        dimension_names=["token"],
        attributes={VOCABULARY: kind.tolist()} if kind.dtype.kind == "U" else {},
        **options,
    )


def iter_label_chunks(path: Path, starts: Sequence[int], block: int) -> Iterator[LabelArrays]:
    """Yield the labels of as many blocks at a time as fill a chunk of a finished store."""
    count = max(1, LABEL_CHUNK // block)
    for first in range(0, len(starts), count):
        yield read_block_labels(path, starts[first : first + count])


def label_vocabularies(chunks: Iterator[LabelArrays]) -> LabelArrays:
    """Return the sorted vocabulary of each text label, and an empty array of the right type for other labels."""
    vocabularies: LabelArrays = {}
    for labels in chunks:
        for name, values in labels.items():
            words = np.unique(values) if values.dtype.kind == "U" else values[:0]
            vocabularies[name] = np.unique(np.concatenate([vocabularies.get(name, words[:0]), words]))
    return vocabularies


def encode_label(values: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Return labels as they are stored: text as indices into the vocabulary ``kind``."""
    if kind.dtype.kind != "U":
        return values.astype(kind.dtype)
    return np.searchsorted(kind, values).astype(np.int32)
