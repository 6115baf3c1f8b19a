"""The dashboard: a capture in a browser, every view following one selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp_dashboard.notes import Notes

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from interp import Selection
    from interp_dashboard.board import Board

__all__ = ["Notes", "board"]


def board(
    acts: xr.Dataset,
    *results: xr.Dataset,
    model: torch.nn.Module | None = None,
    selection: Selection | None = None,
    notes: Notes | None = None,
) -> Board:
    """Return a dashboard for a notebook, where it shows itself.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``.
    *results : Dataset
        What probes found on it.
    model : Module, optional
        The network, for typed sentences, what-if and edges.
    selection : Selection, optional
        Read and write it in other cells: all views follow.
    notes : Notes, optional
        Where names and notes of units are kept: ``Notes("units.json")``.

    Returns
    -------
    Board
        Its ``selection`` says what is chosen.
    """
    from interp_dashboard.board import Board
    from interp_dashboard.material import Material

    held: Any = Material(acts, results, model=model, notes=notes)
    return Board(held, selection)
