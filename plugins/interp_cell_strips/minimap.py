"""The map of the whole text: how strong each unit is in every part of it, and which parts are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp import lettering, scene
from interp_cell_strips.cells import NAME

if TYPE_CHECKING:
    import xarray as xr

LEFT, WIDTH, ROW = 250.0, 700.0, 22.0


def minimap(strips: xr.Dataset) -> scene.Scene | None:
    """Return a band for each unit, as high as the largest |x| of each part of the text; None where all of it is shown.

    Parameters
    ----------
    strips : Dataset
        ``largest (unit, part)``, 0..1 of the full colour, and ``seen (part)``, of bool.
    """
    if "largest" not in strips:
        return None
    shapes: list[scene.Shape] = []
    parts, names = strips.sizes["part"], strips["unit"].values.astype(str).tolist()
    for row, (name, held) in enumerate(zip(names, strips["largest"].values, strict=True)):
        foot = (row + 1) * ROW
        shapes.append(scene.Text(LEFT - 14, foot - ROW / 2 + 3, lettering.short(name, NAME), 11.5, "end", mono=True))
        edges = (LEFT + np.arange(parts + 1) * WIDTH / parts).tolist()
        points = [(LEFT, foot)]
        for at, value in enumerate(held.tolist()):
            points += [(edges[at + side], foot - value * (ROW - 5)) for side in (0, 1)]
        shapes.append(scene.Area((*points, (LEFT + WIDTH, foot)), "s18", 0.9))
    foot = len(names) * ROW
    for first, last in runs(strips["seen"].values):
        x, wide = LEFT + first * WIDTH / parts, (last - first) * WIDTH / parts
        shapes.append(scene.Box(x, foot + 3, max(wide, 1.5), 6, "ink"))
    shapes.append(scene.Text(LEFT - 14, foot + 6, "shown below", 11.5, "end", "muted"))
    return scene.Scene(LEFT + WIDTH + 10, foot + 26, tuple(shapes))


def runs(seen: np.ndarray) -> list[tuple[int, int]]:
    """Return the unbroken stretches of what is true, as half-open ranges.

    Examples
    --------
    >>> runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], seen.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
