"""What follows from distances with their groups: paired differences, what was learned, how knowledge is spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SchemaError, interval
from interp_hellinger.significance import signed_root

if TYPE_CHECKING:
    import xarray as xr

NEURON = ("module", "layer", "direction", "index")
KIND = ("module", "layer", "direction", "quantity")


def difference(first: xr.Dataset, second: xr.Dataset, *, over: Sequence[str] = (), squared: bool = False) -> xr.Dataset:
    """Return by how much distances of one result exceed those of another, leaving out the same sources in both.

    Parameters
    ----------
    first, second : Dataset
        Results of ``hellinger`` with ``keep_groups=True``, over the same text: what their noise has in common, such as
        an odd sentence, cancels.
    over : sequence of str
        Dims that are averaged in each before the difference, such as ``("unit",)`` for two top tens.
    squared : bool
        Differences of D, which is nearly free of bias at any size, instead of distances.

    Returns
    -------
    Dataset
        ``difference``, ``low``, ``high``: -1 to 1, the ends of a 95 % interval; dims are what is left.

    Raises
    ------
    SchemaError
        For results without groups, and for units that differ where they are not averaged.
    """
    (mine, mine_left), (other, other_left) = (_averaged(one, over, squared) for one in (first, second))
    if "unit" in mine.dims and "unit" in other.dims and not mine.indexes["unit"].equals(other.indexes["unit"]):
        raise SchemaError("The two results have other units: average them with over=('unit',), or pick the same.")
    gap, left = mine - other, mine_left - other_left
    return _ends(gap, left)


def _ends(gap: xr.DataArray, left: xr.DataArray) -> xr.Dataset:
    """Return a difference and the ends of its interval from the differences without each group."""
    groups = left.notnull().sum("group")
    squares = ((left - left.mean("group")) ** 2).sum("group") * (groups - 1) / groups.where(groups > 0)
    error = np.sqrt(squares.transpose(*gap.dims).values)
    low, high = interval(gap.values, error, groups.transpose(*gap.dims).values)
    return gap.to_dataset(name="difference").assign(low=(gap.dims, low), high=(gap.dims, high))


def _averaged(result: xr.Dataset, over: Sequence[str], squared: bool) -> tuple[xr.DataArray, xr.DataArray]:
    """Return estimates, and estimates without each group, both freed of the same bias, averaged over dims."""
    if "without" not in result:
        raise SchemaError("Differences need groups: measure with interp.measure('hellinger', acts, keep_groups=True).")
    left = result["without"]
    groups = left.notnull().sum("group")
    bias = (groups - 1) * (left.mean("group") - result["whole"])
    whole = result["whole"] - bias.where(groups == result["groups"])
    left = left - bias * groups / (groups - 1).where(groups > 1)  # with fewer tokens there is more of it
    pair = (whole, left) if squared else tuple(_rooted(held) for held in (whole, left))
    averaged = tuple(held.mean([dim for dim in over if dim in held.dims], skipna=False) for held in pair)
    return averaged[0], averaged[1].transpose("group", ...)


def _rooted(squared: xr.DataArray) -> xr.DataArray:
    return squared.copy(data=np.minimum(signed_root(squared.values), 1.0))


def learned(trained: xr.Dataset, untrained: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return which units know a pair, and know more of it than untrained networks do.

    A unit has no counterpart in another network. It is compared with the mean of all units of its module, layer,
    direction and quantity, over all the untrained networks.

    Parameters
    ----------
    trained : Dataset
        Result of ``hellinger`` with ``keep_groups=True``.
    untrained : sequence of Dataset
        The same of networks with the same modules that were not trained, over the same text; three inits at least are
        a good habit.

    Returns
    -------
    Dataset
        ``learned`` (unit, pair) bool: `knows`, and ``low`` > 0; ``difference``, ``low``, ``high`` (unit, pair).
    """
    import xarray as xr

    mine, mine_left = _averaged(trained, (), squared=False)
    kinds, rows = _kinds(trained)
    parts = []
    for number, kind in enumerate(kinds):
        units = np.flatnonzero(rows == number)
        means = [_averaged(_of_kind(one, kind), ("unit",), squared=False) for one in untrained]
        other, other_left = (xr.concat([mean[at] for mean in means], "net").mean("net", skipna=False) for at in (0, 1))
        gap = (mine.isel(unit=units) - other).transpose("unit", "pair")
        parts.append(_ends(gap, mine_left.isel(unit=units) - other_left))
    found = xr.concat(parts, "unit").sel(unit=trained["unit"].values)
    known = trained["knows"].sel(pair=found["pair"])
    return found.assign(learned=known & (found["low"] > 0))


def _kinds(result: xr.Dataset) -> tuple[list[tuple[Any, ...]], np.ndarray]:
    """Return the distinct kinds of units, and of which kind each unit is."""
    every = list(zip(*(result[name].values.tolist() for name in KIND), strict=True))
    kinds = list(dict.fromkeys(every))
    return kinds, np.array([kinds.index(one) for one in every])


def _of_kind(result: xr.Dataset, kind: tuple[Any, ...]) -> xr.Dataset:
    mask = np.logical_and.reduce([result[name].values == value for name, value in zip(KIND, kind, strict=True)])
    if not mask.any():
        raise SchemaError(f"An untrained network lacks units of the kind {kind}: capture the same modules of it.")
    return result.isel(unit=np.flatnonzero(mask))


def knowledge(result: xr.Dataset) -> xr.Dataset:
    """Return how knowledge is spread: neurons a pair, pairs a neuron, and the participation ratio.

    Parameters
    ----------
    result : Dataset
        Of ``hellinger`` in honest mode; pick units before, such as ``interp.pick(result, quantity="h")``.

    Returns
    -------
    Dataset
        ``neurons`` (pair): how many know it; ``pairs`` (neuron): how many it knows; ``participation`` (pair):
        ``(sum D)^2 / sum D^2`` over units, negative D as 0: how many units carry the pair, 1 to all, 0 where none does.
        A neuron knows what any of its units knows.
    """
    import xarray as xr

    if "knows" not in result:
        raise SchemaError("Expected a result of interp.measure('hellinger', acts) in honest mode: there is no 'knows'.")
    parts = zip(*(result[name].values.tolist() for name in NEURON), strict=True)
    names = [".".join(str(part) for part in one if part != "") for one in parts]
    neurons, rows = np.unique(names, return_inverse=True)
    cells = result["knows"].transpose("unit", "pair").values
    knows = np.zeros((neurons.size, cells.shape[1]), bool)
    np.logical_or.at(knows, rows, cells)
    squared = np.maximum(np.nan_to_num(result["distance"].transpose("unit", "pair").values), 0.0) ** 2
    whole, squares = squared.sum(axis=0), (squared**2).sum(axis=0)
    ratio = whole**2 / np.where(squares > 0, squares, 1.0)
    data = {"neurons": ("pair", knows.sum(axis=0)), "pairs": ("neuron", knows.sum(axis=1))}
    coords = {"pair": result["pair"].values, "neuron": neurons}
    return xr.Dataset(data | {"participation": ("pair", ratio)}, coords)
