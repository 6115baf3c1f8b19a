"""Means over the baselines of each token, which come in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Means:
    """Sums rows up, token by token.

    Parameters
    ----------
    tokens : int
        How many there are.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.sums: dict[str, NDArray[np.float64]] = {}
        self.counts: dict[str, NDArray[np.int64]] = {}

    def add(self, name: str, token: NDArray[np.int64], rows: Any) -> None:
        """Add rows ``(row, ...)`` of some tokens ``(row,)``, as an array or a tensor."""
        values = np.asarray(rows if isinstance(rows, np.ndarray) else rows.detach().double().cpu().numpy(), np.float64)
        if name not in self.sums:
            self.sums[name] = np.zeros((self.tokens, *values.shape[1:]))
            self.counts[name] = np.zeros(self.tokens, np.int64)
        np.add.at(self.sums[name], token, values)
        np.add.at(self.counts[name], token, 1)

    def of(self, name: str) -> NDArray[np.float64]:
        """Return the means, ``(token, ...)``; NaN for a token without rows."""
        held, counts = self.sums[name], self.counts[name].astype(float)
        counts[counts == 0] = np.nan
        return np.asarray(held / counts.reshape(-1, *(1,) * (held.ndim - 1)))

    def __iter__(self) -> Any:
        """Iterate over the names."""
        return iter(self.sums)
