"""Extents of the shapes of a scene, and the pairs that overlap."""

from itertools import combinations

from interp.plotting import scene


def extent(shape):
    """Return left, top, right and bottom of a box, or of a text in a font of average width."""
    if isinstance(shape, scene.Box):
        return shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
    width = len(shape.text) * shape.size * 0.56
    left = {"start": shape.x, "middle": shape.x - width / 2, "end": shape.x - width}[shape.anchor]
    return left, shape.y - shape.size / 2, left + width, shape.y + shape.size / 2


def overlapping(boxes):
    return [
        (a, b) for a, b in combinations(boxes, 2) if not (a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1])
    ]
