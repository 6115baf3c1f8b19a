"""The nodes and edges of the graph as two tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SchemaError, measure, pick
from interp_layered_graph.rows import GATES, becomes, best

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MAX_EDGES = 400
MAX_OUTPUTS = 8
NEURON = ("module", "layer", "direction", "index")


@dataclass(frozen=True)
class Choice:
    """The units of each row, as positions in the result's units, and how many there were to choose from."""

    outputs: np.ndarray
    hidden: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    of_hidden: int
    of_h: int


def choose(acts: xr.Dataset, dist: xr.Dataset, wiring: xr.Dataset | None, n_hidden: int, n_units: int) -> Choice:
    """Return the units to show: what the input can become, then those with the largest distance of each row.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, with the labels ``input`` and ``output``.
    dist : Dataset
        Dims ``(unit,)``: the distances of one pair, with ``pair_input`` and ``pair_output``.
    wiring : Dataset or None
        ``weight (lower_unit, upper_unit)``: what feeds what. None for a model without a linear layer.
    n_hidden, n_units : int
        How many hidden units, and how many h of each direction.
    """
    units = dist["unit"].values.astype(str)
    outputs = _outputs(acts, dist)
    below = _feeding(wiring, units, units[outputs])
    hidden = below & (dist["quantity"].values == "out")
    inner = _feeding(wiring, units, units[hidden]) if hidden.any() else below
    h = inner & (dist["quantity"].values == "h")
    h = h if h.any() else _last_h(dist)
    distance = dist["distance"].values
    side = dist["direction"].values
    back = h & (side == "backward")
    return Choice(
        outputs,
        _best(distance, hidden, n_hidden),
        _best(distance, h & ~back, n_units),
        _best(distance, back, n_units),
        int(hidden.sum()),
        int(h.sum()),
    )


def _best(distance: np.ndarray, among: np.ndarray, n: int) -> np.ndarray:
    places = np.flatnonzero(among)
    return np.asarray(places[best(distance[places], n)])


def _outputs(acts: xr.Dataset, dist: xr.Dataset) -> np.ndarray:
    """Return the output units of what the input can become, in the order of the output layer."""
    letter, target = str(dist["pair_input"].values), str(dist["pair_output"].values)
    names = becomes(acts["input"].values.tolist(), acts["output"].values.tolist(), letter, MAX_OUTPUTS, target)
    return np.flatnonzero(np.isin(dist["symbol"].values.astype(str), [name for name in names if name]))


