"""Which units keep one state through a span of text, and how often they do elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp_units.patterns import Stretches, shown, states, steady, stretches
from interp_units.reading import spread

if TYPE_CHECKING:
    import xarray as xr

BLOCK = 256  # units that are read at once


@dataclass(frozen=True)
class Span:
    """A span of text and what is asked of units: positions of its tokens, and those just around it."""

    inside: np.ndarray
    around: np.ndarray
    before: int
    after: int


@dataclass(frozen=True)
class Found:
    """Of each unit: its state through the span, thresholds, and how often it has its pattern in other text."""

    state: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rate: np.ndarray
    expected: float

    def rarest(self, n: int) -> np.ndarray:
        """Return the units with a pattern, rarest first, at most ``n``."""
        having = np.flatnonzero(self.state)
        return np.asarray(having[np.argsort(self.rate[having], kind="stable")[:n]])


def with_pattern(acts: xr.Dataset, where: Span, share: float, low: float | None, high: float | None) -> Found:
    """Return which units have the pattern, by blocks of units, with their rates on a sample of tokens."""
    rows = spread(acts.sizes["token"])
    some = acts.isel(token=rows)
    text = stretches(some["sample"].values, some["step"].values)
    length, own = where.inside.size, acts["source"].values[where.inside[0]]
    full = (np.arange(rows.size) + length <= text.end) & (some["source"].values[text.order] != own)
    parts, any_pattern = [], 0.0
    for at in range(0, acts.sizes["unit"], BLOCK):
        values = some["activation"].isel(unit=slice(at, at + BLOCK)).values
        ends = _thresholds(values, share, low, high)
        near = acts["activation"].isel(unit=slice(at, at + BLOCK))
        inside, around = (states(near.isel(token=held).values, *ends) for held in (where.inside, where.around))
        state, every = steady(inside, around), states(values[text.order], *ends)
        rates = _rates(every, text, full, where, length)
        own_rate = np.where(state > 0, rates[0], rates[1])
        parts.append((state, *ends, own_rate))
        any_pattern += float(rates.sum())
    state, lows, highs, rate = (np.concatenate(held) for held in zip(*parts, strict=True))
    return Found(state, lows, highs, rate, any_pattern)


def _thresholds(values: np.ndarray, share: float, low: float | None, high: float | None) -> list[np.ndarray]:
    """Return both thresholds of each unit: two arrays (unit,); its own quantiles where none is given."""
    given = (low, high)
    own = np.quantile(np.ascontiguousarray(values.T), (share, 1 - share), axis=1) if None in given else given
    return [np.full(values.shape[1], part) if end is None else np.full(values.shape[1], end)
            for end, part in zip(given, own, strict=True)]  # fmt: skip


def _rates(every: np.ndarray, text: Stretches, full: np.ndarray, where: Span, length: int) -> np.ndarray:
    """Return the share of spans that are on+, and on-: array (2, unit)."""
    spans = max(int(full.sum()), 1)
    around = (where.before, where.after)
    counted = [
        [np.count_nonzero(shown(column == sign, text, length, *around) & full) for column in every.T]
        for sign in (1, -1)
    ]
    return np.array(counted) / spans
