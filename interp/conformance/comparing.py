"""How two datasets differ, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def difference(found: xr.Dataset, wanted: xr.Dataset) -> str:
    """Return the first thing in which two datasets that should be the same to the bit differ, or nothing."""
    if found.sizes != wanted.sizes:
        return f"sizes {dict(found.sizes)}, before {dict(wanted.sizes)}"
    if set(found.variables) != set(wanted.variables):
        return f"variables {sorted(map(str, set(found.variables) ^ set(wanted.variables)))} came or went"
    for name, held in found.variables.items():
        if not same(held.values, wanted.variables[name].values):
            return f"{name!r} has other values"
    return f"attrs {found.attrs}" if found.attrs != wanted.attrs else ""


def same(found: np.ndarray, wanted: np.ndarray) -> bool:
    """Return whether two arrays are equal, NaN to NaN."""
    return bool(
        found.dtype.kind == wanted.dtype.kind and np.array_equal(found, wanted, equal_nan=found.dtype.kind == "f")
    )


def same_rows(found: xr.Dataset, wanted: xr.Dataset, *, exact: float = 1e-5) -> str:
    """Return how two results differ after their rows are brought into one order: integers exactly, floats about.

    A variable that is fitted in steps says to what share of its largest value it is known: ``attrs["precision"]``.
    """
    found = ordered(found, wanted)
    if found.sizes != wanted.sizes:
        return f"sizes {dict(found.sizes)} and {dict(wanted.sizes)}"
    for name, held in wanted.variables.items():
        told = gap(found.variables[name].values, held.values, max(exact, float(held.attrs.get("precision", 0))))
        if told:
            return f"{name!r} {told}"
    return ""


def ordered(found: xr.Dataset, wanted: xr.Dataset) -> xr.Dataset:
    """Return a dataset with its labelled dims in the order of another's, where the labels are the same."""
    for dim, index in wanted.indexes.items():
        mine = found.indexes.get(dim)
        if mine is not None and mine.is_unique and set(mine) == set(index):
            found = found.sel({dim: index.values})
    return found


def gap(found: np.ndarray, wanted: np.ndarray, exact: float) -> str:
    """Return in words how far two arrays are apart, or nothing."""
    if found.shape != wanted.shape:
        return f"has shape {found.shape} and {wanted.shape}"
    if wanted.dtype.kind != "f" or found.dtype.kind != "f":
        return "" if np.array_equal(found, wanted) else f"differs at {np.mean(found != wanted):.0%} of its places"
    scale = float(np.nanmax(np.abs(wanted), initial=0.0)) if np.isfinite(wanted).any() else 1.0
    if np.allclose(found, wanted, rtol=exact, atol=exact * max(scale, 1e-12), equal_nan=True):
        return ""
    apart: Any = np.abs(found - wanted)
    return f"differs by up to {np.nanmax(apart) if np.isfinite(apart).any() else np.nan:.2g}"
