"""Summaries of each unit by itself: range, moments, histogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from interp import OptionError, Reducer, SchemaError, bin_edges, count_bins

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]


class Range(Reducer):
    """Smallest and largest activation of each unit over all tokens.

    The result has ``minimum`` and ``maximum`` (unit), float64: exactly values that occurred. Both are NaN for a unit
    that was NaN anywhere, and where there are no tokens.
    """

    name: ClassVar[str] = "range"
    unitwise: ClassVar[bool] = True

    def start(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return an empty range for each unit."""
        size = units.sizes["unit"]
        return {"minimum": np.full(size, np.inf), "maximum": np.full(size, -np.inf), "tokens": np.zeros(1, np.int64)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Widen the ranges to hold the chunk."""
        values = chunk.activation.values
        if not len(values):
            return state
        ends = {"minimum": values.min(axis=0).astype(float), "maximum": values.max(axis=0).astype(float)}
        return self.merge(state, ends | {"tokens": np.array([len(values)])})

    def merge(self, a: State, b: State) -> State:
        """Return the ranges that hold both."""
        return {
            "minimum": np.minimum(a["minimum"], b["minimum"]),
            "maximum": np.maximum(a["maximum"], b["maximum"]),
            "tokens": a["tokens"] + b["tokens"],
        }

    def finish(self, state: State) -> xr.Dataset:
        """Return ``minimum`` and ``maximum`` (unit)."""
        import xarray as xr

        known = state["tokens"][0] > 0
        return xr.Dataset({name: ("unit", np.where(known, state[name], np.nan)) for name in ("minimum", "maximum")})


class Moments(Reducer):
    """Mean and variance of each unit over all tokens.

    Merged by the update of Chan, Golub and LeVeque (1983), in float64. The result has ``n`` (tokens), ``mean`` and
    ``variance`` (unit; divided by n).
    """

    name: ClassVar[str] = "moments"
    unitwise: ClassVar[bool] = True

    def start(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return zeros."""
        size = units.sizes["unit"]
        return {"n": np.zeros(1, np.int64), "mean": np.zeros(size), "squares": np.zeros(size)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Add the moments of the chunk."""
        values = chunk.activation.values.astype(np.float64)
        if not len(values):
            return state
        mean = values.mean(axis=0)
        values -= mean
        squares = np.einsum("tu,tu->u", values, values)
        return self.merge(state, {"n": np.array([len(values)]), "mean": mean, "squares": squares})

    def merge(self, a: State, b: State) -> State:
        """Return the moments of both together."""
        n = a["n"] + b["n"]
        share = b["n"] / np.maximum(n, 1)
        gap = b["mean"] - a["mean"]
        squares = a["squares"] + b["squares"] + gap**2 * (a["n"] * share)
        return {"n": n, "mean": a["mean"] + gap * share, "squares": squares}

    def finish(self, state: State) -> xr.Dataset:
        """Return ``n`` (), ``mean`` and ``variance`` (unit); NaN where there are no tokens."""
        import xarray as xr

        n = int(state["n"][0])
        known = 1.0 if n else np.nan
        variance = state["squares"] / max(n, 1)
        return xr.Dataset({"n": n, "mean": ("unit", state["mean"] * known), "variance": ("unit", variance * known)})


class Histogram(Reducer):
    """Histogram of each unit over all tokens, in equal bins from its minimum to its maximum.

    Counts are those of ``numpy.histogram`` over float64 values: half-open bins, the last one closed; a constant unit
    has a range of one around its value.

    Parameters
    ----------
    bins : int
        How many, 1 at least.

    Raises
    ------
    OptionError
        For fewer bins.
    SchemaError
        From `start`, where a unit has NaN or infinite values.
    """

    name: ClassVar[str] = "histogram"
    needs: ClassVar[tuple[str, ...]] = ("range",)
    unitwise: ClassVar[bool] = True

    def __init__(self, *, bins: int = 50) -> None:
        if bins < 1:
            raise OptionError(f"bins= must be 1 at least; got {bins}.")
        self.bins = bins

    def start(self, units: xr.Dataset, *, range: xr.Dataset) -> State:  # noqa: A002
        """Return zeros."""
        low, high = range.minimum.values, range.maximum.values
        odd = units["unit"].values[~(np.isfinite(low) & np.isfinite(high))]
        if odd.size:
            listed = ", ".join(odd[:3]) + (", …" if odd.size > 3 else "")
            raise SchemaError(f"Histograms need finite activations; {odd.size} units have none or NaN: {listed}.")
        return {"low": low, "high": high, "counts": np.zeros((1, low.size, self.bins), np.int64)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Count the values of the chunk."""
        values = chunk.activation.values
        count_bins(values, np.zeros(len(values), np.int64), state["low"], state["high"], state["counts"])
        return state

    def merge(self, a: State, b: State) -> State:
        """Return the sum of the counts."""
        return a | {"counts": a["counts"] + b["counts"]}

    def finish(self, state: State) -> xr.Dataset:
        """Return ``count`` (unit, bin) int64 and ``edge`` (unit, end) float64."""
        import xarray as xr

        edges = bin_edges(state["low"], state["high"], self.bins)
        return xr.Dataset({"count": (("unit", "bin"), state["counts"][0]), "edge": (("unit", "end"), edges)})
