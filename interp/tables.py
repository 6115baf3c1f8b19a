"""Results as a paragraph for a methods section and as tidy tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interp.errors import SchemaError
from interp.schema import RESULT

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

ROTATED = (
    "The activations of each layer, direction and quantity were first multiplied by a random orthogonal matrix "
    "(seed {})."
)


def methods(result: xr.Dataset) -> str:
    """Return a paragraph for a methods section that describes how a result was computed.

    Parameters
    ----------
    result : Dataset
        Result of `interp.measure`, with any dims.

    Returns
    -------
    str
        Method; probe, version and options; version of interp; model and weights; task; seed; and the numbers of tokens
        and sources, for several models one by one.

    Raises
    ------
    SchemaError
        For any other dataset.
    """
    attrs = _require_result(result).attrs
    computation = f"Computed with interp {attrs['interp_version']}, probe {attrs['probe']} {attrs['probe_version']}"
    computation += f", options {attrs['options']}" if attrs["options"] != "{}" else ""
    words = {"model": "model", "model_sha256": "weights sha256", "task": "task", "seed": "seed"}
    details = [f"{label} {attrs[name]}" for name, label in words.items() if name in attrs]
    if "model" in result.dims:
        details = [f"models {', '.join(map(str, result['model'].values))}", *details]
    if attrs.get("n_tokens"):
        details.append(f"n = {_number(attrs['n_tokens'])} tokens / {_number(attrs['n_sources'])} sources")
    rotation = f" {ROTATED.format(attrs['basis_seed'])}" if attrs.get("basis") == "rotated" else ""
    return f"{attrs['method']}{rotation} {'; '.join(filter(None, [computation, ', '.join(details)]))}."


def _number(count: int | str) -> str:
    return f"{count:,}" if isinstance(count, int) else f"({count})"


def table(result: xr.Dataset) -> pd.DataFrame:
    """Return a result as a tidy table with one row per value of its variable with the most dims.

    Parameters
    ----------
    result : Dataset
        Result of `interp.measure`. Variables with fewer dims are repeated; those with other dims are omitted.

    Returns
    -------
    DataFrame
        Table whose columns are the coords of these dims, then the variables.

    Raises
    ------
    SchemaError
        For any other dataset.
    """
    result = _require_result(result)
    widest = max(result.data_vars.values(), key=lambda array: array.ndim)  # the first of several
    dims = [str(dim) for dim in widest.dims]
    variables = [name for name, array in result.data_vars.items() if set(array.dims) <= set(dims)]
    labels = [name for name, coord in result.coords.items() if set(coord.dims) <= set(dims) and name not in dims]
    frame = result[variables].reset_coords(labels).to_dataframe(dim_order=dims).reset_index()
    return frame[[*(dim for dim in dims if dim in result.coords), *labels, *variables]]


def _require_result(result: xr.Dataset) -> xr.Dataset:
    schema = result.attrs.get("schema")
    if schema != RESULT:
        raise SchemaError(f"Expected a result of interp.measure (schema {RESULT!r}); got schema {schema!r}.")
    return result
