"""Compare datasets and describe their differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def dataset_difference(actual: xr.Dataset, expected: xr.Dataset) -> str:
    """Return a description of the first bitwise difference between two datasets; empty if there is none."""
    if actual.sizes != expected.sizes:
        return f"sizes {dict(actual.sizes)}, expected {dict(expected.sizes)}"
    if set(actual.variables) != set(expected.variables):
        return f"variables {sorted(map(str, set(actual.variables) ^ set(expected.variables)))} are in one of them only"
    for name, variable in actual.variables.items():
        if not arrays_equal(variable.values, expected.variables[name].values):
            return f"{name!r} has other values"
    return f"attrs {actual.attrs}" if actual.attrs != expected.attrs else ""


def arrays_equal(actual: np.ndarray, expected: np.ndarray) -> bool:
    """Return whether two arrays are equal, with NaN equal to NaN."""
    kind = actual.dtype.kind
    return bool(kind == expected.dtype.kind and np.array_equal(actual, expected, equal_nan=kind == "f"))


def row_difference(actual: xr.Dataset, expected: xr.Dataset, *, exact: float = 1e-5) -> str:
    """Return a description of the difference between two results, up to the order of rows and rounding of floats.

    Variables with ``attrs["tolerance"]``, from an iterative fit, may differ by this fraction of their largest value.
    """
    actual = reorder_like(actual, expected)
    if actual.sizes != expected.sizes:
        return f"sizes {dict(actual.sizes)} and {dict(expected.sizes)}"
    for name, variable in expected.variables.items():
        tolerance = max(exact, float(variable.attrs.get("tolerance", 0)))
        message = array_difference(actual.variables[name].values, variable.values, tolerance)
        if message:
            return f"{name!r} {message}"
    return ""


def reorder_like(actual: xr.Dataset, expected: xr.Dataset) -> xr.Dataset:
    """Return a dataset with its labelled dims in the order of another dataset, where both have the same labels."""
    for dim, index in expected.indexes.items():
        actual_index = actual.indexes.get(dim)
        if actual_index is not None and actual_index.is_unique and set(actual_index) == set(index):
            actual = actual.sel({dim: index.values})
    return actual


def array_difference(actual: np.ndarray, expected: np.ndarray, exact: float) -> str:
    """Return a description of the difference between two arrays; empty if they agree within the tolerance."""
    if actual.shape != expected.shape:
        return f"has shape {actual.shape} and {expected.shape}"
    if expected.dtype.kind != "f" or actual.dtype.kind != "f":
        unequal = float(np.mean(actual != expected)) if not np.array_equal(actual, expected) else 0.0
        return f"differs in {unequal:.0%} of its elements" if unequal else ""
    scale = float(np.nanmax(np.abs(expected), initial=0.0)) if np.isfinite(expected).any() else 1.0
    if np.allclose(actual, expected, rtol=exact, atol=exact * max(scale, 1e-12), equal_nan=True):
        return ""
    distance: Any = np.abs(actual - expected)
    return f"differs by up to {np.nanmax(distance) if np.isfinite(distance).any() else np.nan:.2g}"
