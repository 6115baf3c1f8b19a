"""Directions of a rotated layer instead of units: the control for curves that speak of single units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp import dataset, rotate
from interp_causal.worlds import Dense, How

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from interp_causal.tokens import Measured

GROUP = ("module", "layer", "direction", "quantity")


def turns(acts: xr.Dataset, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each layer that `interp.rotate` turns its columns and its rotation, ``(unit, direction)``."""
    kinds = np.stack([np.unique(acts[name].values, return_inverse=True)[1] for name in GROUP])
    number = np.unique(kinds, axis=1, return_inverse=True)[1].reshape(-1)
    found = []
    for block in np.unique(number):
        columns = np.flatnonzero(number == block)
        labels = {name: acts[name].values[columns] for name in ("unit", *GROUP, "index")}
        rows = np.arange(columns.size)
        one_hot = dataset(np.eye(columns.size), labels, {"sample": rows, "step": 0 * rows, "source": rows})
        found.append((columns, rotate(one_hot, seed)["activation"].values))
    return found


class Turned(Dense):
    """A world in which columns stand for the directions of `interp.rotate` with a seed.

    What a token gets along an ablated direction is lent, and the rest of its layer stays.

    Parameters
    ----------
    acts, model, tokens, how
        As of `Dense`.
    seed : int
        Of the rotation.
    """

    def __init__(self, acts: xr.Dataset, model: torch.nn.Module, tokens: Measured, how: How, seed: int) -> None:
        super().__init__(acts, model, tokens, how, kept=True)
        self.turns = turns(acts, seed)

    def moved(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the units of all layers of which directions are ablated, and by how much they move."""
        every, parts = [], []
        for columns, turn in self.turns:
            chosen = turn[:, np.isin(columns, units)]
            if chosen.size:
                every.append(columns)
                parts.append((self.lent.moved(columns) @ chosen @ chosen.T).astype(self.values.dtype))
        return np.concatenate(every), np.concatenate(parts, axis=1)
