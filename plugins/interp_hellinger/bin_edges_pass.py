"""The second pass of the honest mode: bins of equal mass for each unit and letter, from a sample fixed by hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from interp_hellinger.count_layout import BINS, EDGE, SAMPLE, SIZE, cells, token_keys
from interp_hellinger.token_pass import Choosing

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]


def equal_mass(values: np.ndarray, bins: int) -> np.ndarray:
    """Return inner edges that part values into bins of equal mass; equal edges enclose bins that stay empty.

    Parameters
    ----------
    values : array (unit, n)
        1 at least. Sorted along n, edge j is the value of rank ceil(j n / bins).
    bins : int
        How many. A value belongs to the bin whose number is how many edges it reaches.

    Returns
    -------
    array (unit, bins - 1)

    Examples
    --------
    >>> equal_mass(np.array([[4.0, 1.0, 3.0, 2.0]]), 2)
    array([[3.]])
    """
    n = values.shape[1]
    ranks = np.minimum(-(-np.arange(1, bins) * n // bins), n - 1)
    return np.asarray(np.sort(values, axis=1)[:, ranks])


def places_of(known: np.ndarray, place: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which keys are known, and their places, in order of place."""
    index = np.minimum(np.searchsorted(known, keys), known.size - 1)
    rows = np.flatnonzero(known[index] == keys)
    places = place[index[rows]]
    order = np.argsort(places)
    return rows[order], places[order]


class Edges(Choosing):
    """Bins of equal mass of each unit, over the tokens of each input that ``hellinger`` counts.

    They are learned from the 2,000 tokens of an input whose seeded hash of (source, sample, step) is smallest, so
    that any order of chunks and merges gives the same. The result has ``edge`` (unit, inner): for each letter the
    inner edges, filled up with infinity to one less than a power of two.

    Parameters
    ----------
    labels, pairs, where, given, minimum, minimum_sources, bins, draws, seed
        As in `Choosing`.
    """

    name: ClassVar[str] = "hellinger-edges"
    needs: ClassVar[tuple[str, ...]] = ("hellinger-tokens",)
    unitwise: ClassVar[bool] = True

    def start(self, units: xr.Dataset, *, hellinger_tokens: xr.Dataset) -> State:
        """Return room for the values of the sampled tokens."""
        held = {"key": "sampled_key", "row": "sampled_row", "plan": "plan"}
        state = {name: hellinger_tokens[origin].values for name, origin in held.items()}
        size = np.array([state["key"].size, units.sizes["unit"]])
        return state | {"size": size, "values": np.zeros((0, 0), np.float32)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Put aside the sampled tokens of the chunk."""
        keys = token_keys(chunk["sample"].values, chunk["step"].values)
        rows, places = places_of(state["key"], state["row"], keys)
        if not rows.size:
            return state
        values = state["values"]
        if not values.size:
            values = np.zeros(state["size"], chunk.activation.dtype)
        values[places] = chunk.activation.isel(token=rows).values
        return state | {"values": values}

    def merge(self, a: State, b: State) -> State:
        """Return the values of both; where one has a token the other has zeros."""
        if not a["values"].size or not b["values"].size:
            return a if a["values"].size else b
        a["values"] += b["values"]
        return a

    def finish(self, state: State) -> xr.Dataset:
        """Return ``edge`` (unit, inner)."""
        import xarray as xr

        plan, values = state["plan"], state["values"]
        edges = np.full((state["size"][1], cells(plan, self.draws)[0]), np.inf, values.dtype)
        start = 0
        for row in plan if values.size else ():
            size, k = min(int(row[SIZE]), SAMPLE), int(row[BINS])
            sample = np.ascontiguousarray(values[start : start + size].T)
            edges[:, row[EDGE] : row[EDGE] + k - 1] = equal_mass(sample, k)
            start += size
        return xr.Dataset({"edge": (("unit", "inner"), edges)})
