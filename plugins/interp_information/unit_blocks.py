"""Units in blocks over groups of tokens, so that memory does not grow with the number of units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SchemaError
from interp_information.estimators import TIED, check_ties, corrected, informations, nearest_neighbours, ties
from interp_information.permutation_test import p_values, q_values
from interp_information.token_groups import Group

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

VALUES = 2**25  # of a block of units, at once: 128 MiB of float32
LINE = 16  # units that are stored together
FINE = (16, 32, 3000, 300)  # bins, and how many from so many tokens of so many sources


def binned(acts: xr.Dataset, whole: Group, told: Sequence[Group], correction: str, bins: int | None) -> xr.Dataset:
    """Return ``information``, ``total``, ``p``, ``q`` (unit) and ``by_input`` (unit, group) over bins of equal mass."""
    units, tokens = acts.sizes["unit"], whole.rows.size
    total, by_input = np.zeros(units), np.zeros((units, len(told)))
    bits = np.zeros((units, told[0].columns.shape[1]))
    for block, values in blocks(acts):
        for at, one in enumerate((whole, *told)):
            found, freedom = informations(np.ascontiguousarray(values[:, one.rows]), one.columns, bins or _fine(one))
            less = corrected(found, freedom, correction, one.rows.size)
            if one is whole:
                total[block] = less
            else:
                by_input[block, at - 1] = less
                bits[block] += found * (one.rows.size / tokens)
    p = p_values(bits, acts["quantity"].values)
    return _dataset(total, by_input, whole, told).assign(p=("unit", p), q=("unit", q_values(p)))


def nearest(acts: xr.Dataset, whole: Group, told: Sequence[Group], neighbours: int, seed: int) -> xr.Dataset:
    """Return ``information``, ``total`` (unit) and ``by_input`` (unit, group) by nearest neighbours.

    ``total`` is NaN where values repeat too often over all inputs, as those of a unit do that keeps what it has read.
    """
    values = acts.activation.values
    check_finite(values.T, acts["unit"].values)
    for one in told:
        check_ties(values[one.rows], acts["unit"].values)
    total, *by_input = (
        nearest_neighbours(values[one.rows], one.columns[:, 0], neighbours=neighbours, seed=seed)
        for one in (whole, *told)
    )
    total[ties(values[whole.rows]) > TIED] = np.nan
    return _dataset(total, np.stack(by_input, axis=1), whole, told)


def _fine(one: Group) -> int:
    few, many, tokens, sources = FINE
    return many if one.rows.size >= tokens and one.sources >= sources else few


def _dataset(total: NDArray[Any], by_input: NDArray[Any], whole: Group, told: Sequence[Group]) -> xr.Dataset:
    import xarray as xr

    share = np.array([one.rows.size for one in told]) / whole.rows.size
    data = {"information": ("unit", by_input @ share), "total": ("unit", total)}
    return xr.Dataset({**data, "by_input": (("unit", "group"), by_input)})


def blocks(acts: xr.Dataset) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield blocks of units and their values (unit, token), which are read when it is their turn.

    Raises
    ------
    SchemaError
        For NaN or infinite values.
    """
    width = max(VALUES // max(acts.sizes["token"], 1) // LINE, 1) * LINE
    for first in range(0, acts.sizes["unit"], width):
        block = slice(first, first + width)
        values = np.ascontiguousarray(acts.activation[:, block].values.T)
        check_finite(values, acts["unit"].values[block])
        yield block, values


def check_finite(values: NDArray[Any], names: NDArray[Any]) -> None:
    """Raise `SchemaError` with the names of units (unit, token) that have NaN or infinite values."""
    odd = names[~np.isfinite(values).all(axis=1)]
    if odd.size:
        listed = ", ".join(odd[:3]) + (", …" if odd.size > 3 else "")
        raise SchemaError(
            f"Information needs finite activations; {odd.size} units have NaN or infinite ones: {listed}."
        )
