"""Figures that are known without each group of sources too, so that they have an interval and can be subtracted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp import interval


@dataclass(frozen=True)
class Estimate:
    """A figure, and what it would be without each group of sources.

    Attributes
    ----------
    value : float
        From all sources.
    left : array (group,)
        Without each group of sources in turn; NaN for a group that has no tokens. Estimates on the same text leave
        out the same sources: what their noise has in common cancels in a difference.
    """

    value: float
    left: np.ndarray

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the 95 % interval by the delete-a-group jackknife; NaN with under ten groups."""
        known = self.left[np.isfinite(self.left)]
        if not known.size:
            return np.nan, np.nan
        error = np.sqrt((known.size - 1) / known.size * ((known - known.mean()) ** 2).sum())
        low, high = interval(np.array(self.value), np.array(error), known.size)
        return float(low), float(high)

    def __sub__(self, other: Estimate) -> Estimate:
        return Estimate(self.value - other.value, self.left - other.left)

    def __mul__(self, factor: float) -> Estimate:
        return Estimate(self.value * factor, self.left * factor)

    @staticmethod
    def mean(estimates: Sequence[Estimate]) -> Estimate:
        """Return the mean of several, such as networks that saw the same text."""
        return Estimate(float(np.mean([one.value for one in estimates])), np.mean([one.left for one in estimates], 0))


def shown(parts: Sequence[Estimate]) -> bool | None:
    """Return whether all parts are above 0: True or False where their intervals say so, None where they can't.

    False means that the interval of one lies below 0.
    """
    ends = [part.ends for part in parts]
    if any(high < 0 for _, high in ends):
        return False
    return True if all(low > 0 for low, _ in ends) else None


def rooted(whole: Any, without: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return distances ``sign(D) sqrt|D|`` freed of bias: from all sources, and without each group of them.

    The delete-a-group jackknife estimates the bias of D; with fewer groups there is more of it, by ``G / (G - 1)``.

    Parameters
    ----------
    whole : array (...)
        D, 0 to 1, as counted.
    without : array (group, ...)
        The same without each group; NaN for groups that have no tokens.

    Returns
    -------
    array (...), array (group, ...)
        At most 1.
    """
    whole, without = np.asarray(whole, np.float64), np.asarray(without, np.float64)
    known = np.isfinite(without)
    groups = np.maximum(known.sum(axis=0), 2)
    bias = (groups - 1) * (np.where(known, without, 0).sum(axis=0) / groups - whole)
    return _root(whole - bias), _root(without - bias * groups / (groups - 1))


def _root(squared: np.ndarray) -> np.ndarray:
    return np.asarray(np.minimum(np.sign(squared) * np.sqrt(np.abs(squared)), 1.0))
