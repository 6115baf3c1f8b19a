"""Whether several measures of the same units agree: rank correlations, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

import interp
from interp import OptionError, probe

if TYPE_CHECKING:
    import xarray as xr


def rank_correlation(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
    """Return Spearman's rank correlation over the places where both are finite, and how many these are.

    NaN for fewer than three places, and where one of the two is constant.

    Parameters
    ----------
    a, b : array (unit,)

    Returns
    -------
    float
        In -1..1; equal values share their mean rank.
    int
    """
    from scipy.stats import spearmanr

    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan, int(a.size)
    return float(spearmanr(a, b).statistic), int(a.size)


def agreement(results: Mapping[str, xr.Dataset | xr.DataArray], *, absolute: bool = True) -> xr.Dataset:
    """Return how far several measures of the same units agree on which are the strongest, pair by pair.

    Parameters
    ----------
    results : mapping of str to Dataset or DataArray
        By name, two at least, with dims ``unit`` and ``pair``. Of a dataset the first variable with just these dims is
        taken; pass ``result["auc"]`` for another one. Units and pairs are those that all have.
    absolute : bool
        Take the ranks of absolute values: a distance has no sign, a weight has.

    Returns
    -------
    Dataset
        Schema ``interp.result``, dims ``(pair, measure, measure_2)``: ``correlation`` in -1..1, NaN where a measure is
        constant or fewer than three units are known to both; ``n``, these units.

    Raises
    ------
    OptionError
        For fewer than two results, one without the dims, or no units or pairs in common.
    """
    import xarray as xr

    if len(results) < 2:
        raise OptionError(
            f"Agreement takes two results at least, {{'hellinger': …, 'classifier': …}}; got {len(results)}."
        )
    values = [_values(name, result) for name, result in results.items()]
    alike = xr.align(*values, join="inner", exclude=())
    if not all(alike[0].sizes.values()):
        raise OptionError(f"The results {', '.join(results)} have no units or no pairs in common.")
    bare = [held.drop_vars([name for name in held.coords if name not in ("unit", "pair")]) for held in alike]
    joined = xr.concat(bare, xr.Variable("measure", list(results))).to_dataset(name="value")
    told = {name: held for name, held in alike[0].coords.items() if held.dims == ("pair",)}
    shared = set.intersection(*(set(_provenance(result).items()) for result in results.values()))
    return interp.measure(rank_agreement, joined.assign_coords(told).assign_attrs(dict(shared)), absolute=absolute)


@probe(name="agreement")
def rank_agreement(measured: xr.Dataset, *, absolute: bool = True) -> xr.Dataset:
    """Spearman's rank correlation over units between measures, for each pair."""
    import xarray as xr

    values = measured["value"].transpose("pair", "measure", "unit").values.astype(np.float64)
    values = np.abs(values) if absolute else values
    pairs, measures = values.shape[:2]
    correlation, n = np.empty((pairs, measures, measures)), np.empty((pairs, measures, measures), np.int64)
    for pair, i, j in np.ndindex(correlation.shape):
        correlation[pair, i, j], n[pair, i, j] = rank_correlation(values[pair, i], values[pair, j])
    names = measured["measure"].values
    coords = {name: held for name, held in measured.coords.items() if held.dims == ("pair",)}
    dims = ("pair", "measure", "measure_2")
    data = {"correlation": (dims, correlation), "n": (dims, n)}
    return xr.Dataset(data, {**coords, "measure": names, "measure_2": names})


def _values(name: str, result: xr.Dataset | xr.DataArray) -> xr.DataArray:
    import xarray as xr

    if isinstance(result, xr.DataArray):
        found = [result]
    else:
        found = [held for held in result.data_vars.values() if set(held.dims) == {"unit", "pair"}]
    if not found or set(found[0].dims) != {"unit", "pair"}:
        dims = ", ".join(map(str, result.dims))
        raise OptionError(f"The result {name!r} has dims ({dims}); expected a variable with unit and pair.")
    return found[0]


def _provenance(result: xr.Dataset | xr.DataArray) -> dict[str, object]:
    names = ("model", "model_sha256", "task", "seed", "basis", "basis_seed", "n_tokens", "n_sources")
    return {name: result.attrs[name] for name in names if name in result.attrs}
