"""A multinomial regression with an L1 penalty, in whole steps: ten times as quick here as one token at a time."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]


def sparse_regression(
    values: Any, codes: Any, *, penalty: float, steps: int = 1000, tolerance: float = 0.03
) -> tuple[Floats, Floats, bool]:
    """Return weights and intercepts that minimise the mean log loss in nats plus ``penalty * sum |w|``.

    Proximal gradient steps with momentum, which starts anew where it points uphill: Beck and Teboulle, "A fast
    iterative shrinkage-thresholding algorithm" (2009); O'Donoghue and Candès, "Adaptive restart" (2015). The minimum
    is that of scikit-learn's LogisticRegression (``solver="saga"``, ``C = 1 / (penalty * tokens)``).

    Parameters
    ----------
    values : array (token, unit)
        Standardised. In float32 it takes half the time.
    codes : array (token,) of int
        0 to the number of classes - 1.
    penalty : float
        Above 0; intercepts are free.
    steps : int
        At most.
    tolerance : float
        Of the slope that is left in the steepest direction, as a share of the penalty.

    Returns
    -------
    weights : array (unit, class)
    intercepts : array (class,)
    converged : bool
    """
    values = _with_ones(values)
    wanted = np.eye(int(np.max(codes)) + 1, dtype=values.dtype)[codes]
    size = 2 * len(values) / (1.001 * float(np.linalg.eigvalsh(values.T @ values)[-1]))
    shrink = np.full((values.shape[1], 1), size * penalty, values.dtype)
    shrink[-1] = 0
    held, pace = np.zeros((values.shape[1], wanted.shape[1]), values.dtype), 1.0
    ahead = held
    for _ in range(steps):
        moved = ahead - size / len(values) * (values.T @ (softmax(values @ ahead) - wanted))
        moved = np.sign(moved) * np.maximum(np.abs(moved) - shrink, 0)
        slope, change = np.abs(moved - ahead).max() / size, moved - held
        if np.sum((ahead - moved) * change) > 0:
            pace = 1.0
        following = (1 + sqrt(1 + 4 * pace**2)) / 2
        ahead, held, pace = moved + (pace - 1) / following * change, moved, following
        if slope <= tolerance * penalty:
            return held[:-1], held[-1], True
    return held[:-1], held[-1], False


def softmax(scores: Floats) -> Floats:
    """Return the probabilities of scores (token, class)."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _with_ones(values: Any) -> Floats:
    return np.concatenate([values, np.ones((len(values), 1), values.dtype)], axis=1)
