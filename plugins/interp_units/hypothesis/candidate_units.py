"""Units with a constant state throughout a span of text, and the rate of their patterns in other text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp_units.correlation import spread
from interp_units.hypothesis.patterns import TextRuns, constant_states, pattern_starts, text_runs, unit_states

if TYPE_CHECKING:
    import xarray as xr

BLOCK = 256  # units read at once


@dataclass(frozen=True)
class Span:
    """A span of text.

    Attributes
    ----------
    inside, around : array (token,) of int
        Positions of its tokens, and of the captured tokens just before and after it.
    before, after : int
        Number of tokens just before and after it at which units must leave their state.
    """

    inside: np.ndarray
    around: np.ndarray
    before: int
    after: int


@dataclass(frozen=True)
class CandidateUnits:
    """States, thresholds and rates of all units, for one span.

    Attributes
    ----------
    state : array (unit,) of int8
        State throughout the span, 1 or -1; 0 for units without a pattern.
    low, high : array (unit,)
        Thresholds.
    rate : array (unit,)
        Share of the spans of other text that show the unit's pattern.
    expected : float
        Mean number of units with a pattern at a span of other text.
    """

    state: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rate: np.ndarray
    expected: float

    def rarest(self, n: int) -> np.ndarray:
        """Return the positions of at most ``n`` units with a pattern, rarest patterns first."""
        units = np.flatnonzero(self.state)
        return np.asarray(units[np.argsort(self.rate[units], kind="stable")[:n]])


def candidate_units(
    acts: xr.Dataset, span: Span, quantile: float, low: float | None, high: float | None
) -> CandidateUnits:
    """Return the units with a pattern, and their rates on a sample of tokens; units are read in blocks.

    Parameters
    ----------
    acts : Dataset
        Activations, dims ``(token, unit)``.
    span : Span
        Span of text in these activations.
    quantile, low, high
        Options of the probe.
    """
    rows = spread(acts.sizes["token"])
    sampled = acts.isel(token=rows)
    runs = text_runs(sampled["sample"].values, sampled["step"].values)
    length, own_source = span.inside.size, acts["source"].values[span.inside[0]]
    full = (np.arange(rows.size) + length <= runs.end) & (sampled["source"].values[runs.order] != own_source)
    parts, expected = [], 0.0
    for at in range(0, acts.sizes["unit"], BLOCK):
        values = sampled["activation"].isel(unit=slice(at, at + BLOCK)).values
        ends = _thresholds(values, quantile, low, high)
        block = acts["activation"].isel(unit=slice(at, at + BLOCK))
        inside, around = (unit_states(block.isel(token=tokens).values, *ends) for tokens in (span.inside, span.around))
        state = constant_states(inside, around)
        rates = _pattern_rates(unit_states(values[runs.order], *ends), runs, full, span)
        parts.append((state, *ends, np.where(state > 0, rates[0], rates[1])))
        expected += float(rates.sum())
    state, lows, highs, rate = (np.concatenate(blocks) for blocks in zip(*parts, strict=True))
    return CandidateUnits(state, lows, highs, rate, expected)


def _thresholds(values: np.ndarray, quantile: float, low: float | None, high: float | None) -> list[np.ndarray]:
    """Return both thresholds of each unit: two arrays (unit,); by default its own quantiles."""
    ends = (low, high)
    levels = (quantile, 1 - quantile)
    own = np.quantile(np.ascontiguousarray(values.T), levels, axis=1) if None in ends else ends
    return [np.full(values.shape[1], part) if end is None else np.full(values.shape[1], end)
            for end, part in zip(ends, own, strict=True)]  # fmt: skip


def _pattern_rates(states: np.ndarray, runs: TextRuns, full: np.ndarray, span: Span) -> np.ndarray:
    """Return the share of full spans with state 1 throughout, and with state -1: array (2, unit).

    Parameters
    ----------
    states : array (token, unit)
        States in the order of ``runs``.
    runs : TextRuns
        Runs of text of the sampled tokens.
    full : boolean array (token,)
        Mask of the tokens where a span of other text starts.
    span : Span
        Span that sets the length and the surroundings of a pattern.
    """
    n_spans = max(int(full.sum()), 1)
    options = (span.inside.size, span.before, span.after)
    counts = [
        [np.count_nonzero(pattern_starts(column == sign, runs, *options) & full) for column in states.T]
        for sign in (1, -1)
    ]
    return np.array(counts) / n_spans
