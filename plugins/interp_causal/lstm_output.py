"""From gates and cells to what an LSTM hands on, without running it: the last lines of its step, on captured values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import CaptureError

if TYPE_CHECKING:
    import xarray as xr

READ = ("i", "f", "g", "o", "c_prev")
INNER = ("c", *READ)
CLOSE = 1e-4  # between h as captured and as worked out: other cells than the stock LSTM are further off


def handed_on(
    i: np.ndarray, f: np.ndarray, g: np.ndarray, o: np.ndarray, c_prev: np.ndarray, c: np.ndarray | None = None
) -> np.ndarray:
    """Return ``h = o tanh(c)`` with ``c = f c_prev + i g``, of arrays of one shape; a given ``c`` is taken instead."""
    return np.asarray(o * np.tanh(f * c_prev + i * g if c is None else c))


class Cells:
    """The h that move when gates and cells do, for readers of h alone: the recurrence goes on as it was.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture.
    rows : array (token,) of int
        The tokens that matter.
    """

    def __init__(self, acts: xr.Dataset, rows: np.ndarray) -> None:
        self.values, self.rows = acts["activation"].values, rows
        parts = [acts[name].values.tolist() for name in ("module", "layer", "direction", "index", "quantity")]
        self.key = list(zip(*parts, strict=True))
        self.column = {key: k for k, key in enumerate(self.key)}
        self.names = acts["unit"].values

    def inner(self, units: np.ndarray) -> np.ndarray:
        """Return which units are gates or cells, ``(unit,)`` of bool."""
        return np.array([self.key[unit][-1] in INNER for unit in units.tolist()], bool)

    def outputs(self, units: np.ndarray, lent: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return which units of the layers above move, and by how much.

        Parameters
        ----------
        units : array (unit,) of int
            Columns of the activations; those that are no gates or cells are handed through.
        lent : callable
            ``lent(units)`` returns by how much units move, ``(row, unit)``; rows are the tokens, once for each draw.

        Returns
        -------
        units : array (unit,) of int
        moved : array (row, unit)

        Raises
        ------
        CaptureError
            Where a quantity of the cell was not captured, or h is not what an LSTM makes of them.
        """
        inner = self.inner(units)
        moved = dict(zip(units.tolist(), lent(units).T, strict=True))
        plain = {unit: moved[unit] for unit in units[~inner].tolist()}
        for neuron in dict.fromkeys(self.key[unit][:-1] for unit in units[inner].tolist()):
            column = self._column(neuron, "h")
            if column not in plain:  # an edited h stays as edited
                plain[column] = self._moved(neuron, column, moved)
        return np.array(list(plain)), np.stack(list(plain.values()), axis=1)

    def _moved(self, neuron: tuple[Any, ...], column: int, moved: dict[int, np.ndarray]) -> np.ndarray:
        """Return by how much the h of a neuron moves, ``(row,)``."""
        columns = {name: self._column(neuron, name) for name in READ}
        own = {name: self.values[self.rows, place] for name, place in columns.items()}
        intact = self.values[self.rows, column]
        if np.abs(handed_on(**own) - intact).max(initial=0.0) > CLOSE:
            raise CaptureError(f"{self.names[column]!r} is not what an LSTM makes of its gates. {ELSE}")
        draws = len(next(iter(moved.values()))) // len(self.rows)
        edited = {name: np.tile(held, draws) + moved.get(columns[name], 0) for name, held in own.items()}
        cell = self.column.get((*neuron, "c"), -1)
        whole = np.tile(self.values[self.rows, cell], draws) + moved[cell] if cell in moved else None
        change: np.ndarray = handed_on(**edited, c=whole) - np.tile(intact, draws)
        return change.astype(intact.dtype)

    def _column(self, neuron: tuple[Any, ...], quantity: str) -> int:
        if (*neuron, quantity) not in self.column:
            name = ".".join(str(part) for part in neuron[:-1] if part != "")
            raise CaptureError(
                f"These activations lack {quantity!r} of {name}, neuron {neuron[-1]}: gates and cells need its h, "
                f"{', '.join(READ)}. {ELSE}"
            )
        return self.column[(*neuron, quantity)]


ELSE = "Or give batches=, so that the model runs."
