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
        ``largest`` and ``typical (unit, part)``, 0..1 of the full colour; ``seen`` and ``found (part)``, of bool.
    """
    if "largest" not in strips:
        return None
    names = strips["unit"].values.astype(str).tolist()
    shapes: list[scene.Shape] = [scene.Text(LEFT - 14, ROW / 2 - 3, "the whole text", 11.5, "end", "muted")]
    shapes += [
        scene.Text(LEFT, ROW / 2 - 3, "in each part of it the largest |x|, and darker the mean", 11.5, color="muted")
    ]
    for row, name in enumerate(names):
        foot = (row + 2) * ROW
        shapes.append(scene.Text(LEFT - 14, foot - ROW / 2 + 3, lettering.short(name, NAME), 11.5, "end", mono=True))
        shapes.append(_band(strips["largest"].values[row], foot, "s9"))
        shapes.append(_band(strips["typical"].values[row], foot, "s24"))
    foot = (len(names) + 1) * ROW
    for name, held, color in (("shown below", "seen", "ink"), ("text asked for", "found", "positive")):
        if strips[held].values.any():
            foot += 16
            shapes.append(scene.Text(LEFT - 14, foot - 5, name, 11.5, "end", "muted"))
            shapes += _marks(strips[held].values, foot - 8, color)
    return scene.Scene(LEFT + WIDTH + 10, foot + 18, tuple(shapes))


def _band(values: np.ndarray, foot: float, color: str) -> scene.Area:
    edges = (LEFT + np.arange(values.size + 1) * WIDTH / values.size).tolist()
    points = [(LEFT, foot)]
    for at, value in enumerate(values.tolist()):
        points += [(edges[at + side], foot - value * (ROW - 5)) for side in (0, 1)]
    return scene.Area((*points, (LEFT + WIDTH, foot)), color, 1.0)


def _marks(where: np.ndarray, y: float, color: str) -> list[scene.Shape]:
    step = WIDTH / where.size
    return [scene.Box(LEFT + low * step, y, max((high - low) * step, 1.5), 6, color) for low, high in runs(where)]


def runs(seen: np.ndarray) -> list[tuple[int, int]]:
    """Return the unbroken stretches of what is true, as half-open ranges.

    Examples
    --------
    >>> runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], seen.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
