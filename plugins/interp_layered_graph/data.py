"""Data of the graph: selection of the units, and tables of nodes and edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SchemaError, measure, select
from interp.plotting import NEURON_COORDS, show_invisible

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MAX_EDGES = 400
MAX_OUTPUTS = 8
GATE_GROUPS = (
    (("o", "output gate"), ("c", "cell")),
    (("i", "input gate"), ("g", "cell input")),
    (("f", "forget gate"), ("c_prev", "previous cell")),
    (("r", "reset gate"), ("z", "update gate"), ("n", "new state")),
)  # quantity and label of each gate row, from the top; rows of a group are drawn close together


@dataclass(frozen=True)
class ShownUnits:
    """Units of each row, as positions in the result, and the numbers of hidden units and h they were selected from.

    Parameters
    ----------
    outputs, hidden, forward, backward : array of int
        Positions of the output units, the hidden units, and the h of both directions.
    n_hidden, n_h : int
        Numbers of hidden units and of h before the selection.
    """

    outputs: np.ndarray
    hidden: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    n_hidden: int
    n_h: int


def select_units(
    acts: xr.Dataset, dist: xr.Dataset, connectivity: xr.Dataset | None, n_hidden: int, n_units: int
) -> ShownUnits:
    """Return the units to show: the outputs that occur with the input, then those with the largest distance per row.

    Parameters
    ----------
    acts : Dataset
        Activations, dims ``(token, unit)``, with the labels ``input`` and ``output``.
    dist : Dataset
        Distances of one pair, dims ``(unit,)``, with ``pair_input`` and ``pair_output``.
    connectivity : Dataset or None
        ``weight (lower_unit, upper_unit)``; None for a model without linear layers.
    n_hidden, n_units : int
        Numbers of hidden units, and of h per direction.
    """
    units = dist["unit"].values.astype(str)
    outputs = _output_units(acts, dist)
    below = _feeding_units(connectivity, units, units[outputs])
    hidden = below & (dist["quantity"].values == "out")
    inner = _feeding_units(connectivity, units, units[hidden]) if hidden.any() else below
    h = inner & (dist["quantity"].values == "h")
    h = h if h.any() else _last_h(dist)
    distance = dist["distance"].values
    backward = h & (dist["direction"].values == "backward")
    return ShownUnits(
        outputs,
        _top_units(distance, hidden, n_hidden),
        _top_units(distance, h & ~backward, n_units),
        _top_units(distance, backward, n_units),
        int(hidden.sum()),
        int(h.sum()),
    )


def top_positions(distance: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the ``n`` largest values, in ascending order of position; NaN is never selected.

    Examples
    --------
    >>> top_positions(np.array([0.1, 0.9, np.nan, 0.5, 0.9]), 3).tolist()
    [1, 3, 4]
    """
    order = np.argsort(-np.nan_to_num(distance, nan=-1.0), kind="stable")
    return np.sort(order[: min(n, int(np.isfinite(distance).sum()))])


def _top_units(distance: np.ndarray, mask: np.ndarray, n: int) -> np.ndarray:
    positions = np.flatnonzero(mask)
    return np.asarray(positions[top_positions(distance[positions], n)])


def common_outputs(inputs: Sequence[str], outputs: Sequence[str], letter: str, n: int, include: str = "") -> list[str]:
    """Return the ``n`` most common outputs of an input letter, in order; ``include`` is always one if it occurs.

    Examples
    --------
    >>> common_outputs(list("tttttt"), list("ծծծթթտ"), "t", 2, include="տ")
    ['ծ', 'տ']
    """
    counts = Counter(output for symbol, output in zip(inputs, outputs, strict=True) if symbol == letter)
    ranked = sorted(counts, key=lambda output: (-counts[output], output))
    if include in ranked[n:]:
        return [*ranked[: n - 1], include]
    return ranked[:n]


def _output_units(acts: xr.Dataset, dist: xr.Dataset) -> np.ndarray:
    """Return the output units of the symbols that occur with the input, in the order of the output layer."""
    letter, target = str(dist["pair_input"].values), str(dist["pair_output"].values)
    inputs, outputs = acts["input"].values.tolist(), acts["output"].values.tolist()
    symbols = common_outputs(inputs, outputs, letter, MAX_OUTPUTS, target)
    return np.flatnonzero(np.isin(dist["symbol"].values.astype(str), [symbol for symbol in symbols if symbol]))


