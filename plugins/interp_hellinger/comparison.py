"""Comparisons of distances: paired differences, units that learned a pair, and how selectivity is distributed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SchemaError
from interp.plotting import NEURON_COORDS
from interp.statistics import jackknife_interval, participation_ratio
from interp_hellinger.significance import signed_root

if TYPE_CHECKING:
    import xarray as xr

KIND_COORDS = ("module", "layer", "direction", "quantity")


def difference(first: xr.Dataset, second: xr.Dataset, *, over: Sequence[str] = (), squared: bool = False) -> xr.Dataset:
    """Return the differences between the distances of two results, by a jackknife over the same groups of sources.

    Parameters
    ----------
    first, second : Dataset
        Results of ``hellinger`` with ``return_jackknife=True``, over the same text: noise that both share, such as an
        unusual sentence, cancels.
    over : sequence of str
        Dims to average in each result before subtracting, such as ``("unit",)``.
    squared : bool
        Whether to subtract D, which is nearly unbiased for any sample size, instead of distances.

    Returns
    -------
    Dataset
        ``difference``, ``ci_low``, ``ci_high``: the difference, -1 to 1, and the ends of its 95 % confidence interval;
        over the remaining dims.

    Raises
    ------
    SchemaError
        For results without leave-one-out values, and for results with different units if these are not averaged.
    """
    (first_full, first_left), (second_full, second_left) = (_averaged(one, over, squared) for one in (first, second))
    by_unit = "unit" in first_full.dims and "unit" in second_full.dims
    if by_unit and not first_full.indexes["unit"].equals(second_full.indexes["unit"]):
        raise SchemaError(
            "The two results have different units: average them with over=('unit',), or select the same units."
        )
    return _with_interval(first_full - second_full, first_left - second_left)


def _with_interval(gap: xr.DataArray, leave_out: xr.DataArray) -> xr.Dataset:
    """Return a difference and the ends of its interval from the differences without each group."""
    groups = leave_out.notnull().sum("group")
    squares = ((leave_out - leave_out.mean("group")) ** 2).sum("group") * (groups - 1) / groups.where(groups > 0)
    error = np.sqrt(squares.transpose(*gap.dims).values)
    ci_low, ci_high = jackknife_interval(gap.values, error, groups.transpose(*gap.dims).values)
    return gap.to_dataset(name="difference").assign(ci_low=(gap.dims, ci_low), ci_high=(gap.dims, ci_high))


def _averaged(result: xr.Dataset, over: Sequence[str], squared: bool) -> tuple[xr.DataArray, xr.DataArray]:
    """Return estimates, and estimates without each group, corrected for the same bias and averaged over dims."""
    if "estimate_leave_out" not in result:
        raise SchemaError(
            "Comparisons need leave-one-out values: measure with interp.measure('hellinger', acts, "
            "return_jackknife=True)."
        )
    leave_out = result["estimate_leave_out"]
    groups = leave_out.notnull().sum("group")
    bias = (groups - 1) * (leave_out.mean("group") - result["estimate_full"])
    full = result["estimate_full"] - bias.where(groups == result["groups"])
    leave_out = leave_out - bias * groups / (groups - 1).where(groups > 1)  # bias grows with fewer tokens
    estimates = (full, leave_out) if squared else tuple(_signed_root(values) for values in (full, leave_out))
    means = tuple(values.mean([dim for dim in over if dim in values.dims], skipna=False) for values in estimates)
    return means[0], means[1].transpose("group", ...)


def _signed_root(squared: xr.DataArray) -> xr.DataArray:
    return squared.copy(data=np.minimum(signed_root(squared.values), 1.0))


def learned_units(trained: xr.Dataset, untrained: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return which units are selective for a pair, and more so than units of untrained networks.

    A unit has no counterpart in another network. It is compared with the mean of all units of its module, layer,
    direction and quantity, over all untrained networks.

    Parameters
    ----------
    trained : Dataset
        Result of ``hellinger`` with ``return_jackknife=True``.
    untrained : sequence of Dataset
        The same for untrained networks with the same modules, over the same text; at least three random
        initialisations are recommended.

    Returns
    -------
    Dataset
        ``learned`` (unit, pair) bool: ``selective`` and ``ci_low`` > 0; ``difference``, ``ci_low``, ``ci_high`` (unit,
        pair).
    """
    import xarray as xr

    full, leave_out = _averaged(trained, (), squared=False)
    kinds, kind_of = _unit_kinds(trained)
    parts = []
    for number, kind in enumerate(kinds):
        units = np.flatnonzero(kind_of == number)
        means = [_averaged(_units_of_kind(one, kind), ("unit",), squared=False) for one in untrained]
        mean_full, mean_left = (
            xr.concat([mean[part] for mean in means], "net").mean("net", skipna=False) for part in (0, 1)
        )
        gap = (full.isel(unit=units) - mean_full).transpose("unit", "pair")
        parts.append(_with_interval(gap, leave_out.isel(unit=units) - mean_left))
    result = xr.concat(parts, "unit").sel(unit=trained["unit"].values)
    selective = trained["selective"].sel(pair=result["pair"])
    return result.assign(learned=selective & (result["ci_low"] > 0))


