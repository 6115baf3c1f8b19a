"""Summaries of single units: range, moments and histogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from interp import OptionError, Reducer, SchemaError
from interp.plotting import pluralize
from interp.statistics import bin_edges, histogram_per_unit

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]


class Range(Reducer):
    """Smallest and largest activation of each unit over all tokens.

    The result has ``minimum`` and ``maximum`` (unit), float64: values that occurred exactly. Both are NaN for a unit
    with a NaN in any token, and if there are no tokens.
    """

    name: ClassVar[str] = "range"
    per_unit: ClassVar[bool] = True

    def init_state(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return an empty range for each unit."""
        size = units.sizes["unit"]
        return {"minimum": np.full(size, np.inf), "maximum": np.full(size, -np.inf), "tokens": np.zeros(1, np.int64)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Widen the ranges to include a chunk."""
        values = chunk.activation.values
        if not len(values):
            return state
        ends = {"minimum": values.min(axis=0).astype(float), "maximum": values.max(axis=0).astype(float)}
        return self.merge(state, ends | {"tokens": np.array([len(values)])})

    def merge(self, a: State, b: State) -> State:
        """Return the ranges that include both states."""
        return {
            "minimum": np.minimum(a["minimum"], b["minimum"]),
            "maximum": np.maximum(a["maximum"], b["maximum"]),
            "tokens": a["tokens"] + b["tokens"],
        }

    def finalize(self, state: State) -> xr.Dataset:
        """Return ``minimum`` and ``maximum`` (unit)."""
        import xarray as xr

        any_tokens = state["tokens"][0] > 0
        ends = {name: np.where(any_tokens, state[name], np.nan) for name in ("minimum", "maximum")}
        return xr.Dataset({name: ("unit", values) for name, values in ends.items()})


class Moments(Reducer):
    """Mean and variance of each unit over all tokens.

    States are merged in float64 with the update of Chan, Golub and LeVeque, "Algorithms for computing the sample
    variance" (1983). The result has ``n`` (), the number of tokens, and ``mean`` and ``variance`` (unit); the variance
    is divided by n.
    """

    name: ClassVar[str] = "moments"
    per_unit: ClassVar[bool] = True

    def init_state(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return a state of zeros."""
        size = units.sizes["unit"]
        return {"n": np.zeros(1, np.int64), "mean": np.zeros(size), "squares": np.zeros(size)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Add the moments of a chunk."""
        values = chunk.activation.values.astype(np.float64)
        if not len(values):
            return state
        mean = values.mean(axis=0)
        values -= mean
        squares = np.einsum("tu,tu->u", values, values)
        return self.merge(state, {"n": np.array([len(values)]), "mean": mean, "squares": squares})

    def merge(self, a: State, b: State) -> State:
        """Return the moments of the tokens of both states."""
        n = a["n"] + b["n"]
        fraction = b["n"] / np.maximum(n, 1)
        difference = b["mean"] - a["mean"]
        squares = a["squares"] + b["squares"] + difference**2 * (a["n"] * fraction)
        return {"n": n, "mean": a["mean"] + difference * fraction, "squares": squares}

    def finalize(self, state: State) -> xr.Dataset:
        """Return ``n`` (), ``mean`` and ``variance`` (unit); NaN if there are no tokens."""
        import xarray as xr

        n = int(state["n"][0])
        one_or_nan = 1.0 if n else np.nan
        mean, variance = state["mean"] * one_or_nan, state["squares"] / max(n, 1) * one_or_nan
        return xr.Dataset({"n": n, "mean": ("unit", mean), "variance": ("unit", variance)})


class Histogram(Reducer):
    """Histogram of each unit over all tokens, in equal bins from its minimum to its maximum.

    Counts are those of ``numpy.histogram`` over float64 values: half-open bins, the last one closed; the range of a
    constant unit is widened to one, centred on its value.

    Parameters
    ----------
    bins : int
        Number of bins, at least 1.

    Raises
    ------
    OptionError
        Fewer than one bin.
    SchemaError
        A unit with NaN or infinite values; raised by `start`.
    """

    name: ClassVar[str] = "histogram"
    depends_on: ClassVar[tuple[str, ...]] = ("range",)
    per_unit: ClassVar[bool] = True

    def __init__(self, *, bins: int = 50) -> None:
        if bins < 1:
            raise OptionError(f"bins= must be at least 1; got {bins}.")
        self.bins = bins

    def init_state(self, units: xr.Dataset, *, range: xr.Dataset) -> State:  # noqa: A002
        """Return a state with zero counts."""
        low, high = range.minimum.values, range.maximum.values
        not_finite = units["unit"].values[~(np.isfinite(low) & np.isfinite(high))]
        if not_finite.size:
            names = ", ".join(not_finite[:3]) + (", …" if not_finite.size > 3 else "")
            raise SchemaError(
                f"Histograms need finite activations; got {pluralize(not_finite.size, 'unit')} with NaN, "
                f"infinite or no values: {names}. Leave them out with interp.select, or capture tokens."
            )
        return {"low": low, "high": high, "counts": np.zeros((1, low.size, self.bins), np.int64)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Count the values of a chunk."""
        values = chunk.activation.values
        histogram_per_unit(values, np.zeros(len(values), np.int64), state["low"], state["high"], state["counts"])
        return state

    def merge(self, a: State, b: State) -> State:
        """Return the sums of the counts."""
        return a | {"counts": a["counts"] + b["counts"]}

    def finalize(self, state: State) -> xr.Dataset:
        """Return ``count`` (unit, bin) int64 and ``edge`` (unit, end) float64."""
        import xarray as xr

        edges = bin_edges(state["low"], state["high"], self.bins)
        return xr.Dataset({"count": (("unit", "bin"), state["counts"][0]), "edge": (("unit", "end"), edges)})
