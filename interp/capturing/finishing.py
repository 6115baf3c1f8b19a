"""Write the labels of a finished store from those of its blocks, a chunk at a time."""

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
