"""Appendable store. Rows are appended in blocks, each file is written once, and a manifest records committed rows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.storage.checksums import MATRIX, SUMS_SO_FAR, seal, seal_block, sealed
from interp.storage.encoding import LABELS, ORDER, VOCABULARY, encoded, layout
from interp.storage.filesystem import lock
from interp.storage.manifest import Manifest
from interp.storage.store import LABELS_SO_FAR, PARTS, labels_so_far, write

if TYPE_CHECKING:
    import xarray as xr
    import zarr


UNITS = 1024  # columns compressed at once: two shards


class Growing:
    """Store that rows are appended to, locked against other writers.

    Until the first block is written, the store is a hidden directory beside its path.

    Parameters
    ----------
    path : Path
        Path of the store, existing or new.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.begun = path, path.exists()
        self.place = path if self.begun else path.with_name(f".{path.name}.begun")
        self.lock = -1

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Lock the store; if it was created in this block and an error occurs, remove it."""
        try:
            if self.begun:
                self._acquire_lock()
                for partial in self.path.rglob("*.partial"):  # left by a killed process
                    partial.unlink()
            yield
        finally:
            if self.lock >= 0:
                os.close(self.lock)
                if not self.begun:
                    shutil.rmtree(self.place)

    def _acquire_lock(self) -> None:
        """Lock the directory until the process ends, even if the directory is renamed."""
        descriptor = lock(self.place, f"Another capture is writing to {self.path}. Wait until it ends, or stop it.")
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

        coded = encoded(head)
        if not self.begun:
            self._create(coded)
        start = manifest.rows - len(values)
        array = zarr.open_array(self.place / MATRIX, mode="r+")
        array.resize((manifest.rows, values.shape[1]))
        for first in range(0, values.shape[1], UNITS):
            array[start:, first : first + UNITS] = values[:, first : first + UNITS]
        write(of_tokens(coded), self.place, mode="w", group=f"{LABELS_SO_FAR}/{start}")
        full = manifest.rows % array.shards[0] == 0  # type: ignore[index]
        seal_block(self.place, start, start // array.shards[0] if full else None)  # type: ignore[index]
        manifest.write(self.place, coded.attrs)
        if not self.begun:
            self.place.rename(self.path)
            self.place, self.begun = self.path, True

    def begin(self, head: xr.Dataset, manifest: Manifest, folder: str) -> None:
        """Create an empty store that contains an empty folder; ``head`` as in `append`."""
        coded = encoded(head)
        self._create(coded)
        (self.place / folder).mkdir()
        manifest.write(self.place, coded.attrs)
        self.place.rename(self.path)
        self.place, self.begun = self.path, True

    def resize(self, rows: int) -> None:
        """Extend the matrix to at least ``rows`` rows."""
        import zarr

        array = zarr.open_array(self.place / MATRIX, mode="r+")
        array.resize((max(rows, array.shape[0]), array.shape[1]))

    def _create(self, coded: xr.Dataset) -> None:
        """Create the store with the coords of the units and an empty matrix."""
        if self.place.exists():  # left by a killed capture
            self._acquire_lock()
            shutil.rmtree(self.place)
        self.place.mkdir(parents=True)
        self._acquire_lock()
        chunks = {str(name): layout(variable) for name, variable in coded.variables.items()}
        coded.isel(token=slice(0)).to_zarr(self.place, zarr_format=3, consolidated=False, mode="w-", encoding=chunks)
        forget(self.place, coded)

    def finish(self, head: xr.Dataset, manifest: Manifest) -> None:
        """Write the labels of all rows and mark the store as complete; ``head`` as in `append`, of any rows."""
        coded, starts = encoded(head), range(0, manifest.rows, manifest.block)
        forget(self.path, coded)
        write_labels(self.path, starts, manifest.block, manifest.rows)
        manifest.write(self.path, coded.attrs)
        tidy(self.path)


def tidy(path: Path) -> None:
    """Write the checksums of a complete store and remove temporary files, unless that was done before."""
    if (path / SUMS_SO_FAR).is_dir():
        seal(path, sealed(path))
        shutil.rmtree(path / SUMS_SO_FAR)
    for name in (LABELS_SO_FAR, PARTS):
        if (path / name).is_dir():
            shutil.rmtree(path / name)


def of_tokens(coded: xr.Dataset) -> xr.Dataset:
    """Return only the labels, with the order of all variables."""
    labels = coded.drop_vars([name for name, variable in coded.variables.items() if variable.dims != ("token",)])
    labels.attrs = {ORDER: coded.attrs[ORDER]}
    return labels


def forget(path: Path, coded: xr.Dataset) -> None:
    """Delete the labels of all rows, which an interrupted `Growing.finish` may have left."""
    import zarr

    group = zarr.open_group(path, mode="r+")
    for name in map(str, of_tokens(coded).variables):
        if name in group:
            del group[name]


Labels = dict[str, np.ndarray]


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
    kinds = label_kinds(label_chunks(path, starts, block))
    arrays = {name: create(path, name, kind, rows) for name, kind in kinds.items()}
    first = 0
    for labels in label_chunks(path, starts, block):
        stop = first + len(next(iter(labels.values())))
        for name, values in labels.items():
            arrays[name][first:stop] = coded(values, kinds[name])
        first = stop


def create(path: Path, name: str, kind: np.ndarray, rows: int) -> zarr.Array[Any]:
    """Create the array of a label; ``kind`` as returned by `label_kinds`."""
    import xarray as xr
    import zarr

    variable = xr.Variable("token", np.broadcast_to(coded(kind[:0], kind).dtype.type(0), rows))
    options = layout(variable)
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


def label_chunks(path: Path, starts: Sequence[int], block: int) -> Iterator[Labels]:
    """Yield the labels of as many blocks at a time as fill a chunk of a finished store."""
    count = max(1, LABELS // block)
    for first in range(0, len(starts), count):
        yield labels_so_far(path, starts[first : first + count])


def label_kinds(chunks: Iterator[Labels]) -> Labels:
    """Return the sorted vocabulary of each text label, and an empty array of the right type for other labels."""
    vocabularies: Labels = {}
    for labels in chunks:
        for name, values in labels.items():
            words = np.unique(values) if values.dtype.kind == "U" else values[:0]
            vocabularies[name] = np.unique(np.concatenate([vocabularies.get(name, words[:0]), words]))
    return vocabularies


def coded(values: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Return labels as they are stored: text as indices into the vocabulary ``kind``."""
    if kind.dtype.kind != "U":
        return values.astype(kind.dtype)
    return np.searchsorted(kind, values).astype(np.int32)
