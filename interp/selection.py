"""Selection of tokens and units by label, padded cubes, and splits by source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import OptionError, SchemaError, UnknownNameError, unknown_name_error

if TYPE_CHECKING:
    import xarray as xr


def select(acts: xr.Dataset, **labels: Any) -> xr.Dataset:
    """Select tokens and units by label: ``pick(acts, input="t", module="lstm", quantity=["i", "f"])``.

    Parameters
    ----------
    acts : Dataset
        Dims among ``token`` and ``unit``.
    **labels : value, list of values, slice or callable
        Condition on a coord of ``token`` or ``unit``: a value, several values, a half-open range, or a function of
        the coord's array that returns a boolean array.

    Returns
    -------
    Dataset
        The same variables and attrs with the matching rows and columns, in their original order.

    Raises
    ------
    UnknownNameError
        If the dataset has no such label.
    """
    masks: dict[str, np.ndarray] = {}
    for name, condition in labels.items():
        if name not in acts.coords or len(acts.coords[name].dims) != 1:
            raise unknown_name_error("label", name, (str(coord) for coord in acts.coords))
        dim = str(acts.coords[name].dims[0])
        masks[dim] = masks.get(dim, True) & value_mask(acts.coords[name].values, condition)
    return acts.isel({dim: np.flatnonzero(mask) for dim, mask in masks.items()}) if masks else acts


def value_mask(values: np.ndarray, condition: Any) -> np.ndarray:
    """Return a mask of the values that match a scalar, a collection, a half-open slice or a predicate."""
    if callable(condition):
        return np.asarray(condition(values), dtype=bool)
    if isinstance(condition, slice):
        low = values >= condition.start if condition.start is not None else np.ones(values.shape, bool)
        return np.asarray(low & (values < condition.stop) if condition.stop is not None else low)
    if isinstance(condition, str) or not np.iterable(condition):
        return np.asarray(values == condition)
    return np.isin(values, np.asarray(list(condition)))


def label_mask(labels: Mapping[str, np.ndarray], where: Any, n: int) -> np.ndarray:
    """Return a mask of the tokens whose labels match ``where``: a mapping as for `select`, a function, or None.

    Raises
    ------
    UnknownNameError
        If there is no such label.
    OptionError
        If a function of all labels does not return one boolean per token.
    """
    if where is None:
        return np.ones(n, dtype=bool)
    if callable(where):
        mask = np.asarray(where(labels))
        if mask.shape != (n,) or mask.dtype != bool:
            raise OptionError(f"where= must return {n} booleans, one per token; got {mask.dtype}, shape {mask.shape}.")
        return mask
    mask = np.ones(n, dtype=bool)
    for name, condition in where.items():
        if name not in labels:
            raise unknown_name_error("label", name, labels)
        mask &= value_mask(labels[name], condition)
    return mask


def to_padded(acts: xr.Dataset) -> xr.DataArray:
    """Return the activations as a padded cube ``(sample, step, unit)``, NaN where a sample has no token.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``.
    """
    import xarray as xr

    samples, rows = np.unique(acts["sample"].values, return_inverse=True)
    steps, columns = np.unique(acts["step"].values, return_inverse=True)
    cube = np.full((samples.size, steps.size, acts.sizes["unit"]), np.nan, dtype=acts.activation.dtype)
    cube[rows, columns] = acts.activation.values
    coords = {name: coord for name, coord in acts.coords.items() if coord.dims == ("unit",)}
    return xr.DataArray(cube, {**coords, "sample": samples, "step": steps}, ("sample", "step", "unit"), "activation")


def split_by_source(acts: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Split the tokens into two halves by a stable hash of ``source``.

    Use the first (even) half to select units or pairs, and the second (odd) one to measure them.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``.

    Returns
    -------
    even, odd : Dataset
        Dims ``(token, unit)``; each source is in one half only.
    """
    sources, inverse = np.unique(acts["source"].values, return_inverse=True)
    odd = (hash_sources(sources) >> np.uint64(32)) % np.uint64(2) == 1
    return acts.isel(token=np.flatnonzero(~odd[inverse])), acts.isel(token=np.flatnonzero(odd[inverse]))


def hash_sources(sources: np.ndarray) -> np.ndarray:
    """Return a stable 64-bit hash per source; `jackknife_groups` uses the low bits, `split_by_source` the high ones.

    Parameters
    ----------
    sources : array (token,)
        Sources, of any dtype. Equal sources have equal hashes on every machine.

    Returns
    -------
    array (token,) of uint64
    """
    digests = (blake2b(str(source).encode(), digest_size=8).digest() for source in sources.tolist())
    return np.frombuffer(b"".join(digests), dtype="<u8")


def hash_tokens(acts: xr.Dataset, seed: int = 0) -> np.ndarray:
    """Return a stable 64-bit hash of each token (uint64), from its source, sample and step.

    The tokens with the smallest hashes are a random sample that does not depend on the order of the tokens.

    Parameters
    ----------
    acts : Dataset
        Coords ``source``, ``sample``, ``step`` and, if present, ``call`` (token).
    seed : int
        Random seed; another seed gives another sample.
    """
    state = np.full(acts.sizes["token"], np.int64(seed)).view(np.uint64)
    for name in ("source", "sample", "step", "call"):
        if name in acts.coords:
            state = _splitmix64(state ^ acts[name].values.astype(np.int64).view(np.uint64))
    return state


def _splitmix64(values: np.ndarray) -> np.ndarray:
    """Return the next values of splitmix64 (Steele, Lea and Flood, "Fast splittable generators", 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def select_pair(result: xr.Dataset, pair: str | Sequence[str]) -> xr.Dataset:
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
        raise unknown_name_error("pair", name, names)
    return result.isel(pair=names.index(name))


def select_unit(dataset: xr.Dataset, unit: str) -> xr.Dataset:
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
        raise unknown_name_error("unit", unit, map(str, index))
    return dataset.isel(unit=index.tolist().index(unit))


def _require_one_model(dataset: xr.Dataset) -> None:
    if "model" in dataset.dims:
        names = ", ".join(map(str, dataset["model"].values.tolist()))
        raise SchemaError(f"Expected one model; got several: {names}. Select one: result.sel(model=…).")
