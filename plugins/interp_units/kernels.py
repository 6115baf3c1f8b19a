"""Compiled loops. Numba comes with this module, which is therefore imported where they run."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from interp import compiled

ANY_ORDER = {"reassoc", "contract"}  # sums in any order, so that they vectorise; NaN stays NaN


@partial(compiled, fastmath=ANY_ORDER)
def moments(own: Any, values: Any, total: Any, square: Any, joint: Any) -> None:
    """Write sums of x, x^2 and x * own for each row of ``values (unit, token)``, x less the row's first value.

    Without that value taken off, little would be left of the variance of a unit that hardly leaves a large one.
    """
    for unit in range(values.shape[0]):
        start = np.float64(values[unit, 0])
        a, b, c = 0.0, 0.0, 0.0
        for token in range(values.shape[1]):
            x = np.float64(values[unit, token]) - start
            a += x
            b += x * x
            c += x * own[token]
        total[unit], square[unit], joint[unit] = a, b, c
