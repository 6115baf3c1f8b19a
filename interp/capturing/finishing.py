"""The labels of a finished store: those of its blocks one after the other, never all of them in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.storage import LABELS, VOCABULARY, labels_so_far, layout

if TYPE_CHECKING:
    import zarr

Labels = dict[str, np.ndarray]


def write_labels(path: Path, starts: Sequence[int], block: int, rows: int) -> None:
    """Write the labels of all rows.

    Parameters
    ----------
    path : Path
        Of the store, which has no labels of all rows yet.
    starts : sequence of int
        The first row of each block.
    block, rows : int
        Rows of a block, and of the store.
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
    """Create the array of a label, of a kind as of `label_kinds`."""
    import xarray as xr
    import zarr

    held = xr.Variable("token", np.broadcast_to(coded(kind[:0], kind).dtype.type(0), rows))
    options = layout(held)
    del options["_FillValue"]
    return zarr.create_array(
        path,
        name=name,
        shape=held.shape,
        dtype=held.dtype,
        dimension_names=["token"],
        attributes={VOCABULARY: kind.tolist()} if kind.dtype.kind == "U" else {},
        **options,
    )


def label_chunks(path: Path, starts: Sequence[int], block: int) -> Iterator[Labels]:
    """Yield the labels of some blocks at a time, those of a chunk of a finished store."""
    count = max(1, LABELS // block)
    for first in range(0, len(starts), count):
        yield labels_so_far(path, starts[first : first + count])


def label_kinds(chunks: Iterator[Labels]) -> Labels:
    """Return for each label all its words, sorted; of one of numbers nothing, in their type."""
    found: Labels = {}
    for labels in chunks:
        for name, held in labels.items():
            some = np.unique(held) if held.dtype.kind == "U" else held[:0]
            found[name] = np.unique(np.concatenate([found.get(name, some[:0]), some]))
    return found


def coded(values: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Return labels as they are stored: strings as the numbers of their words."""
    if kind.dtype.kind != "U":
        return values.astype(kind.dtype)
    return np.searchsorted(kind, values).astype(np.int32)
