"""The data model: one matrix ``(token, unit)``, everything else a label. Names, dims, checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
UNIT_COORDS: dict[str, Any] = {
    "unit": str,
    "module": str,
    "layer": np.int16,
    "direction": str,
    "quantity": str,
    "index": np.int32,
    "symbol": str,
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
    faults = list(_faults(acts))
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
    for dim, names in (("token", TOKEN_COORDS), ("unit", UNIT_COORDS)):
        for name in names:
            if name not in acts.coords:
                faults.append(f"there is no coord {name!r} ({dim})")
            elif acts.coords[name].dims != (dim,):
                faults.append(f"coord {name!r} has dims {acts.coords[name].dims}, expected ({dim!r},)")
    return faults + _value_faults(acts)


def _value_faults(acts: xr.Dataset) -> list[str]:
    faults = []
    if "unit" in acts.indexes and not acts.indexes["unit"].is_unique:
        twice = acts.indexes["unit"][acts.indexes["unit"].duplicated()][:3].tolist()
        faults.append(f"unit names are not unique: {', '.join(map(str, twice))}")
    if "direction" in acts.coords:
        odd = sorted(set(np.unique(acts.direction.values)) - set(DIRECTIONS))
        faults += [f"direction {value!r} is none of {DIRECTIONS}" for value in odd]
    for name, value in acts.attrs.items():
        if not isinstance(value, str | int | float):
            faults.append(f"attrs[{name!r}] is a {type(value).__name__}, expected str, int or float")
    return faults


def check_labels(acts: xr.Dataset, needed: Sequence[str], who: str) -> None:
    """Raise `SchemaError` unless every needed coord of ``token`` is there; ``who`` is named in the sentence."""
    missing = [name for name in needed if name not in acts.coords]
    if missing:
        there = ", ".join(str(name) for name, coord in acts.coords.items() if coord.dims == ("token",))
        raise SchemaError(
            f"{who} reads the label {', '.join(map(repr, missing))}, which these activations lack. Labels: {there}."
        )
