"""How often each combination of labels occurs: tokens and sources, exactly and mergeable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from interp import OptionError, Reducer

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
SHORT = 16  # bytes of a string that is ranked letter by letter


def unique_rows(columns: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the distinct rows of some columns, sorted, and for each row which of them it is.

    Parameters
    ----------
    columns : sequence of array (n,)
        Strings or numbers, the first one sorted by first.

    Returns
    -------
    list of array (k,)
        The columns of the distinct rows.
    array (n,) of int64
        Of which row each one is.
    """
    codes = _fold(columns)
    first = np.zeros(codes.max(initial=-1) + 1, np.int64)
    first[codes[::-1]] = np.arange(codes.size)[::-1]
    return [column[first] for column in columns], codes


def _fold(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return the rank of each row among the distinct rows."""
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        within = _ranks(column)
        codes = _ranks(codes * (within.max(initial=0) + 1) + within)
    return codes


def _ranks(column: np.ndarray) -> np.ndarray:
    """Return the rank of each value among the distinct ones; from a table where it would be small, else sorted."""
    if column.dtype.kind == "U" and column.size and 0 < column.itemsize <= SHORT:
        return _fold(list(np.ascontiguousarray(column).view(np.uint32).reshape(column.size, -1).T))
    if column.dtype.kind in "iu" and column.size:
        values = column.astype(np.int64) - int(column.min())
        if values.max() < 8 * column.size + 2**16:
            there = np.zeros(values.max() + 1, bool)
            there[values] = True
            return (np.cumsum(there) - 1)[values]
    return np.unique(column, return_inverse=True)[1].astype(np.int64)


class Labels(Reducer):
    """How often each combination of some labels occurs, in tokens and in sources.

    The result has, for each combination that occurs (dim ``row``, sorted, the labels as coords), ``tokens`` and
    ``sources`` (row) int64; and which source has which combination at all: ``seen_row``, ``seen_source`` (seen),
    each once, sorted.

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

    def start(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return a state without rows."""
        empty = {name: np.zeros(0, np.int64) for name in ("tokens", "seen_row", "seen_source")}
        return empty | {f"label_{i}": np.zeros(0, "<U1") for i in range(len(self.labels))}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Add the labels of the chunk; activations are not read."""
        columns = [chunk[name].values for name in self.labels]
        columns = [column.astype(str) if column.dtype == object else column for column in columns]
        distinct, codes = unique_rows(columns)
        (rows, sources), _ = unique_rows([codes, chunk["source"].values.astype(np.int64)])
        added = {f"label_{i}": column for i, column in enumerate(distinct)}
        added |= {"tokens": np.bincount(codes, minlength=len(distinct[0])), "seen_row": rows, "seen_source": sources}
        return self.merge(state, added) if codes.size else state

    def merge(self, a: State, b: State) -> State:
        """Return the counts of both, rows aligned by their labels."""
        if not a["tokens"].size or not b["tokens"].size:
            return a if a["tokens"].size else b
        names = [f"label_{i}" for i in range(len(self.labels))]
        distinct, codes = unique_rows([np.concatenate([a[name], b[name]]) for name in names])
        tokens = np.zeros(len(distinct[0]), np.int64)
        np.add.at(tokens, codes, np.concatenate([a["tokens"], b["tokens"]]))
        rows = np.concatenate([codes[a["seen_row"]], codes[a["tokens"].size + b["seen_row"]]])
        (rows, sources), _ = unique_rows([rows, np.concatenate([a["seen_source"], b["seen_source"]])])
        return dict(zip(names, distinct, strict=True)) | {"tokens": tokens, "seen_row": rows, "seen_source": sources}

    def finish(self, state: State) -> xr.Dataset:
        """Return ``tokens`` and ``sources`` (row), ``seen_row`` and ``seen_source`` (seen)."""
        import xarray as xr

        sources = np.bincount(state["seen_row"], minlength=state["tokens"].size)
        data = {"tokens": ("row", state["tokens"]), "sources": ("row", sources)}
        seen = {name: ("seen", state[name]) for name in ("seen_row", "seen_source")}
        return xr.Dataset(data | seen, {name: ("row", state[f"label_{i}"]) for i, name in enumerate(self.labels)})