def _unit_kinds(result: xr.Dataset) -> tuple[list[tuple[Any, ...]], np.ndarray]:
    """Return the distinct kinds of units, and the index of the kind of each unit."""
    kind_of_unit = list(zip(*(result[name].values.tolist() for name in KIND_COORDS), strict=True))
    kinds = list(dict.fromkeys(kind_of_unit))
    return kinds, np.array([kinds.index(kind) for kind in kind_of_unit])


def _units_of_kind(result: xr.Dataset, kind: tuple[Any, ...]) -> xr.Dataset:
    columns = zip(KIND_COORDS, kind, strict=True)
    mask = np.logical_and.reduce([result[name].values == value for name, value in columns])
    if not mask.any():
        raise SchemaError(f"An untrained network has no units of the kind {kind}: capture the same modules of it.")
    return result.isel(unit=np.flatnonzero(mask))


def selectivity_summary(result: xr.Dataset) -> xr.Dataset:
    """Return the number of selective neurons per pair, of pairs per neuron, and the participation ratio of each pair.

    Parameters
    ----------
    result : Dataset
        Result of ``hellinger`` with the debiased estimator; select units before, such as
        ``interp.select(result, quantity="h")``.

    Returns
    -------
    Dataset
        ``neurons`` (pair): number of neurons selective for the pair; ``pairs`` (neuron): number of pairs that the
        neuron is selective for; ``participation`` (pair): ``(sum D)^2 / sum D^2`` over units, with negative D as 0:
        the effective number of units that encode the pair, from 1 to all, 0 if there is none. A neuron is selective if
        any of its units is.
    """
    import xarray as xr

    if "selective" not in result:
        raise SchemaError(
            "Expected a result of the debiased estimator, with a variable 'selective': "
            "interp.measure('hellinger', acts)."
        )
    parts = zip(*(result[name].values.tolist() for name in NEURON_COORDS), strict=True)
    names = [".".join(str(part) for part in one if part != "") for one in parts]
    neurons, neuron_of = np.unique(names, return_inverse=True)
    by_unit = result["selective"].transpose("unit", "pair").values
    by_neuron = np.zeros((neurons.size, by_unit.shape[1]), bool)
    np.logical_or.at(by_neuron, neuron_of, by_unit)
    squared = np.maximum(np.nan_to_num(result["distance"].transpose("unit", "pair").values), 0.0) ** 2
    ratio = participation_ratio(squared, axis=0)
    data = {"neurons": ("pair", by_neuron.sum(axis=0)), "pairs": ("neuron", by_neuron.sum(axis=1))}
    coords = {"pair": result["pair"].values, "neuron": neurons}
    return xr.Dataset(data | {"participation": ("pair", ratio)}, coords)
