"""A store that grows by blocks of rows; each file is written once, and a manifest says how much of it counts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp.capturing.finishing import write_labels
from interp.capturing.manifest import Manifest
from interp.disk import lock
from interp.integrity import MATRIX, SUMS_SO_FAR, seal, seal_block, sealed
from interp.storage import LABELS_SO_FAR, ORDER, PARTS, encoded, layout, write

if TYPE_CHECKING:
    import xarray as xr

UNITS = 1024  # columns that are compressed at a time: two shards


class Growing:
    """Writes rows to a store that nobody else may write to meanwhile.

    Until the first block is there, the store is a hidden directory beside its place.

    Parameters
    ----------
    path : Path
        Where the store is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.begun = path, path.exists()
        self.place = path if self.begun else path.with_name(f".{path.name}.begun")
        self.lock = -1

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the store; of one that was not begun when an error comes, nothing stays."""
        try:
            if self.begun:
                self._hold()
                for torn in self.path.rglob("*.partial"):  # what zarr was writing when it was killed
                    torn.unlink()
            yield
        finally:
            if self.lock >= 0:
                os.close(self.lock)
                if not self.begun:
                    shutil.rmtree(self.place)

    def _hold(self) -> None:
        """Lock the directory for as long as the process lives, whatever it is named later."""
        held = lock(self.place, f"Another capture is writing to {self.path}; wait until it ends, or stop it.")
        if self.lock >= 0:
            os.close(self.lock)
        self.lock = held

    def append(self, values: np.ndarray, head: xr.Dataset, manifest: Manifest) -> None:
        """Write one more block.

        Parameters
        ----------
        values : array (token, unit)
            Of the block.
        head : Dataset
            The labels of the block and the coords of the units; its values are not looked at.
        manifest : Manifest
            With the rows of the block counted in.
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
        """Put a store without a row in its place, with an empty folder in it; ``head`` is as of `append`."""
        coded = encoded(head)
        self._create(coded)
        (self.place / folder).mkdir()
        manifest.write(self.place, coded.attrs)
        self.place.rename(self.path)
        self.place, self.begun = self.path, True

    def resize(self, rows: int) -> None:
        """Make room for rows up to a number of them."""
        import zarr

        array = zarr.open_array(self.place / MATRIX, mode="r+")
        array.resize((max(rows, array.shape[0]), array.shape[1]))

    def _create(self, coded: xr.Dataset) -> None:
        """Write the coords of the units, and the matrix without a row."""
        if self.place.exists():  # of a capture that was killed
            self._hold()
            shutil.rmtree(self.place)
        self.place.mkdir(parents=True)
        self._hold()
        chunks = {str(name): layout(held) for name, held in coded.variables.items()}
        coded.isel(token=slice(0)).to_zarr(self.place, zarr_format=3, consolidated=False, mode="w-", encoding=chunks)
        forget(self.place, coded)

    def finish(self, head: xr.Dataset, manifest: Manifest) -> None:
        """Write the labels of all rows, and that the store is complete.

        ``head`` is a dataset as of `append`, of some rows.
        """
        coded, starts = encoded(head), range(0, manifest.rows, manifest.block)
        forget(self.path, coded)
        write_labels(self.path, starts, manifest.block, manifest.rows)
        manifest.write(self.path, coded.attrs)
        tidy(self.path)


def tidy(path: Path) -> None:
    """Seal a complete store, and remove what was needed until then; of one that is tidy do nothing."""
    if (path / SUMS_SO_FAR).is_dir():
        seal(path, sealed(path))
        shutil.rmtree(path / SUMS_SO_FAR)
    for name in (LABELS_SO_FAR, PARTS):
        if (path / name).is_dir():
            shutil.rmtree(path / name)


def of_tokens(coded: xr.Dataset) -> xr.Dataset:
    """Return the labels alone, and their order."""
    labels = coded.drop_vars([name for name, held in coded.variables.items() if held.dims != ("token",)])
    labels.attrs = {ORDER: coded.attrs[ORDER]}
    return labels


def forget(place: Path, coded: xr.Dataset) -> None:
    """Remove the labels that an interrupted end has left."""
    import zarr

    group = zarr.open_group(place, mode="r+")
    for name in map(str, of_tokens(coded).variables):
        if name in group:
            del group[name]
