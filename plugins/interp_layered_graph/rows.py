"""Which units stand in which row: plain arrays, no drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

# What a gate row says beside its letter, from the top; rows that belong together stand together.
GATES = (
    (("o", "output gate"), ("c", "cell")),
    (("i", "input gate"), ("g", "cell input")),
    (("f", "forget gate"), ("c_prev", "previous cell")),
    (("r", "reset gate"), ("z", "update gate"), ("n", "new state")),
)


def best(distance: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the ``n`` largest values, in ascending order of position; NaN is never chosen.

    Examples
    --------
    >>> best(np.array([0.1, 0.9, np.nan, 0.5, 0.9]), 3).tolist()
    [1, 3, 4]
    """
    order = np.argsort(-np.nan_to_num(distance, nan=-1.0), kind="stable")
    return np.sort(order[: min(n, int(np.isfinite(distance).sum()))])


def becomes(inputs: Sequence[str], outputs: Sequence[str], letter: str, n: int, keep: str = "") -> list[str]:
    """Return the ``n`` commonest outputs of an input letter, commonest first; ``keep`` is always among them.

    Examples
    --------
    >>> becomes(list("tttttt"), list("ծծծթթտ"), "t", 2, keep="տ")
    ['ծ', 'տ']
    """
    seen = Counter(output for given, output in zip(inputs, outputs, strict=True) if given == letter)
    ranked = sorted(seen, key=lambda output: (-seen[output], output))
    if keep in ranked[n:]:
        return [*ranked[: n - 1], keep]
    return ranked[:n]
