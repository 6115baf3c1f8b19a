"""Selection of one pair or one unit by name, with errors that suggest similar names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from interp.errors import SchemaError, UnknownNameError, unknown

if TYPE_CHECKING:
    import xarray as xr


def one_pair(result: xr.Dataset, pair: str | Sequence[str]) -> xr.Dataset:
    """Return the result for one pair, without the dim ``pair``.

    Parameters
    ----------
    result : Dataset
        Result of a probe such as ``hellinger``, dims ``(…, pair)``.
    pair : str or (str, str)
        Name of the pair, such as ``"t=>ծ"`` or ``("t", "ծ")``.

    Raises
    ------
    UnknownNameError
        If there is no such pair; the message suggests similar names.
    SchemaError
        If the dataset has no pairs.
    """
    _require_one_model(result)
    if "pair" not in result.dims:
        dims = tuple(result.dims)
        raise SchemaError(
            f"Expected a result with a dim 'pair', such as interp.measure('hellinger', acts); got {dims}."
        )
    name = pair if isinstance(pair, str) else "=>".join(pair)
    names = [str(value) for value in result["pair"].values.tolist()]
    if not names:
        raise UnknownNameError(f"No pair named {name!r}: this result has none. Measure with a lower min_tokens=.")
    if name not in names:
        raise unknown("pair", name, names)
    return result.isel(pair=names.index(name))


def one_unit(dataset: xr.Dataset, unit: str) -> xr.Dataset:
    """Return the dataset for one unit, without the dim ``unit``.

    Parameters
    ----------
    dataset : Dataset
        Dims ``(…, unit)``.
    unit : str
        Name of the unit, such as ``"lstm.0.forward.h.147"``.

    Raises
    ------
    UnknownNameError
        If there is no such unit; the message suggests similar names.
    SchemaError
        If the dataset has no units.
    """
    _require_one_model(dataset)
    if "unit" not in dataset.dims:
        raise SchemaError(f"Expected a dataset with a dim 'unit'; got dims {tuple(dataset.dims)}.")
    index = dataset.indexes["unit"]
    if not len(index):
        raise UnknownNameError(
            f"No unit named {unit!r}: the dataset has none. Capture its module, or select more units."
        )
    if unit not in index:
        raise unknown("unit", unit, map(str, index))
    return dataset.isel(unit=index.tolist().index(unit))


def _require_one_model(dataset: xr.Dataset) -> None:
    if "model" in dataset.dims:
        names = ", ".join(map(str, dataset["model"].values.tolist()))
        raise SchemaError(f"Expected one model; got several: {names}. Select one: result.sel(model=…).")
