"""What a compiled loop of an `Adapter` is handed: places to write to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch


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
