"""Total correlation of units, were they Gaussian: how far they are from independent, in nats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, block_shuffles, probe
from interp_information.estimators import few_sources
from interp_information.factors import check_units
from interp_information.token_groups import ORDER
from interp_information.unit_blocks import check_finite

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

DEAD = 0.01  # of the largest standard deviation


def total_correlation(values: Any, *, shrink: float = 0.01) -> float:
    """Return ``-1/2 ln det ((1 - shrink) R + shrink I)`` in nats, R the correlations of the units.

    Of Gaussian units this is the sum of their entropies less that of all together (Watanabe, "Information theoretical
    analysis of multivariate correlation", 1960); of others it tells of their linear dependence only. Of n tokens of d
    independent units it is about d (d - 1) / 4n, not 0: see `chance`.

    Parameters
    ----------
    values : array (token, unit)
        Finite, no unit constant.
    shrink : float
        Towards the identity, 0 to 1; with 0, units that are copies give infinity.

    Returns
    -------
    float
        0 or more.
    """
    if not 0 <= shrink <= 1:
        raise OptionError(f"shrink= is 0 to 1; got {shrink}.")
    values = np.asarray(values, np.float64)
    centred = values - values.mean(axis=0)
    scaled = centred / np.sqrt(np.einsum("tu,tu->u", centred, centred))
    matrix = (1 - shrink) * (scaled.T @ scaled)
    np.fill_diagonal(matrix, 1.0)
    sign, logarithm = np.linalg.slogdet(matrix)
    return float(-logarithm / 2) if sign > 0 else float("inf")


def chance(values: Any, sources: Any, *, shrink: float = 0.01, seed: int = 0) -> float:
    """Return `total_correlation` of the same units, each permuted by source on its own.

    Parameters
    ----------
    values : array (token, unit)
    sources : array (token,) of int
        In order: tokens of a source stand together.
    shrink : float
    seed : int
        Of the permutations.
    """
    values = np.asarray(values)
    orders = block_shuffles(np.asarray(sources), draws=values.shape[1], seed=seed)
    apart = np.stack([column[order] for column, order in zip(values.T, orders, strict=True)], axis=1)
    return total_correlation(apart, shrink=shrink)


def alive(values: Any, dead: float = DEAD) -> NDArray[np.bool_]:
    """Return which units (token, unit) vary by more than a share of what the most varying one does (unit,).

    A unit that stands at 0, or is saturated at one end, is dead; one that varies in a narrow range is not, as long
    as the others do so too.
    """
    spread = np.asarray(values).std(axis=0, dtype=np.float64)
    return np.asarray(spread > np.maximum(dead * spread.max(initial=0), 1e-12))


def living(acts: xr.Dataset, dead: float, tokens: int) -> xr.Dataset:
    """Return whole sources of at most so many tokens, in order and in memory, and the units that are alive.

    Raises
    ------
    OptionError
        Where fewer than two units are alive, and for values that make no sense.
    SchemaError
        For values that are not finite.
    """
    if not 0 <= dead < 1 or tokens < 2:
        raise OptionError(f"dead= is 0 to 1 and tokens= 2 at least; got {dead} and {tokens}.")
    check_units(acts)
    order = np.lexsort([acts[name].values for name in ORDER])
    order = order[few_sources(acts["source"].values[order], tokens)]
    if order.size < 2:
        raise OptionError(f"No source has at most tokens={tokens} tokens: pass more. There are {acts.sizes['token']}.")
    held = acts.isel(token=order).load()
    check_finite(held.activation.values.T, acts["unit"].values)
    kept = alive(held.activation.values, dead)
    if kept.sum() < 2:
        raise OptionError(f"{int(kept.sum())} of {kept.size} units vary at all (dead={dead}): two at least are needed.")
    return held.isel(unit=np.flatnonzero(kept))


@probe(name="total-correlation", requires=("source",))
def correlation(
    acts: xr.Dataset, *, tokens: int = 50_000, shrink: float = 0.01, dead: float = DEAD, seed: int = 0
) -> xr.Dataset:
    """Total correlation of the units as if they were Gaussian, in nats, less what independent units would show.

    ``-1/2 ln det R`` of their correlations over tokens, shrunk towards the identity; minus the same with each unit
    permuted by source on its own. Pass tokens that the network was not trained on. Dead units are left out.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``; two units at least.
    tokens : int
        At most, of whole sources.
    shrink : float
        Towards the identity, 0 to 1.
    dead : float
        Units that vary by no more than this share of what the most varying one does are left out.
    seed : int
        Of the permutations.

    Returns
    -------
    Dataset
        ``total_correlation`` (), less ``chance`` (); both in nats. ``tokens``, ``sources``, ``units`` and ``dead``
        (), how many.

    Raises
    ------
    OptionError
        For values that make no sense, and fewer than two units that are not dead.
    SchemaError
        For activations that are not finite.
    """
    import xarray as xr

    held = living(acts, dead, tokens)
    values, sources = held.activation.values, held["source"].values
    expected = chance(values, sources, shrink=shrink, seed=seed)
    data = {"total_correlation": total_correlation(values, shrink=shrink) - expected, "chance": expected}
    sizes = {"tokens": len(sources), "sources": np.unique(sources).size, "units": values.shape[1]}
    method = (
        f"Total correlation of {sizes['units']} units as if they were Gaussian, in nats: -1/2 ln det R, R their "
        f"correlations over {sizes['tokens']} tokens of {sizes['sources']} sources, shrunk by {shrink} towards the "
        "identity; minus the same with each unit permuted by source on its own."
    )
    return xr.Dataset({**data, **sizes, "dead": acts.sizes["unit"] - values.shape[1]}).assign_attrs(method=method)
