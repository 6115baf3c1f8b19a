"""Dashboard: a capture in a browser, with views that all follow one selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interp_dashboard.annotations import Notes

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from interp import Selection
    from interp_dashboard.component import DashboardComponent

__all__ = ["Notes", "board"]


def board(
    acts: xr.Dataset,
    *results: xr.Dataset,
    model: torch.nn.Module | None = None,
    selection: Selection | None = None,
    notes: Notes | None = None,
) -> DashboardComponent:
    """Return a dashboard for a notebook, which displays it.

    Parameters
    ----------
    acts : Dataset
        Activations, dims ``(token, unit)``.
    *results : Dataset
        Results of probes on ``acts``, and activations of another model to compare with.
    model : Module, optional
        The captured network, for typed sentences, edits and connections.
    selection : Selection, optional
        Selection to read and to write in other cells; all views follow it. By default a new one.
    notes : Notes, optional
        Names and notes of units, such as ``Notes("units.json")``. Without it, notes can't be saved.

    Returns
    -------
    DashboardComponent
        Panel component; its ``selection`` is what the reader has selected.
    """
    from interp_dashboard.component import DashboardComponent
    from interp_dashboard.data import DashboardData

    return DashboardComponent(DashboardData(acts, results, model=model, notes=notes), selection)