def _feeding_units(connectivity: xr.Dataset | None, units: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return a mask of the units that feed any of the upper ones: boolean (unit,)."""
    if connectivity is None or not upper.size:
        return np.zeros(units.shape, bool)
    columns = np.isin(connectivity["upper_unit"].values.astype(str), upper)
    feeds = (np.nan_to_num(connectivity["weight"].values[:, columns]) != 0).any(axis=1)
    return np.asarray(np.isin(units, connectivity["lower_unit"].values.astype(str)[feeds]))


def _last_h(dist: xr.Dataset) -> np.ndarray:
    """Return a mask of the h of the last recurrent layer: boolean (unit,)."""
    h = dist["quantity"].values == "h"
    if not h.any():
        return np.asarray(h)
    last = np.flatnonzero(h)[-1]
    same = [dist[name].values == dist[name].values[last] for name in ("module", "layer")]
    return np.asarray(h & same[0] & same[1])


def node_table(dist: xr.Dataset, selection: ShownUnits) -> pd.DataFrame:
    """Return one row per node: ``unit``, ``row``, ``side``, ``position`` in its row, ``label`` and ``distance``."""
    import pandas as pd

    parts = [("output", "", selection.outputs), ("hidden", "", selection.hidden)]
    index_of = {key: at for at, key in enumerate(_neuron_keys(dist))}
    gates = [quantity for group in GATE_GROUPS for quantity, _ in group]
    for side, units in (("forward", selection.forward), ("backward", selection.backward)):
        parts += [(quantity, side, _same_neurons(dist, index_of, units, quantity)) for quantity in ("h", *gates)]
    names, distance = dist["unit"].values.tolist(), dist["distance"].values.astype(float)
    symbols, index = dist["symbol"].values.astype(str), dist["index"].values

    def label(row: str, at: int) -> str:
        return show_invisible(symbols[at]) if row == "output" else str(index[at])

    records = [
        (names[at], row, side, position, label(row, at), distance[at])
        for row, side, units in parts
        for position, at in enumerate(units.tolist())
        if at >= 0
    ]
    return pd.DataFrame(records, columns=["unit", "row", "side", "position", "label", "distance"])


def _neuron_keys(dist: xr.Dataset) -> Iterator[tuple[Any, ...]]:
    """Return the neuron and the quantity of each unit."""
    return zip(*(dist[name].values.tolist() for name in (*NEURON_COORDS, "quantity")), strict=True)


def _same_neurons(
    dist: xr.Dataset, index_of: Mapping[tuple[Any, ...], int], units: np.ndarray, quantity: str
) -> np.ndarray:
    """Return the positions of a quantity of the same neurons, -1 if it was not captured."""
    neurons = zip(*(dist[name].values[units].tolist() for name in NEURON_COORDS), strict=True)
    return np.array([index_of.get((*neuron, quantity), -1) for neuron in neurons], dtype=int)


def edge_table(
    acts: xr.Dataset, connectivity: xr.Dataset | None, nodes: pd.DataFrame, pair: tuple[str, str], *, contrast: bool
) -> pd.DataFrame:
    """Return one row per edge, weakest first: ``lower_unit``, ``upper_unit``, ``contribution``; at most `MAX_EDGES`.

    Parameters
    ----------
    acts : Dataset
        Activations, dims ``(token, unit)``, with the labels ``input`` and ``output``.
    connectivity : Dataset or None
        ``weight (lower_unit, upper_unit)``.
    nodes : DataFrame
        Table from `node_table`.
    pair : (str, str)
        Input and output symbol.
    contrast : bool
        Contrast with the other tokens of the input; otherwise the plain mean over the tokens of the pair.

    Raises
    ------
    SchemaError
        If the activations lack units of the nodes.
    """
    import pandas as pd

    names = {row: nodes.loc[nodes["row"] == row, "unit"].tolist() for row in ("output", "hidden", "h")}
    _require_units(acts, [*names["hidden"], *names["h"]])
    steps = [("hidden", "output"), ("h", "hidden")] if names["hidden"] else [("h", "output")]
    parts = [_layer_edges(acts, connectivity, names[low], names[high], pair, contrast=contrast) for low, high in steps]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    table = table.assign(size=table["contribution"].abs()).query("size > 0")
    table = table.sort_values("size", kind="stable").tail(MAX_EDGES)
    return table.drop(columns="size").reset_index(drop=True)


def _require_units(acts: xr.Dataset, units: list[str]) -> None:
    captured = set(acts["unit"].values.tolist())
    missing = [unit for unit in units if unit not in captured]
    if missing:
        raise SchemaError(
            f"These activations lack units of the result, such as {missing[0]!r}. "
            "Pass the activations that the distance was measured on."
        )


def _layer_edges(
    acts: xr.Dataset,
    connectivity: xr.Dataset | None,
    lower: list[str],
    upper: list[str],
    pair: tuple[str, str],
    *,
    contrast: bool,
) -> pd.DataFrame:
    """Return the edges from some units to those of the layer above."""
    import pandas as pd

    columns = ["lower_unit", "upper_unit", "contribution"]
    no_edges = pd.DataFrame({name: pd.Series(dtype=float if name == "contribution" else str) for name in columns})
    if connectivity is None:
        return no_edges
    rows = np.flatnonzero(np.isin(connectivity["lower_unit"].values.astype(str), lower))
    if not upper or not rows.size:
        return no_edges
    part = connectivity.isel(lower_unit=rows)
    tokens = select(acts, input=pair[0], unit=[*lower, *part["upper_unit"].values.tolist()])
    name = f"{pair[0]}=>{pair[1]}"
    result = measure("contributions", tokens, connectivity=part, pairs=[name], contrast=contrast, min_tokens=1)
    value = result["contribution"].sel(pair=name).reindex(lower_unit=lower, upper_unit=upper).values
    low, high = np.indices(value.shape)
    edges = (np.array(lower)[low.ravel()], np.array(upper)[high.ravel()], value.ravel())
    return pd.DataFrame(dict(zip(columns, edges, strict=True)))
