"""Map of the whole text: the strength of each unit in every part of it, and the parts that are drawn below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.plotting import scene, truncate_middle
from interp_cell_strips.rows import MAX_NAME

if TYPE_CHECKING:
    import xarray as xr

LEFT, WIDTH, ROW_HEIGHT = 250.0, 700.0, 22.0
EXPLANATION = "largest |x| in each part; mean |x| in the darker colour"


def draw_minimap(strips: xr.Dataset) -> scene.Scene | None:
    """Return a band per unit, as high as the largest |x| in each part of the text; None if all of it is shown.

    Parameters
    ----------
    strips : Dataset
        ``max_share`` and ``mean_share (unit, part)``, 0..1 of the full colour; ``is_shown`` and ``is_match (part)``,
        bool.
    """
    if "max_share" not in strips:
        return None
    names = strips["unit"].values.astype(str).tolist()
    shapes: list[scene.Shape] = [scene.Text(LEFT - 14, ROW_HEIGHT / 2 - 3, "the whole text", 11.5, "end", "muted")]
    shapes.append(scene.Text(LEFT, ROW_HEIGHT / 2 - 3, EXPLANATION, 11.5, color="muted"))
    for row, name in enumerate(names):
        foot = (row + 2) * ROW_HEIGHT
        label = truncate_middle(name, MAX_NAME)
        shapes.append(scene.Text(LEFT - 14, foot - ROW_HEIGHT / 2 + 3, label, 11.5, "end", mono=True))
        shapes.append(_band(strips["max_share"].values[row], foot, "s9"))
        shapes.append(_band(strips["mean_share"].values[row], foot, "s24"))
    foot = (len(names) + 1) * ROW_HEIGHT
    for label, name, color in (("shown below", "is_shown", "ink"), ("text searched for", "is_match", "positive")):
        mask = strips[name].values
        if mask.any():
            foot += 16
            shapes.append(scene.Text(LEFT - 14, foot - 5, label, 11.5, "end", "muted"))
            shapes += _marks(mask, foot - 8, color)
    return scene.Scene(LEFT + WIDTH + 10, foot + 18, tuple(shapes))


def _band(values: np.ndarray, foot: float, color: str) -> scene.Area:
    edges = (LEFT + np.arange(values.size + 1) * WIDTH / values.size).tolist()
    points = [(LEFT, foot)]
    for at, value in enumerate(values.tolist()):
        points += [(edges[at + side], foot - value * (ROW_HEIGHT - 5)) for side in (0, 1)]
    return scene.Area((*points, (LEFT + WIDTH, foot)), color, 1.0)


def _marks(mask: np.ndarray, y: float, color: str) -> list[scene.Shape]:
    step = WIDTH / mask.size
    return [scene.Box(LEFT + low * step, y, max((high - low) * step, 1.5), 6, color) for low, high in true_ranges(mask)]


def true_ranges(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the half-open ranges in which a boolean array is true.

    Examples
    --------
    >>> true_ranges(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
