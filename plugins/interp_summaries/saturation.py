"""How often a gate is nearly open, and how often nearly shut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from interp import OptionError, Reducer

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
GATES = ("i", "f", "o", "r", "z")  # sigmoids


class Saturation(Reducer):
    """Share of tokens at which a gate is nearly open or nearly shut.

    The result has ``above`` and ``below`` (unit), float64 in 0..1: the share of tokens with an activation above
    ``high`` and below ``low``, as in Karpathy, Johnson and Fei-Fei, "Visualizing and understanding recurrent networks"
    (2015). NaN for units of other quantities, for a unit that was NaN anywhere, and where there are no tokens.

    Parameters
    ----------
    low, high : float
        Thresholds, ``low < high``.
    quantities : sequence of str
        The gates among the quantities. Those of an adapter of your own have the names that it gives them.

    Raises
    ------
    OptionError
        For thresholds in the wrong order, and where no unit is of these quantities.
    """

    name: ClassVar[str] = "saturation"
    unitwise: ClassVar[bool] = True

    def __init__(self, *, low: float = 0.1, high: float = 0.9, quantities: Sequence[str] = GATES) -> None:
        if not low < high:
            raise OptionError(f"low= must be below high=; got low={low}, high={high}.")
        if isinstance(quantities, str):
            raise OptionError(f"quantities= takes names; got {quantities!r}: pass [{quantities!r}].")
        self.low, self.high, self.quantities = low, high, tuple(quantities)

    def start(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return zeros."""
        gate = np.isin(units["quantity"].values, self.quantities)
        counts = {name: np.zeros(gate.size, np.int64) for name in ("above", "below", "odd")}
        return counts | {"gate": gate, "tokens": np.zeros(1, np.int64)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Count the tokens of the chunk."""
        gate = state["gate"]
        if gate.any():
            values = chunk.activation.values
            for name, mask in (("above", values > self.high), ("below", values < self.low), ("odd", np.isnan(values))):
                state[name] += np.count_nonzero(mask, axis=0)
        return state | {"tokens": state["tokens"] + chunk.sizes["token"]}

    def merge(self, a: State, b: State) -> State:
        """Return the sum of the counts."""
        return a | {name: a[name] + b[name] for name in ("above", "below", "odd", "tokens")}

    def finish(self, state: State) -> xr.Dataset:
        """Return ``above`` and ``below`` (unit), and ``n`` (), the tokens."""
        import xarray as xr

        n = int(state["tokens"][0])
        known = state["gate"] & (state["odd"] == 0) & (n > 0)
        shares = {name: ("unit", np.where(known, state[name] / max(n, 1), np.nan)) for name in ("above", "below")}
        return xr.Dataset({"n": n, **shares})

    def conclude(self, result: xr.Dataset) -> xr.Dataset:
        """Return the result, or say that there is no gate among all units."""
        there = list(dict.fromkeys(result["quantity"].values.tolist()))
        if not set(there) & set(self.quantities):
            raise OptionError(
                f"No unit is one of the gates {', '.join(self.quantities)}; there are units of {', '.join(there)}. "
                "Capture gates with quantities=, or name yours: quantities=[…]."
            )
        return result
