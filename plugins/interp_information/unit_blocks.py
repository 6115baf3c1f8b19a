"""Information of blocks of units over groups of tokens, so that memory does not grow with the number of units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SchemaError
from interp.statistics import fdr
from interp_information.estimators import (
    MAX_TIED,
    check_ties,
    correct_bias,
    nearest_neighbour_information,
    plug_in_by_column,
    tied_fraction,
)
from interp_information.permutation_test import pooled_pvalues
from interp_information.token_groups import TokenGroup

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

BLOCK_VALUES = 2**25  # values of a block of units: 128 MiB of float32
UNIT_MULTIPLE = 16  # units that are stored together
COARSE_BINS, FINE_BINS = 16, 32
FINE_MIN_TOKENS, FINE_MIN_SOURCES = 3000, 300  # of a group, for FINE_BINS
OVER_ALL_UNITS = {"depends_on_all": "unit"}
MAX_EXAMPLES = 3  # units that an error message names


def binned_information(
    acts: xr.Dataset, whole: TokenGroup, groups: Sequence[TokenGroup], correction: str, bins: int | None
) -> xr.Dataset:
    """Return ``information``, ``total``, ``p``, ``q`` (unit) and ``by_input`` (unit, group) over bins of equal mass.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``.
    whole : TokenGroup
        All tokens.
    groups : sequence of TokenGroup
        Groups with at least two labels.
    correction : {"permutation", "miller-madow"}
        Bias correction.
    bins : int, optional
        Number of bins; by default 16 or 32, by the size of the group.
    """
    units, tokens = acts.sizes["unit"], whole.rows.size
    total, by_input = np.zeros(units), np.zeros((units, len(groups)))
    conditional = np.zeros((units, groups[0].columns.shape[1]))
    for block, values in unit_blocks(acts):
        for index, group in enumerate((whole, *groups)):
            own = np.ascontiguousarray(values[:, group.rows])
            bits, freedom = plug_in_by_column(own, group.columns, bins or _default_bins(group))
            corrected = correct_bias(bits, freedom, correction, group.rows.size)
            if group is whole:
                total[block] = corrected
            else:
                by_input[block, index - 1] = corrected
                conditional[block] += bits * (group.rows.size / tokens)
    p = pooled_pvalues(conditional, acts["quantity"].values)
    result = _to_dataset(total, by_input, whole, groups)
    return result.assign(p=("unit", p, OVER_ALL_UNITS), q=("unit", fdr(p), OVER_ALL_UNITS))


def nearest_neighbour_dataset(
    acts: xr.Dataset, whole: TokenGroup, groups: Sequence[TokenGroup], n_neighbors: int, seed: int
) -> xr.Dataset:
    """Return ``information``, ``total`` (unit) and ``by_input`` (unit, group) by nearest neighbours.

    ``total`` is NaN if values repeat too often over all inputs, as those of a unit that copies its input do.
    """
    values = acts.activation.values
    check_finite(values.T, acts["unit"].values)
    for group in groups:
        check_ties(values[group.rows], acts["unit"].values)
    total, *by_input = (
        nearest_neighbour_information(values[group.rows], group.columns[:, 0], n_neighbors=n_neighbors, seed=seed)
        for group in (whole, *groups)
    )
    total[tied_fraction(values[whole.rows]) > MAX_TIED] = np.nan
    return _to_dataset(total, np.stack(by_input, axis=1), whole, groups)


def _default_bins(group: TokenGroup) -> int:
    is_large = group.rows.size >= FINE_MIN_TOKENS and group.n_sources >= FINE_MIN_SOURCES
    return FINE_BINS if is_large else COARSE_BINS


def _to_dataset(
    total: NDArray[Any], by_input: NDArray[Any], whole: TokenGroup, groups: Sequence[TokenGroup]
) -> xr.Dataset:
    import xarray as xr

    weights = np.array([group.rows.size for group in groups]) / whole.rows.size
    data = {"information": ("unit", by_input @ weights), "total": ("unit", total)}
    return xr.Dataset({**data, "by_input": (("unit", "group"), by_input)})


def unit_blocks(acts: xr.Dataset) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield blocks of units and their values (unit, token), read one block at a time.

    Raises
    ------
    SchemaError
        For NaN or infinite values.
    """
    width = max(BLOCK_VALUES // max(acts.sizes["token"], 1) // UNIT_MULTIPLE, 1) * UNIT_MULTIPLE
    for first in range(0, acts.sizes["unit"], width):
        block = slice(first, first + width)
        values = np.ascontiguousarray(acts.activation[:, block].values.T)
        check_finite(values, acts["unit"].values[block])
        yield block, values


def check_finite(values: NDArray[Any], names: NDArray[Any]) -> None:
    """Raise `SchemaError` with the names of units (unit, token) that have NaN or infinite values."""
    not_finite = names[~np.isfinite(values).all(axis=1)]
    if not_finite.size:
        examples = not_finite[:MAX_EXAMPLES].tolist()
        listed = ", ".join(examples) + (", …" if not_finite.size > MAX_EXAMPLES else "")
        raise SchemaError(
            f"Information needs finite activations; {not_finite.size} units have NaN or infinite ones: {listed}. To "
            f"leave them out, type interp.select(acts, unit=lambda unit: ~np.isin(unit, {examples}))."
        )
