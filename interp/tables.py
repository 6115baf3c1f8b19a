"""Results as text for a paper and as tidy tables."""

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
    """Return a paragraph on how a result came about, ready to quote.

    Parameters
    ----------
    result : Dataset
        Of `interp.measure`, with any dims.

    Returns
    -------
    str
        What was computed; the probe, its version and options, the version of interp, the model and its weights, the
        task, the seed, and the n in tokens / sources, of several models one by one.

    Raises
    ------
    SchemaError
        For anything else.
    """
    attrs = _checked(result).attrs
    made = f"Computed with interp {attrs['interp_version']}, probe {attrs['probe']} {attrs['probe_version']}"
    made += f", options {attrs['options']}" if attrs["options"] != "{}" else ""
    known = {"model": "model", "model_sha256": "weights sha256", "task": "task", "seed": "seed"}
    listed = [f"{label} {attrs[name]}" for name, label in known.items() if name in attrs]
    if "model" in result.dims:
        listed = [f"models {', '.join(map(str, result['model'].values))}", *listed]
    if attrs.get("n_tokens"):
        listed.append(f"n = {_number(attrs['n_tokens'])} tokens / {_number(attrs['n_sources'])} sources")
    turned = f" {ROTATED.format(attrs['basis_seed'])}" if attrs.get("basis") == "rotated" else ""
    return f"{attrs['method']}{turned} {'; '.join(filter(None, [made, ', '.join(listed)]))}."


def _number(count: int | str) -> str:
    return f"{count:,}" if isinstance(count, int) else f"({count})"


def table(result: xr.Dataset) -> pd.DataFrame:
    """Return a result as a tidy table: a row for each cell of its largest variable, smaller ones beside it.

    Parameters
    ----------
    result : Dataset
        Of `interp.measure`. Variables with a dim that the largest one lacks are left out.

    Returns
    -------
    DataFrame
        Columns: the coords of these dims, then the variables.

    Raises
    ------
    SchemaError
        For anything else.
    """
    result = _checked(result)
    widest = max(result.data_vars.values(), key=lambda held: held.ndim)  # the first of several
    dims = [str(dim) for dim in widest.dims]
    told = [name for name, held in result.data_vars.items() if set(held.dims) <= set(dims)]
    labels = [name for name, held in result.coords.items() if set(held.dims) <= set(dims) and name not in dims]
    frame = result[told].reset_coords(labels).to_dataframe(dim_order=dims).reset_index()
    return frame[[*(dim for dim in dims if dim in result.coords), *labels, *told]]


def _checked(result: xr.Dataset) -> xr.Dataset:
    schema = result.attrs.get("schema")
    if schema != RESULT:
        raise SchemaError(f"Expected a result of interp.measure (schema {RESULT!r}); got schema {schema!r}.")
    return result
