"""Exact, mergeable counts of label combinations, in tokens and sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from interp import OptionError, Reducer

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
MAX_STRING_BYTES = 16  # longer strings are ranked by sorting, not letter by letter


def unique_rows(columns: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the distinct rows of some columns, sorted, and the position of each row among them.

    Parameters
    ----------
    columns : sequence of array (n,)
        Columns of strings or numbers; rows are sorted by the first column, then the second, and so on.

    Returns
    -------
    list of array (k,)
        Columns of the distinct rows.
    array (n,) of int64
        Position of each row among the distinct rows.
    """
    codes = _rank_rows(columns)
    first = np.zeros(codes.max(initial=-1) + 1, np.int64)
    first[codes[::-1]] = np.arange(codes.size)[::-1]
    return [column[first] for column in columns], codes


def _rank_rows(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return the rank of each row among the distinct rows."""
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        ranks = _rank_values(column)
        codes = _rank_values(codes * (ranks.max(initial=0) + 1) + ranks)
    return codes


def _rank_values(column: np.ndarray) -> np.ndarray:
    """Return the rank of each value among the distinct values: with a lookup table if it stays small, else sorted."""
    if column.dtype.kind == "U" and column.size and 0 < column.itemsize <= MAX_STRING_BYTES:
        return _rank_rows(list(np.ascontiguousarray(column).view(np.uint32).reshape(column.size, -1).T))
    if column.dtype.kind in "iu" and column.size:
        values = column.astype(np.int64) - int(column.min())
        if values.max() < 8 * column.size + 2**16:
            occurs = np.zeros(values.max() + 1, bool)
            occurs[values] = True
            return (np.cumsum(occurs) - 1)[values]
    return np.unique(column, return_inverse=True)[1].astype(np.int64)


class Labels(Reducer):
    """Number of tokens and sources in which each combination of labels occurs.

    The result has one row per combination that occurs (dim ``row``, sorted, with the labels as coords): ``tokens`` and
    ``sources`` (row), int64. ``occurrence_row`` and ``occurrence_source`` (occurrence) list every combination with
    every source in which it occurs, once each and sorted.

    Parameters
    ----------
    labels : sequence of str
        Coords of ``token``.
    """

    name: ClassVar[str] = "labels"

    def __init__(self, *, labels: Sequence[str] = ("input", "output")) -> None:
        if isinstance(labels, str) or not labels:
            raise OptionError(f"labels= takes names of labels, such as ('input', 'output'); got {labels!r}.")
        self.labels = tuple(labels)
        self.requires = (*self.labels, "source")

    def init_state(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return a state without rows."""
        empty = {name: np.zeros(0, np.int64) for name in ("tokens", "occurrence_row", "occurrence_source")}
        return empty | {f"label_{i}": np.zeros(0, "<U1") for i in range(len(self.labels))}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Add the labels of a chunk; its activations are not read."""
        columns = [chunk[name].values for name in self.labels]
        columns = [column.astype(str) if column.dtype == object else column for column in columns]
        distinct, codes = unique_rows(columns)
        (rows, sources), _ = unique_rows([codes, chunk["source"].values.astype(np.int64)])
        counts = {f"label_{i}": column for i, column in enumerate(distinct)}
        counts |= {"tokens": np.bincount(codes, minlength=len(distinct[0]))}
        counts |= {"occurrence_row": rows, "occurrence_source": sources}
        return self.merge(state, counts) if codes.size else state

    def merge(self, a: State, b: State) -> State:
        """Return the counts of both states, with rows aligned by their labels."""
        if not a["tokens"].size or not b["tokens"].size:
            return a if a["tokens"].size else b
        names = [f"label_{i}" for i in range(len(self.labels))]
        distinct, codes = unique_rows([np.concatenate([a[name], b[name]]) for name in names])
        tokens = np.zeros(len(distinct[0]), np.int64)
        np.add.at(tokens, codes, np.concatenate([a["tokens"], b["tokens"]]))
        rows = np.concatenate([codes[a["occurrence_row"]], codes[a["tokens"].size + b["occurrence_row"]]])
        sources = np.concatenate([a["occurrence_source"], b["occurrence_source"]])
        (rows, sources), _ = unique_rows([rows, sources])
        counts = {"tokens": tokens, "occurrence_row": rows, "occurrence_source": sources}
        return dict(zip(names, distinct, strict=True)) | counts

    def finalize(self, state: State) -> xr.Dataset:
        """Return ``tokens`` and ``sources`` (row), ``occurrence_row`` and ``occurrence_source`` (occurrence)."""
        import xarray as xr

        sources = np.bincount(state["occurrence_row"], minlength=state["tokens"].size)
        data = {"tokens": ("row", state["tokens"]), "sources": ("row", sources)}
        data |= {name: ("occurrence", state[name]) for name in ("occurrence_row", "occurrence_source")}
        return xr.Dataset(data, {name: ("row", state[f"label_{i}"]) for i, name in enumerate(self.labels)})
