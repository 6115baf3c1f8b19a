"""What an `Adapter` is handed: a tap for each value, or places for a loop that is compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch


class Tap(Protocol):
    """What an `Adapter` calls with every quantity as it arises, and whose answer it goes on with.

    ``tap("i", torch.sigmoid, x)`` is ``torch.sigmoid(x)``, recorded (perhaps written straight to its place) and
    perhaps edited; ``tap("i", value)`` is the same for a value that is there already. A name that is no quantity of the
    adapter is only computed.
    """

    def __call__(self, quantity: str, function: Any, *args: torch.Tensor) -> torch.Tensor:
        """Return the value to go on with."""


@dataclass(frozen=True)
class Place:
    """Where a compiled loop writes what it computes.

    Attributes
    ----------
    sheet : array (row, column)
        In C order.
    rows : array (row,) of int64
        The row of the sheet for each row of the inputs; -1 where it is not kept.
    at : array of int64
        The column at which each quantity of the adapter begins, in its order; -1 where it is not kept.
    out, column : array (row, feature), int
        Where the output goes too, from that column on; its rows are those of the inputs.
    """

    sheet: np.ndarray
    rows: np.ndarray
    at: np.ndarray
    out: np.ndarray | None = None
    column: int = 0

    def part(self, rows: slice, out: np.ndarray, column: int) -> Place:
        """Return the place for some of the rows, with where their output goes."""
        return Place(self.sheet, self.rows[rows], self.at, out, column)


class Sweep(Protocol):
    """Runs some steps of the same samples at once and writes all their quantities; see `Adapter.compiled`."""

    def __call__(self, x: torch.Tensor, state: tuple[torch.Tensor, ...], place: Place, backward: bool) -> None:
        """Write every quantity to its place, and change the state.

        ``x`` is what `Adapter.project` made ``(row, feature)``, step after step; ``state`` ``(sample, size)`` is
        changed in place to that after the last step, which is the first one where ``backward``.
        """
