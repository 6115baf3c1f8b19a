"""The data model: one matrix ``(token, unit)`` with labels on both axes, and its validation."""

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
SCHEMA_VERSION = 2
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
UNIT_LABELS = tuple(UNIT_COORDS)
NEURON_COORDS = ("module", "layer", "direction", "index")  # units that share them are one neuron
LAYER_COORDS = ("module", "layer", "direction", "quantity")  # units that share them are the columns of one quantity
SIGMOID_GATES = ("i", "f", "o", "r", "z")  # quantities in 0..1; the others are signed
RESULT_COORDS: dict[str, tuple[str, ...]] = {
    "unit": UNIT_LABELS,
    "pair": ("pair", "pair_input", "pair_output"),
}


def format_unit_name(module: str, quantity: str, index: int, layer: int | None = None, direction: str = "") -> str:
    """Return ``module.layer.direction.quantity.index``, or ``module.quantity.index`` for a feed-forward unit.

    Examples
    --------
    >>> format_unit_name("lstm", "h", 147, 0, "forward")
    'lstm.0.forward.h.147'
    >>> format_unit_name("hidden", "out", 37)
    'hidden.out.37'
    """
    middle = f"{layer}.{direction}." if direction else ""
    return f"{module}.{middle}{quantity}.{index}"


def make_dataset(
    activation: np.ndarray,
    units: Mapping[str, Sequence[Any] | np.ndarray],
    tokens: Mapping[str, Sequence[Any] | np.ndarray],
    attrs: Mapping[str, str | int | float] | None = None,
) -> xr.Dataset:
    """Build a dataset of the schema from arrays.

    Parameters
    ----------
    activation : array (token, unit)
        Activations, as the model computed them.
    units : mapping
        Coords of ``unit``: ``unit``, ``module``, ``layer``, ``direction``, ``quantity``, ``index``, and optionally
        ``symbol``, the symbol that a unit represents.
    tokens : mapping
        Coords of ``token``; must include ``sample``, ``step`` and ``source``.
    attrs : mapping, optional
        Attributes in addition to ``schema``, ``schema_version`` and ``interp_version``.

    Returns
    -------
    Dataset
        ``activation (token, unit)`` with these coords; the array is not copied.

    Raises
    ------
    SchemaError
        If the result is invalid; the message lists every fault.
    """
    import xarray as xr

    symbols = units.get("symbol", [""] * len(units["unit"]))
    coords: dict[str, Any] = {
        name: ("unit", np.asarray(symbols if name == "symbol" else units[name], dtype=kind))
        for name, kind in UNIT_COORDS.items()
    }
    coords |= {name: ("token", np.asarray(values, dtype=TOKEN_COORDS.get(name))) for name, values in tokens.items()}
    base_attrs = {"schema": ACTIVATIONS, "schema_version": SCHEMA_VERSION, "interp_version": __version__}
    return validate(xr.Dataset({"activation": (("token", "unit"), activation)}, coords, base_attrs | dict(attrs or {})))


def validate(acts: xr.Dataset) -> xr.Dataset:
    """Return the dataset unchanged if it follows the schema; otherwise raise an error that lists every fault.

    Parameters
    ----------
    acts : Dataset
        Dataset to check against the schema ``interp.activations``, dims ``(token, unit)``.

    Raises
    ------
    SchemaError
        If the dataset is invalid; the message lists every fault.
    """
    errors = _activation_faults(acts)
    if errors:
        lines = "".join(f"\n  - {error}" for error in errors)
        raise SchemaError(f"Not a dataset of schema {ACTIVATIONS!r} version {SCHEMA_VERSION}:{lines}")
    return acts


def _activation_faults(acts: xr.Dataset) -> list[str]:
    errors = []
    if acts.attrs.get("schema") != ACTIVATIONS:
        errors.append(f"attrs['schema'] is {acts.attrs.get('schema')!r}, expected {ACTIVATIONS!r}")
    if "activation" not in acts:
        return [*errors, "there is no variable 'activation' (token, unit)"]
    if acts.activation.dims != ("token", "unit"):
        errors.append(f"'activation' has dims {acts.activation.dims}, expected ('token', 'unit')")
    coords = {"token": TOKEN_COORDS, "unit": UNIT_COORDS}
    return errors + find_coord_faults(acts, coords) + find_value_faults(acts)


def find_coord_faults(dataset: xr.Dataset, coords: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the faults of the coords that each dim must have."""
    errors = []
    for dim, names in coords.items():
        for name in names:
            if name not in dataset.coords:
                errors.append(f"there is no coord {name!r} ({dim})")
            elif dataset.coords[name].dims != (dim,):
                errors.append(f"coord {name!r} has dims {dataset.coords[name].dims}, expected ({dim!r},)")
    return errors


def find_value_faults(dataset: xr.Dataset) -> list[str]:
    """Return the faults of names, directions and attrs."""
    errors = []
    for dim, index in dataset.indexes.items():
        if not index.is_unique:
            duplicates = index[index.duplicated()][:3].tolist()
            errors.append(f"{dim} names are not unique: {', '.join(map(str, duplicates))}")
    if "direction" in dataset.coords:
        unexpected = sorted(set(np.unique(dataset.direction.values)) - set(DIRECTIONS))
        errors += [f"direction {value!r} is none of {DIRECTIONS}" for value in unexpected]
    for name, value in dataset.attrs.items():
        if not isinstance(value, str | int | float):
            errors.append(f"attrs[{name!r}] is a {type(value).__name__}, expected str, int or float")
    return errors


def find_faults(data: xr.Dataset) -> list[str]:
    """Return all faults of activations or a result, one sentence per fault.

    Parameters
    ----------
    data : Dataset
        Dataset of schema ``interp.activations`` or ``interp.result``. The dims ``unit`` and ``pair`` of a result have
        their identifying coords, its attrs the probe, its version and options, and a paragraph on the method.
    """
    if data.attrs.get("schema") != RESULT:
        return _activation_faults(data)
    errors = [f"attrs[{name!r}] is missing" for name in RESULT_ATTRS if name not in data.attrs]
    if not data.data_vars:
        errors.append("there is no variable")
    try:
        json.loads(str(data.attrs.get("options", "{}")))
    except ValueError as error:
        errors.append(f"attrs['options'] is not valid JSON: {error}")
    coords = {dim: names for dim, names in RESULT_COORDS.items() if dim in data.dims}
    return errors + find_coord_faults(data, coords) + find_value_faults(data)


def require_labels(acts: xr.Dataset, needed: Sequence[str], subject: str) -> None:
    """Raise `SchemaError` if a required coord of ``token`` is missing; ``subject`` is the subject of the message."""
    missing = [name for name in needed if name not in acts.coords]
    if missing:
        labels = ", ".join(str(name) for name, coord in acts.coords.items() if coord.dims == ("token",))
        absent = ", ".join(map(repr, missing))
        raise SchemaError(f"{subject} reads the label {absent}, which these activations lack. Labels: {labels}.")
