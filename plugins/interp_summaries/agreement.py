"""Agreement of several measures of the same units: rank correlations for each pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

import interp
from interp import OptionError, probe

if TYPE_CHECKING:
    import xarray as xr

MIN_UNITS = 3  # fewer units have no rank correlation
PROVENANCE = ("model", "model_sha256", "task", "seed", "basis", "basis_seed", "n_tokens", "n_sources")


def rank_correlation(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
    """Return Spearman's rank correlation over the positions where both values are finite, and their number.

    The correlation is NaN for fewer than three positions, and if one of the two arrays is constant there.

    Parameters
    ----------
    a, b : array (unit,)

    Returns
    -------
    float
        Correlation in -1..1; equal values get their mean rank.
    int
        Number of positions used.
    """
    from scipy.stats import spearmanr

    finite = np.isfinite(a) & np.isfinite(b)
    a, b = a[finite], b[finite]
    if a.size < MIN_UNITS or np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan, int(a.size)
    return float(spearmanr(a, b).statistic), int(a.size)


def agreement(results: Mapping[str, xr.Dataset | xr.DataArray], *, absolute: bool = True) -> xr.Dataset:
    """Return the rank correlations between several measures of the same units, for each pair.

    Parameters
    ----------
    results : mapping of str to Dataset or DataArray
        At least two results by name, with dims ``unit`` and ``pair``. Of a dataset the first variable with exactly
        these dims is used; pass ``result["auc"]`` to choose another one. Results are aligned on the units and pairs
        that all of them have.
    absolute : bool
        Rank absolute values, since a distance has no sign but a weight has one.

    Returns
    -------
    Dataset
        Schema ``interp.result``, dims ``(pair, measure_a, measure_b)``: ``correlation`` in -1..1, NaN if a measure is
        constant or fewer than three units have a value in both; ``n``, the number of these units.

    Raises
    ------
    OptionError
        Fewer than two results, a result without these dims, or no units or pairs in common.
    """
    import xarray as xr

    if len(results) < 2:
        raise OptionError(
            f"agreement() takes at least two results, such as {{'hellinger': …, 'classifier': …}}; got {len(results)}."
        )
    values = [_values_of(name, result) for name, result in results.items()]
    aligned = xr.align(*values, join="inner", exclude=())
    if not all(aligned[0].sizes.values()):
        raise OptionError(f"The results {', '.join(results)} have no units or no pairs in common.")
    bare = [array.drop_vars([name for name in array.coords if name not in ("unit", "pair")]) for array in aligned]
    joined = xr.concat(bare, xr.Variable("measure", list(results))).to_dataset(name="value")
    pair_coords = {name: coord for name, coord in aligned[0].coords.items() if coord.dims == ("pair",)}
    attrs = dict(set.intersection(*(set(_provenance(result).items()) for result in results.values())))
    return interp.measure(rank_agreement, joined.assign_coords(pair_coords).assign_attrs(attrs), absolute=absolute)


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
    coords = {name: coord for name, coord in measured.coords.items() if coord.dims == ("pair",)}
    dims = ("pair", "measure_a", "measure_b")
    data = {"correlation": (dims, correlation), "n": (dims, n)}
    return xr.Dataset(data, {**coords, "measure_a": names, "measure_b": names})


def _values_of(name: str, result: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Return the variable of a result that has the dims unit and pair."""
    import xarray as xr

    if isinstance(result, xr.DataArray):
        candidates = [result]
    else:
        candidates = [array for array in result.data_vars.values() if set(array.dims) == {"unit", "pair"}]
    if not candidates or set(candidates[0].dims) != {"unit", "pair"}:
        dims = ", ".join(map(str, result.dims))
        raise OptionError(f"The result {name!r} has dims ({dims}); expected a variable with unit and pair.")
    return candidates[0]


def _provenance(result: xr.Dataset | xr.DataArray) -> dict[str, object]:
    return {name: result.attrs[name] for name in PROVENANCE if name in result.attrs}
