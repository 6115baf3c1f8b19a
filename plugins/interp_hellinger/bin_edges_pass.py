"""Second pass of the debiased estimator: bins of equal mass for each unit and input, from a sample of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from interp_hellinger.count_layout import BINS, EDGE, EDGE_SAMPLE, SIZE, table_sizes, token_keys
from interp_hellinger.token_pass import PairReducer

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]


def equal_mass_edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Return the inner edges of bins of equal mass; bins between equal edges stay empty.

    Parameters
    ----------
    values : array (unit, n)
        At least one value per unit. Sorted along n, edge j is the value of rank ceil(j n / bins).
    bins : int
        Number of bins. The bin of a value is the number of edges that are not above it.

    Returns
    -------
    array (unit, bins - 1)

    Examples
    --------
    >>> equal_mass_edges(np.array([[4.0, 1.0, 3.0, 2.0]]), 2)
    array([[3.]])
    """
    n = values.shape[1]
    ranks = np.minimum(-(-np.arange(1, bins) * n // bins), n - 1)
    return np.asarray(np.sort(values, axis=1)[:, ranks])


def match_tokens(sorted_keys: np.ndarray, positions: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the keys that occur among the sorted ones, and their positions, by position.

    Parameters
    ----------
    sorted_keys, positions : array (key,) of int
        Keys to look for, and the position of each.
    keys : array (token,) of int
        Keys of the tokens of a chunk.

    Returns
    -------
    rows, positions : array (match,) of int
    """
    index = np.minimum(np.searchsorted(sorted_keys, keys), sorted_keys.size - 1)
    rows = np.flatnonzero(sorted_keys[index] == keys)
    matched = positions[index[rows]]
    order = np.argsort(matched)
    return rows[order], matched[order]


class BinEdgesPass(PairReducer):
    """Bins of equal mass of each unit, over the tokens of each input that ``hellinger`` counts.

    Edges are computed from the 2,000 tokens of an input with the smallest seeded hash of (source, sample, step), so
    they do not depend on the order of chunks and merges. The result has ``edge`` (unit, inner): for each input the
    inner edges, padded with infinity to one less than a power of two.

    Parameters
    ----------
    labels, pairs, where, strata, min_tokens, min_sources, bins, n_permutations, seed
        As in `PairReducer`.
    """

    name: ClassVar[str] = "hellinger-edges"
    depends_on: ClassVar[tuple[str, ...]] = ("hellinger-tokens",)
    per_unit: ClassVar[bool] = True

    def init_state(self, units: xr.Dataset, *, hellinger_tokens: xr.Dataset) -> State:
        """Return a state without values."""
        names = {"token_key": "sampled_key", "row": "sampled_row", "plan": "plan"}
        state = {name: hellinger_tokens[source].values for name, source in names.items()}
        size = np.array([state["token_key"].size, units.sizes["unit"]])
        return state | {"size": size, "values": np.zeros((0, 0), np.float32)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Store the values of the sampled tokens of the chunk."""
        keys = token_keys(chunk["sample"].values, chunk["step"].values)
        rows, sampled_rows = match_tokens(state["token_key"], state["row"], keys)
        if not rows.size:
            return state
        values = state["values"]
        if not values.size:
            values = np.zeros(state["size"], chunk.activation.dtype)
        values[sampled_rows] = chunk.activation.isel(token=rows).values
        return state | {"values": values}

    def merge(self, a: State, b: State) -> State:
        """Return the values of both; each token has values in one state and zeros in the other."""
        if not a["values"].size or not b["values"].size:
            return a if a["values"].size else b
        a["values"] += b["values"]
        return a

    def finalize(self, state: State) -> xr.Dataset:
        """Return ``edge`` (unit, inner)."""
        import xarray as xr

        plan, values = state["plan"], state["values"]
        edges = np.full((state["size"][1], table_sizes(plan, self.n_permutations)[0]), np.inf, values.dtype)
        start = 0
        for row in plan if values.size else ():
            size, bins = min(int(row[SIZE]), EDGE_SAMPLE), int(row[BINS])
            sample = np.ascontiguousarray(values[start : start + size].T)
            edges[:, row[EDGE] : row[EDGE] + bins - 1] = equal_mass_edges(sample, bins)
            start += size
        return xr.Dataset({"edge": (("unit", "inner"), edges)})