def _feeding(wiring: xr.Dataset | None, units: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return which units feed any of the upper ones: boolean (unit,)."""
    if wiring is None or not upper.size:
        return np.zeros(units.shape, bool)
    known = np.isin(wiring["upper_unit"].values.astype(str), upper)
    feeds = (np.nan_to_num(wiring["weight"].values[:, known]) != 0).any(axis=1)
    return np.asarray(np.isin(units, wiring["lower_unit"].values.astype(str)[feeds]))


def _last_h(dist: xr.Dataset) -> np.ndarray:
    """Return the h of the last recurrent layer: boolean (unit,)."""
    h = dist["quantity"].values == "h"
    if not h.any():
        return np.asarray(h)
    last = np.flatnonzero(h)[-1]
    same = [dist[name].values == dist[name].values[last] for name in ("module", "layer")]
    return np.asarray(h & same[0] & same[1])


def node_table(dist: xr.Dataset, choice: Choice) -> pd.DataFrame:
    """Return one row per node: ``unit``, ``row``, ``side``, ``place`` in its row, ``label`` and ``distance``."""
    import pandas as pd

    from interp import lettering

    parts = [("output", "", choice.outputs), ("hidden", "", choice.hidden)]
    where = {key: at for at, key in enumerate(_neurons(dist))}
    for side, places in (("forward", choice.forward), ("backward", choice.backward)):
        parts += [(quantity, side, _same_neurons(dist, where, places, quantity)) for quantity in ("h", *_gates())]
    names, distance = dist["unit"].values.tolist(), dist["distance"].values.astype(float)
    symbols, index = dist["symbol"].values.astype(str), dist["index"].values

    def label(row: str, at: int) -> str:
        return lettering.visible(symbols[at]) if row == "output" else str(index[at])

    records = [
        (names[at], row, side, place, label(row, at), distance[at])
        for row, side, places in parts
        for place, at in enumerate(places.tolist())
        if at >= 0
    ]
    return pd.DataFrame(records, columns=["unit", "row", "side", "place", "label", "distance"])


def _gates() -> list[str]:
    return [quantity for group in GATES for quantity, _ in group]


def _neurons(dist: xr.Dataset) -> Iterator[tuple[Any, ...]]:
    """Return neuron and quantity of each unit."""
    return zip(*(dist[name].values.tolist() for name in (*NEURON, "quantity")), strict=True)


def _same_neurons(
    dist: xr.Dataset, where: Mapping[tuple[Any, ...], int], places: np.ndarray, quantity: str
) -> np.ndarray:
    """Return the positions of a quantity of the same neurons, -1 where it was not captured."""
    neurons = zip(*(dist[name].values[places].tolist() for name in NEURON), strict=True)
    return np.array([where.get((*neuron, quantity), -1) for neuron in neurons], dtype=int)


def edge_table(
    acts: xr.Dataset, wiring: xr.Dataset | None, nodes: pd.DataFrame, pair: tuple[str, str], *, article: bool
) -> pd.DataFrame:
    """Return one row per edge, weakest first: ``lower_unit``, ``upper_unit``, ``contribution``; at most `MAX_EDGES`.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, with the labels ``input`` and ``output``.
    wiring : Dataset or None
        ``weight (lower_unit, upper_unit)``.
    nodes : DataFrame
        As `node_table` makes it.
    pair : (str, str)
        Input and output symbol.
    article : bool
        The plain mean over the tokens of the pair; otherwise the contrast with the other tokens of the input.

    Raises
    ------
    SchemaError
        Activations that lack units of the nodes.
    """
    import pandas as pd

    names = {row: nodes.loc[nodes["row"] == row, "unit"].tolist() for row in ("output", "hidden", "h")}
    _check_units(acts, [*names["hidden"], *names["h"]])
    steps = [("hidden", "output"), ("h", "hidden")] if names["hidden"] else [("h", "output")]
    parts = [_edges(acts, wiring, names[low], names[high], pair, article=article) for low, high in steps]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    table = table.assign(size=table["contribution"].abs()).query("size > 0")
    table = table.sort_values("size", kind="stable").tail(MAX_EDGES)
    return table.drop(columns="size").reset_index(drop=True)


def _check_units(acts: xr.Dataset, needed: list[str]) -> None:
    known = set(acts["unit"].values.tolist())
    missing = [unit for unit in needed if unit not in known]
    if missing:
        raise SchemaError(
            f"These activations lack units of the result, such as {missing[0]!r}. "
            "Pass the activations that the distance was measured on."
        )


def _edges(
    acts: xr.Dataset,
    wiring: xr.Dataset | None,
    lower: list[str],
    upper: list[str],
    pair: tuple[str, str],
    *,
    article: bool,
) -> pd.DataFrame:
    import pandas as pd

    columns = ["lower_unit", "upper_unit", "contribution"]
    fed = np.isin(wiring["lower_unit"].values.astype(str), lower) if wiring is not None else np.zeros(0, bool)
    if wiring is None or not upper or not fed.any():
        return pd.DataFrame({name: pd.Series(dtype=float if name == "contribution" else str) for name in columns})
    part = wiring.isel(lower_unit=np.flatnonzero(fed))
    few = pick(acts, input=pair[0], unit=[*lower, *part["upper_unit"].values.tolist()])
    name = f"{pair[0]}=>{pair[1]}"
    measured = measure("contributions", few, wiring=part, pairs=[name], article=article, minimum=1)
    value = measured["contribution"].sel(pair=name).reindex(lower_unit=lower, upper_unit=upper).values
    rows, cells = np.indices(value.shape)
    return pd.DataFrame(
        dict(zip(columns, (np.array(lower)[rows.ravel()], np.array(upper)[cells.ravel()], value.ravel()), strict=True))
    )
