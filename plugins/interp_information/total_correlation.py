"""Total correlation of units under a Gaussian assumption: how far they are from independent, in nats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe
from interp.statistics import permute_sources
from interp_information.factors import check_units
from interp_information.token_groups import SORT_KEYS, sample_whole_sources
from interp_information.unit_blocks import check_finite

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

MIN_RELATIVE_STD = 0.01  # of the largest standard deviation
MIN_STD = 1e-12  # a smaller standard deviation is rounding error


def estimate_total_correlation(values: Any, *, shrinkage: float = 0.01) -> float:
    """Return ``-1/2 ln det ((1 - shrinkage) R + shrinkage I)`` in nats, where R is the correlation matrix of the units.

    For Gaussian units this is the sum of their entropies minus their joint entropy (Watanabe, "Information theoretical
    analysis of multivariate correlation", 1960); for others it measures linear dependence only. For n tokens of d
    independent units its expectation is about d (d - 1) / 4n, not 0: see `permuted_total_correlation`.

    Parameters
    ----------
    values : array (token, unit)
        Finite, without constant units.
    shrinkage : float
        Shrinkage towards the identity, 0 to 1; with 0, identical units give infinity.

    Returns
    -------
    float
        0 or more.
    """
    if not 0 <= shrinkage <= 1:
        raise OptionError(f"shrinkage= is 0 to 1; got {shrinkage}.")
    values = np.asarray(values, np.float64)
    centred = values - values.mean(axis=0)
    scaled = centred / np.sqrt(np.einsum("tu,tu->u", centred, centred))
    matrix = (1 - shrinkage) * (scaled.T @ scaled)
    np.fill_diagonal(matrix, 1.0)
    sign, logarithm = np.linalg.slogdet(matrix)
    return float(-logarithm / 2) if sign > 0 else float("inf")


def permuted_total_correlation(values: Any, sources: Any, *, shrinkage: float = 0.01, seed: int = 0) -> float:
    """Return the total correlation of the same units, each permuted independently by source.

    Parameters
    ----------
    values : array (token, unit)
    sources : array (token,) of int
        Source of each token; tokens of one source must be contiguous.
    shrinkage : float
        Shrinkage towards the identity, 0 to 1.
    seed : int
        Seed of the permutations.
    """
    values = np.asarray(values)
    orders = permute_sources(np.asarray(sources), n_permutations=values.shape[1], seed=seed)
    permuted = np.stack([column[order] for column, order in zip(values.T, orders, strict=True)], axis=1)
    return estimate_total_correlation(permuted, shrinkage=shrinkage)


def is_varying(values: Any, min_relative_std: float = MIN_RELATIVE_STD) -> NDArray[np.bool_]:
    """Return which units (token, unit) vary by more than a fraction of the most varying unit: (unit,).

    A unit that stays at 0 or is saturated at one end does not vary; one that varies in a narrow range does, if the
    range of the others is narrow too.
    """
    std = np.asarray(values).std(axis=0, dtype=np.float64)
    return np.asarray(std > np.maximum(min_relative_std * std.max(initial=0), MIN_STD))


def varying_units(acts: xr.Dataset, min_relative_std: float, max_tokens: int) -> xr.Dataset:
    """Return the varying units over whole sources of at most ``max_tokens`` tokens, sorted and in memory.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``.
    min_relative_std : float
        Standard deviation below which a unit is left out, as a fraction of the largest one.
    max_tokens : int
        Maximum number of tokens, at least 2.

    Raises
    ------
    OptionError
        If fewer than two units vary, and for invalid option values.
    SchemaError
        For values that are not finite.
    """
    if not 0 <= min_relative_std < 1 or max_tokens < 2:
        raise OptionError(
            "min_relative_std= is at least 0 and below 1, and max_tokens= at least 2; "
            f"got {min_relative_std} and {max_tokens}."
        )
    check_units(acts)
    order = np.lexsort([acts[name].values for name in SORT_KEYS])
    order = order[sample_whole_sources(acts["source"].values[order], max_tokens)]
    if order.size < 2:
        raise OptionError(
            f"No source has at most max_tokens={max_tokens} tokens: pass more. There are {acts.sizes['token']}."
        )
    sample = acts.isel(token=order).load()
    check_finite(sample.activation.values.T, acts["unit"].values)
    varying = is_varying(sample.activation.values, min_relative_std)
    if varying.sum() < 2:
        raise OptionError(
            f"{int(varying.sum())} of {varying.size} units vary (min_relative_std={min_relative_std}): at least two "
            "are needed."
        )
    return sample.isel(unit=np.flatnonzero(varying))


@probe(name="total-correlation", requires=("source",))
def total_correlation(
    acts: xr.Dataset,
    *,
    max_tokens: int = 50_000,
    shrinkage: float = 0.01,
    min_relative_std: float = MIN_RELATIVE_STD,
    seed: int = 0,
) -> xr.Dataset:
    """Total correlation of the units under a Gaussian assumption, in nats, minus that of independent units.

    ``-1/2 ln det R`` of their correlation matrix over tokens, shrunk towards the identity; minus the same with each
    unit permuted independently by source. Pass tokens that the network was not trained on. Dead units, which hardly
    vary, are left out.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``; at least two units.
    max_tokens : int
        Maximum number of tokens, of whole sources.
    shrinkage : float
        Shrinkage towards the identity, 0 to 1.
    min_relative_std : float
        Standard deviation up to which a unit counts as dead, as a fraction of the largest one.
    seed : int
        Seed of the permutations.

    Returns
    -------
    Dataset
        ``total_correlation`` (), after subtracting ``chance`` (); both in nats. ``tokens``, ``sources``, ``units`` and
        ``dead`` (): numbers of tokens, sources, measured units and dead units.

    Raises
    ------
    OptionError
        For invalid option values, and for fewer than two units that vary.
    SchemaError
        For activations that are not finite.
    """
    import xarray as xr

    sample = varying_units(acts, min_relative_std, max_tokens)
    values, sources = sample.activation.values, sample["source"].values
    chance = permuted_total_correlation(values, sources, shrinkage=shrinkage, seed=seed)
    data = {"total_correlation": estimate_total_correlation(values, shrinkage=shrinkage) - chance, "chance": chance}
    sizes = {"tokens": len(sources), "sources": np.unique(sources).size, "units": values.shape[1]}
    method = (
        f"Total correlation of {sizes['units']} units under a Gaussian assumption, in nats: -1/2 ln det R, where R is "
        f"their correlation matrix over {sizes['tokens']} tokens of {sizes['sources']} sources, shrunk by {shrinkage} "
        "towards the identity; minus the same with each unit permuted independently by source."
    )
    return xr.Dataset({**data, **sizes, "dead": acts.sizes["unit"] - values.shape[1]}).assign_attrs(method=method)
