"""Output of an LSTM computed from captured gates and cells: the last lines of its step, without running the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import CaptureError

if TYPE_CHECKING:
    import xarray as xr

REQUIRED_QUANTITIES = ("i", "f", "g", "o", "c_prev")
CELL_QUANTITIES = ("c", *REQUIRED_QUANTITIES)
TOLERANCE = 1e-4  # between captured and computed h; cells with another formula differ by more
RUN_MODEL_HINT = "Or pass batches=, so that the model runs."


def lstm_output(
    i: np.ndarray, f: np.ndarray, g: np.ndarray, o: np.ndarray, c_prev: np.ndarray, c: np.ndarray | None = None
) -> np.ndarray:
    """Return ``h = o tanh(c)`` with ``c = f c_prev + i g``, of arrays of one shape; ``c`` overrides the computed cell.

    Parameters
    ----------
    i, f, g, o, c_prev, c : array (row,)
        Gates, candidate, previous cell and cell after their activations.

    Returns
    -------
    array (row,)
    """
    return np.asarray(o * np.tanh(f * c_prev + i * g if c is None else c))


class LSTMOutput:
    """Changes of h caused by changes of gates and cells, for the layers that read h; the recurrence stays as it was.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture.
    rows : array (token,) of int
        Positions of the evaluated tokens.
    """

    def __init__(self, acts: xr.Dataset, rows: np.ndarray) -> None:
        self.values, self.rows = acts["activation"].values, rows
        parts = [acts[name].values.tolist() for name in ("module", "layer", "direction", "index", "quantity")]
        self.key = list(zip(*parts, strict=True))
        self.column = {key: k for k, key in enumerate(self.key)}
        self.names = acts["unit"].values

    def is_cell_unit(self, units: np.ndarray) -> np.ndarray:
        """Return the mask of units that are gates or cells, ``(unit,)`` of bool."""
        return np.array([self.key[unit][-1] in CELL_QUANTITIES for unit in units.tolist()], bool)

    def output_change(
        self, units: np.ndarray, unit_change: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the units that change for the layers above, and their change.

        Parameters
        ----------
        units : array (unit,) of int
            Columns of the activations. Gates and cells are replaced by the h of their neuron, other units pass through.
        unit_change : callable
            ``unit_change(units)`` returns the change of units, ``(row, unit)``. Rows are the tokens, draw after draw.

        Returns
        -------
        units : array (unit,) of int
            Columns of the changed units.
        change : array (row, unit)
            Difference to the captured activation.

        Raises
        ------
        CaptureError
            If a quantity of the cell was not captured, or the captured h is not that of an LSTM.
        """
        is_cell = self.is_cell_unit(units)
        changes = dict(zip(units.tolist(), unit_change(units).T, strict=True))
        outputs = {unit: changes[unit] for unit in units[~is_cell].tolist()}
        for neuron in dict.fromkeys(self.key[unit][:-1] for unit in units[is_cell].tolist()):
            column = self._column(neuron, "h")
            if column not in outputs:  # an edited h keeps its edited value
                outputs[column] = self._h_change(neuron, column, changes)
        return np.array(list(outputs)), np.stack(list(outputs.values()), axis=1)

    def _h_change(self, neuron: tuple[Any, ...], column: int, changes: dict[int, np.ndarray]) -> np.ndarray:
        """Return the change of a neuron's h, ``(row,)``."""
        columns = {name: self._column(neuron, name) for name in REQUIRED_QUANTITIES}
        intact_parts = {name: self.values[self.rows, k] for name, k in columns.items()}
        intact = self.values[self.rows, column]
        if np.abs(lstm_output(**intact_parts) - intact).max(initial=0.0) > TOLERANCE:
            raise CaptureError(
                f"{self.names[column]!r} is not the output of an LSTM with these gates. Ablate units of h instead. "
                f"{RUN_MODEL_HINT}"
            )
        draws = len(next(iter(changes.values()))) // len(self.rows)
        edited = {name: np.tile(part, draws) + changes.get(columns[name], 0) for name, part in intact_parts.items()}
        cell = self.column.get((*neuron, "c"), -1)
        edited_cell = np.tile(self.values[self.rows, cell], draws) + changes[cell] if cell in changes else None
        change: np.ndarray = lstm_output(**edited, c=edited_cell) - np.tile(intact, draws)
        return change.astype(intact.dtype)

    def _column(self, neuron: tuple[Any, ...], quantity: str) -> int:
        """Return the column of a neuron's quantity; `CaptureError` if it was not captured."""
        if (*neuron, quantity) not in self.column:
            name = ".".join(str(part) for part in neuron[:-1] if part != "")
            raise CaptureError(
                f"These activations lack {quantity!r} of {name}, neuron {neuron[-1]}: ablating gates and cells "
                f"requires its h, {', '.join(REQUIRED_QUANTITIES)}. Capture them. {RUN_MODEL_HINT}"
            )
        return self.column[(*neuron, quantity)]
