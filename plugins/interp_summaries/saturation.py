"""Saturation of gates: share of tokens at which a gate is nearly open or nearly closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from interp import OptionError, Reducer
from interp.plotting import SIGMOID_GATES

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
FRACTIONS = ("frac_saturated_high", "frac_saturated_low")


class Saturation(Reducer):
    """Share of tokens at which a gate is nearly open or nearly closed.

    The result has ``frac_saturated_high`` and ``frac_saturated_low`` (unit), float64 in 0..1: the shares of tokens
    with an activation above ``high`` and below ``low``, as in Karpathy, Johnson and Fei-Fei, "Visualizing and
    understanding recurrent networks" (2015). Both are NaN for units of other quantities, for a unit with a NaN in any
    token, and if there are no tokens.

    Parameters
    ----------
    low, high : float
        Thresholds, ``low < high``.
    quantities : sequence of str
        Quantities that are gates. For modules read by your own adapter, use the names that the adapter gives them.

    Raises
    ------
    OptionError
        Thresholds in the wrong order, or no unit of these quantities.
    """

    name: ClassVar[str] = "saturation"
    per_unit: ClassVar[bool] = True

    def __init__(self, *, low: float = 0.1, high: float = 0.9, quantities: Sequence[str] = SIGMOID_GATES) -> None:
        if not low < high:
            raise OptionError(f"low= must be below high=; got low={low}, high={high}.")
        if isinstance(quantities, str):
            raise OptionError(f"quantities= takes a list of names; got {quantities!r}: pass [{quantities!r}].")
        self.low, self.high, self.quantities = low, high, tuple(quantities)

    def init_state(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return a state with zero counts."""
        gate = np.isin(units["quantity"].values, self.quantities)
        counts = {name: np.zeros(gate.size, np.int64) for name in (*FRACTIONS, "nan")}
        return counts | {"gate": gate, "tokens": np.zeros(1, np.int64)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Count the tokens of a chunk."""
        if state["gate"].any():
            values = chunk.activation.values
            masks = (values > self.high, values < self.low, np.isnan(values))
            for name, mask in zip((*FRACTIONS, "nan"), masks, strict=True):
                state[name] += np.count_nonzero(mask, axis=0)
        return state | {"tokens": state["tokens"] + chunk.sizes["token"]}

    def merge(self, a: State, b: State) -> State:
        """Return the sums of the counts."""
        return a | {name: a[name] + b[name] for name in (*FRACTIONS, "nan", "tokens")}

    def finalize(self, state: State) -> xr.Dataset:
        """Return ``frac_saturated_high`` and ``frac_saturated_low`` (unit), and ``n`` (), the number of tokens."""
        import xarray as xr

        n = int(state["tokens"][0])
        valid = state["gate"] & (state["nan"] == 0) & (n > 0)
        fractions = {name: ("unit", np.where(valid, state[name] / max(n, 1), np.nan)) for name in FRACTIONS}
        return xr.Dataset({"n": n, **fractions})

    def postprocess(self, result: xr.Dataset) -> xr.Dataset:
        """Return the result; raise `OptionError` if no unit is a gate."""
        quantities = list(dict.fromkeys(result["quantity"].values.tolist()))
        if not set(quantities) & set(self.quantities):
            raise OptionError(
                f"Expected units of the gates {', '.join(self.quantities)}; got only units of {', '.join(quantities)}. "
                "Capture gates with quantities=[…], or pass the names of your gates: "
                "interp.measure('saturation', acts, quantities=[…])."
            )
        return result
