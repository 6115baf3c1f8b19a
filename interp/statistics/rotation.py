"""Random rotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def haar_rotation(size: int, seed: int | list[int] = 0) -> NDArray[np.float64]:
    """Return a random orthogonal matrix from the uniform (Haar) distribution.

    It is the Q factor of a Gaussian matrix, with the signs of the columns chosen so that the diagonal of R is positive
    (Mezzadri, "How to generate random matrices from the classical compact groups", 2007).

    Parameters
    ----------
    size : int
        Number of rows and columns.
    seed : int or list of int
        Random seed.

    Returns
    -------
    array (size, size) of float64
    """
    orthogonal, triangular = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))
    return np.asarray(orthogonal * np.where(np.diag(triangular) < 0, -1.0, 1.0))
