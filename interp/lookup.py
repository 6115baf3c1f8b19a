"""One pair or one unit of a dataset, by name, with an error that says which there are."""

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
        Dims ``(…, pair)``: what a probe such as ``hellinger`` returned.
    pair : str or (str, str)
        ``"t=>ծ"`` or ``("t", "ծ")``.

    Raises
    ------
    UnknownNameError
        No such pair; the text has the nearest.
    SchemaError
        A dataset without pairs.
    """
    _one_model(result)
    if "pair" not in result.dims:
        dims = tuple(result.dims)
        raise SchemaError(
            f"Expected a result with a dim 'pair', such as interp.measure('hellinger', acts); got {dims}."
        )
    name = pair if isinstance(pair, str) else "=>".join(pair)
    names = [str(value) for value in result["pair"].values.tolist()]
    if not names:
        raise UnknownNameError(f"No pair named {name!r}: this result has none. Measure with a lower minimum=.")
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
        ``"lstm.0.forward.h.147"``.

    Raises
    ------
    UnknownNameError
        No such unit; the text has the nearest.
    SchemaError
        A dataset without units.
    """
    _one_model(dataset)
    if "unit" not in dataset.dims:
        raise SchemaError(f"Expected a dataset with a dim 'unit'; got dims {tuple(dataset.dims)}.")
    index = dataset.indexes["unit"]
    if not len(index):
        raise UnknownNameError(f"No unit named {unit!r}: there is none. Capture its module, or pick less narrowly.")
    if unit not in index:
        raise unknown("unit", unit, map(str, index))
    return dataset.isel(unit=index.tolist().index(unit))


def _one_model(dataset: xr.Dataset) -> None:
    if "model" in dataset.dims:
        names = ", ".join(map(str, dataset["model"].values.tolist()))
        raise SchemaError(f"Expected one model; got several: {names}. Take one: result.sel(model=…).")
