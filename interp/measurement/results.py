"""Result tables: joining results of several models, methods text and tidy data frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import OptionError, SchemaError
from interp.schema import RESULT

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


ROTATION_SENTENCE = (
    "The activations of each layer, direction and quantity were first multiplied by a random orthogonal matrix "
    "(seed {})."
)


def methods_text(result: xr.Dataset) -> str:
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
    rotation = f" {ROTATION_SENTENCE.format(attrs['basis_seed'])}" if attrs.get("basis") == "rotated" else ""
    return f"{attrs['method']}{rotation} {'; '.join(filter(None, [computation, ', '.join(details)]))}."


def _number(count: int | str) -> str:
    return f"{count:,}" if isinstance(count, int) else f"({count})"


def to_dataframe(result: xr.Dataset) -> pd.DataFrame:
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


def with_labels(result: xr.Dataset, acts: xr.Dataset) -> xr.Dataset:
    """Return the result with all labels that the activations have for its units, if it has units of theirs."""
    if "unit" not in result.indexes or not result.indexes["unit"].isin(acts.indexes["unit"]).all():
        return result
    units = acts["unit"].sel(unit=result["unit"])
    return result.assign_coords({name: coord for name, coord in units.coords.items() if name not in result.coords})


def concat_models(results: Sequence[xr.Dataset], names: Sequence[str]) -> xr.Dataset:
    """Concatenate results along a new dim ``model``, aligned by label; missing labels get 0 (counts) or NaN (floats).

    Parameters
    ----------
    results : sequence of Dataset
        Results with the same variables. Labelled dims may have different labels, which stay in order of appearance.
    names : sequence of str
        Names of the models, unique.

    Raises
    ------
    OptionError
        If a dim without labels differs in length.
    """
    import xarray as xr

    labels = {dim: union_coords(results, str(dim)) for dim in unique_in_order(result.indexes for result in results)}
    for dim in unique_in_order(result.dims for result in results):
        if dim not in labels and len({result.sizes.get(dim) for result in results}) > 1:
            raise OptionError(f"Results differ in the length of {dim!r}, which has no labels: measure one at a time.")
    fill = {name: 0 if array.dtype.kind in "biu" else np.nan for name, array in results[0].data_vars.items()}
    bare = [result.drop_vars(set(result.coords) - set(result.indexes)) for result in results]
    indexes = {dim: coords[dim] for dim, coords in labels.items()}
    aligned = [result.reindex(indexes, fill_value=fill) for result in bare]
    model = xr.Variable("model", list(names))
    combined = xr.concat(aligned, model, data_vars="all", join="exact", combine_attrs="drop")
    for coords in labels.values():
        combined = combined.assign_coords(coords.coords)
    shared = set.intersection(*(set(result.attrs.items()) for result in results))
    return combined.assign_attrs({key: value for key, value in results[0].attrs.items() if (key, value) in shared})


def unique_in_order(groups: Iterable[Iterable[Any]]) -> list[Any]:
    """Return the distinct values of all groups, by first occurrence."""
    return list(dict.fromkeys(value for group in groups for value in group))


def union_coords(results: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    """Return the union of the coords along a dim of all results."""
    import xarray as xr

    coords = [result.coords.to_dataset() for result in results if dim in result.indexes]
    coords = [part.drop_vars([name for name, coord in part.coords.items() if coord.dims != (dim,)]) for part in coords]
    union = xr.concat(coords, dim)
    return union.isel({dim: np.flatnonzero(~union.indexes[dim].duplicated())})


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names, with ``-2``, ``-3``, … appended to repeated ones.

    Examples
    --------
    >>> unique_names(["lstm", "gru", "lstm"])
    ['lstm', 'gru', 'lstm-2']
    """
    unique: list[str] = []
    for name in names:
        numbered = (f"{name}-{number}" for number in count(2))
        unique.append(name if name not in unique else next(free for free in numbered if free not in unique))
    return unique
