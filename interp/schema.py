"""The data model: one matrix ``(token, unit)``, everything else a label. Names, dims, checks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp._version import __version__
from interp.errors import SchemaError

if TYPE_CHECKING:
    import xarray as xr

ACTIVATIONS = "interp.activations"
RESULT = "interp.result"
SCHEMA_VERSION = 1
QUANTITIES = ("h", "c", "i", "f", "g", "o", "c_prev", "r", "z", "n", "out")
DIRECTIONS = ("forward", "backward", "")
TOKEN_COORDS = {"sample": np.int32, "step": np.int32, "source": np.int32}
RESULT_ATTRS = ("schema_version", "interp_version", "probe", "probe_version", "options", "method")
UNIT_COORDS: dict[str, Any] = {
    "unit": str,
    "module": str,
    "layer": np.int16,
    "direction": str,
    "quantity": str,
    "index": np.int32,
    "symbol": str,
}
RESULT_COORDS: dict[str, tuple[str, ...]] = {
    "unit": tuple(UNIT_COORDS),
    "pair": ("pair", "pair_input", "pair_output"),
}


def unit_name(module: str, quantity: str, index: int, layer: int | None = None, direction: str = "") -> str:
    """Return ``module.layer.direction.quantity.index``, or ``module.quantity.index`` for a feed-forward unit.

    Examples
    --------
    >>> unit_name("lstm", "h", 147, 0, "forward")
    'lstm.0.forward.h.147'
    >>> unit_name("hidden", "out", 37)
    'hidden.out.37'
    """
    middle = f"{layer}.{direction}." if direction else ""
    return f"{module}.{middle}{quantity}.{index}"


def dataset(
    activation: np.ndarray,
    units: Mapping[str, Sequence[Any] | np.ndarray],
    tokens: Mapping[str, Sequence[Any] | np.ndarray],
    attrs: Mapping[str, str | int | float] | None = None,
) -> xr.Dataset:
    """Build a dataset of the schema from arrays.

    Parameters
    ----------
    activation : array (token, unit)
        Values as the model computed them.
    units : mapping
        Coords of ``unit``: ``unit``, ``module``, ``layer``, ``direction``, ``quantity``, ``index``, and ``symbol``
        where units stand for one.
    tokens : mapping
        Coords of ``token``; ``sample``, ``step`` and ``source`` at least.
    attrs : mapping, optional
        Added to ``schema``, ``schema_version`` and ``interp_version``.

    Returns
    -------
    Dataset
        ``activation (token, unit)`` with these coords, not copied.

    Raises
    ------
    SchemaError
        With every fault of the result.
    """
    import xarray as xr

    symbols = units.get("symbol", [""] * len(units["unit"]))
    coords: dict[str, Any] = {
        name: ("unit", np.asarray(symbols if name == "symbol" else units[name], dtype=kind))
        for name, kind in UNIT_COORDS.items()
    }
    coords |= {name: ("token", np.asarray(values, dtype=TOKEN_COORDS.get(name))) for name, values in tokens.items()}
    known = {"schema": ACTIVATIONS, "schema_version": SCHEMA_VERSION, "interp_version": __version__}
    return validate(xr.Dataset({"activation": (("token", "unit"), activation)}, coords, known | dict(attrs or {})))


def validate(acts: xr.Dataset) -> xr.Dataset:
    """Return the dataset as it is, or raise with all that is wrong with it.

    Parameters
    ----------
    acts : Dataset
        Meant to follow the schema ``interp.activations``: dims ``(token, unit)``.

    Raises
    ------
    SchemaError
        Every fault in one message.
    """
    faults = _faults(acts)
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise SchemaError(f"Not a dataset of schema {ACTIVATIONS!r} version {SCHEMA_VERSION}:{listed}")
    return acts


def _faults(acts: xr.Dataset) -> list[str]:
    faults = []
    if acts.attrs.get("schema") != ACTIVATIONS:
        faults.append(f"attrs['schema'] is {acts.attrs.get('schema')!r}, expected {ACTIVATIONS!r}")
    if "activation" not in acts:
        return [*faults, "there is no variable 'activation' (token, unit)"]
    if acts.activation.dims != ("token", "unit"):
        faults.append(f"'activation' has dims {acts.activation.dims}, expected ('token', 'unit')")
    coords = {"token": TOKEN_COORDS, "unit": UNIT_COORDS}
    return faults + coord_faults(acts, coords) + value_faults(acts)


def coord_faults(held: xr.Dataset, coords: Mapping[str, Iterable[str]]) -> list[str]:
    """Return what is wrong with the coords that each dim has to carry."""
    faults = []
    for dim, names in coords.items():
        for name in names:
            if name not in held.coords:
                faults.append(f"there is no coord {name!r} ({dim})")
            elif held.coords[name].dims != (dim,):
                faults.append(f"coord {name!r} has dims {held.coords[name].dims}, expected ({dim!r},)")
    return faults


def value_faults(held: xr.Dataset) -> list[str]:
    """Return what is wrong with names, directions and attrs."""
    faults = []
    for dim, index in held.indexes.items():
        if not index.is_unique:
            twice = index[index.duplicated()][:3].tolist()
            faults.append(f"{dim} names are not unique: {', '.join(map(str, twice))}")
    if "direction" in held.coords:
        odd = sorted(set(np.unique(held.direction.values)) - set(DIRECTIONS))
        faults += [f"direction {value!r} is none of {DIRECTIONS}" for value in odd]
    for name, value in held.attrs.items():
        if not isinstance(value, str | int | float):
            faults.append(f"attrs[{name!r}] is a {type(value).__name__}, expected str, int or float")
    return faults


def faults(held: xr.Dataset) -> list[str]:
    """Return all that is wrong with activations or a result, a sentence each.

    Parameters
    ----------
    held : Dataset
        Of schema ``interp.activations``, or ``interp.result``: its ``unit`` and ``pair`` carry the labels that say
        which they are, its attrs the probe, its version, its options and the paragraph of its method.
    """
    if held.attrs.get("schema") != RESULT:
        return _faults(held)
    told = [f"attrs[{name!r}] is missing" for name in RESULT_ATTRS if name not in held.attrs]
    if not held.data_vars:
        told.append("there is no variable")
    try:
        json.loads(str(held.attrs.get("options", "{}")))
    except ValueError as error:
        told.append(f"attrs['options'] is no JSON: {error}")
    coords = {dim: names for dim, names in RESULT_COORDS.items() if dim in held.dims}
    return told + coord_faults(held, coords) + value_faults(held)


def check_labels(acts: xr.Dataset, needed: Sequence[str], who: str) -> None:
    """Raise `SchemaError` unless every needed coord of ``token`` is there; ``who`` is named in the sentence."""
    missing = [name for name in needed if name not in acts.coords]
    if missing:
        there = ", ".join(str(name) for name, coord in acts.coords.items() if coord.dims == ("token",))
        raise SchemaError(
            f"{who} reads the label {', '.join(map(repr, missing))}, which these activations lack. Labels: {there}."
        )
