"""From paths and names to what a dashboard shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import interp
from interp import OptionError
from interp_dashboard.material import Material
from interp_dashboard.notes import Notes


def opened(stores: Sequence[str | Path], *, model: str | None = None, weights: Path | None = None) -> Material:
    """Return what stores on disk have to show, with the notes beside the first.

    Parameters
    ----------
    stores : sequence of path
        Activations first, then results, and activations of another model to compare with.
    model : str, optional
        The name of the network.
    weights : path, optional
        Its weights, where they are not those that come with it.

    Raises
    ------
    OptionError
        Where the first store has no activations.
    SchemaError
        For a path that is no store.
    """
    acts, *results = [interp.open(path) for path in stores]
    if "activation" not in acts:
        raise OptionError(f"{stores[0]} is a result; begin with activations: interp serve ACTS.zarr {stores[0]}.")
    network: Any = interp.load_model(model, weights=weights) if model else None
    return Material(acts, results, model=network, notes=Notes.beside(stores[0]))
