"""Arguments of `Adapter` methods: a hook that is called with each quantity, and the buffer of a compiled loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch


class Tap(Protocol):
    """Callback that an `Adapter` calls with every quantity as it is computed, and whose return value it uses instead.

    ``tap("i", torch.sigmoid, x)`` returns ``torch.sigmoid(x)``, recorded (possibly written directly into its buffer)
    and possibly edited; ``tap("i", value)`` does the same for a value that is already computed. A name that is not a
    quantity of the adapter is computed and not recorded.
    """

    def __call__(self, quantity: str, function: Any, *args: torch.Tensor) -> torch.Tensor:
        """Return the value that the adapter continues with."""


@dataclass(frozen=True)
class Place:
    """Buffer into which a compiled loop writes its quantities.

    Attributes
    ----------
    sheet : array (row, column)
        Buffer, in C order.
    rows : array (row,) of int64
        Row of the buffer for each row of the inputs; -1 for rows that are not recorded.
    at : array of int64
        First column of each quantity of the adapter, in its order; -1 for quantities that are not recorded.
    out, column : array (row, feature), int
        Second destination of the output, starting at that column; its rows are those of the inputs.
    """

    sheet: np.ndarray
    rows: np.ndarray
    at: np.ndarray
    out: np.ndarray | None = None
    column: int = 0

    def part(self, rows: slice, out: np.ndarray, column: int) -> Place:
        """Return the buffer restricted to some rows of the inputs, with the destination of their output."""
        return Place(self.sheet, self.rows[rows], self.at, out, column)


class Sweep(Protocol):
    """Compiled loop over several steps of the same samples that writes all quantities; see `Adapter.compiled`."""

    def __call__(self, x: torch.Tensor, state: tuple[torch.Tensor, ...], buffer: Place, backward: bool) -> None:
        """Write every quantity into the buffer and update the state in place.

        Parameters
        ----------
        x : Tensor (row, feature)
            Input projections, as returned by `Adapter.project`, step after step.
        state : tuple of Tensor (sample, size)
            State before the first step; overwritten with the state after the last one.
        buffer : Place
            Buffer of the quantities.
        backward : bool
            Whether the steps are processed from the last to the first.
        """
