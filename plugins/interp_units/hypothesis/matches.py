"""Places where the units of a hypothesis show their pattern again, their number, and their precision and recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plotting import UNIT_LABELS, sanitize
from interp.statistics import jackknife, jackknife_groups, jackknife_interval
from interp_units.hypothesis.candidate_units import CandidateUnits, Span
from interp_units.hypothesis.patterns import (
    TextRuns,
    compare_with_matches,
    non_overlapping,
    pattern_starts,
    regex_matches,
    text_runs,
    unit_states,
)

if TYPE_CHECKING:
    import xarray as xr

LEVELS = ("strict", "fuzzy")
CONTEXT = 22  # tokens of text on either side of a place


def find_places(
    acts: xr.Dataset,
    candidates: CandidateUnits,
    selection: np.ndarray,
    span: Span,
    *,
    label: str,
    min_agreement: float,
    max_places: int,
    regex: str,
) -> xr.Dataset:
    """Return the places where the selected units show their pattern again, and counts of them.

    Parameters
    ----------
    acts : Dataset
        Activations of the selected units, dims ``(token, unit)``.
    candidates : CandidateUnits
        All units, with their states and thresholds.
    selection : array (unit,) of int
        Positions of the selected units in ``candidates``, in the order of ``acts``.
    span : Span
        The span, whose source is not counted.
    label : str
        Coord of ``token`` that is the text; all of it is read only if there is a regular expression.
    min_agreement, max_places, regex
        Options of the probe.

    Returns
    -------
    Dataset
        Result of the probe.
    """
    import xarray as xr

    runs = text_runs(acts["sample"].values, acts["step"].values)
    length, source = span.inside.size, acts["source"].values[runs.order]
    own_source = acts["source"].values[span.inside[0]]
    full = (np.arange(source.size) + length <= runs.end) & (source != own_source)
    active = _active(acts, candidates, selection, span, runs)
    active &= full[:, None]
    n_agreeing = active.sum(axis=1, dtype=np.int32)
    n_required = max(int(np.ceil(min_agreement * selection.size - 1e-9)), 1)
    starts = non_overlapping(n_agreeing, n_required, length)
    strict = n_agreeing[starts] == selection.size
    matches = _matches(acts, runs, label, regex)
    matches = matches[source[matches[:, 0]] != own_source]
    listed = starts[round_robin(source[starts])][:max_places]
    data = _unit_table(candidates, selection)
    data |= score_places(starts, strict, source, length, matches) if regex else {}
    data |= _counts(starts, strict, source)
    data |= _place_table(acts, runs, listed, label, length) | {"n_agreeing": ("place", n_agreeing[listed])}
    data |= {"active": (("place", "unit"), active[listed], {"depends_on_all": "unit"})}
    data |= {"is_match": ("place", compare_with_matches(listed, length, matches)[0])} if regex else {}
    data |= {"n_required": n_required, "n_with_pattern": int(np.count_nonzero(candidates.state))}
    data |= {"n_candidates": candidates.state.size, "expected": candidates.expected, "n_spans": int(full.sum())}
    coords = {name: ("unit", acts[name].values) for name in UNIT_LABELS if name in acts.coords}
    attrs = {"span_text": sanitize("".join(token_text(acts, label, span.inside)))}
    return xr.Dataset(data, {"level": list(LEVELS), **coords}, attrs)


def _unit_table(candidates: CandidateUnits, selection: np.ndarray) -> dict[str, Any]:
    """Return state, rate and threshold of the selected units."""
    threshold = np.where(candidates.state > 0, candidates.high, candidates.low)
    columns = {"state": candidates.state, "rate": candidates.rate, "threshold": threshold}
    return {name: ("unit", values[selection]) for name, values in columns.items()}


def _matches(acts: xr.Dataset, runs: TextRuns, label: str, regex: str) -> np.ndarray:
    """Return the matches of a regular expression, none for an empty one: array (match, 2) of int."""
    if not regex:
        return np.zeros((0, 2), int)
    return regex_matches(acts[label].values.astype(str, copy=False)[runs.order], runs, regex)


def _active(
    acts: xr.Dataset, candidates: CandidateUnits, selection: np.ndarray, span: Span, runs: TextRuns
) -> np.ndarray:
    """Return where the pattern of each selected unit starts: bool (token, unit), in the order of the text."""
    active = np.empty((runs.order.size, selection.size), bool)
    for column, unit in enumerate(selection.tolist()):
        values = acts["activation"].isel(unit=column).values[runs.order]
        state = unit_states(values, candidates.low[unit], candidates.high[unit]) == candidates.state[unit]
        active[:, column] = pattern_starts(state, runs, span.inside.size, span.before, span.after)
    return active


def round_robin(source: np.ndarray) -> np.ndarray:
    """Return an order with the first place of each source, then the second of each, and so on: array (place,) of int.

    Within a round, places keep their order.

    Examples
    --------
    >>> round_robin(np.array([7, 7, 8, 7, 8])).tolist()
    [0, 2, 1, 4, 3]
    """
    rounds: dict[int, int] = {}
    rank = []
    for number in source.tolist():
        rounds[number] = rounds.get(number, -1) + 1
        rank.append(rounds[number])
    return np.argsort(np.array(rank, dtype=int), kind="stable")


def _counts(starts: np.ndarray, strict: np.ndarray, source: np.ndarray) -> dict[str, Any]:
    """Return the numbers of places and of their sources (level)."""
    levels = (starts[strict], starts)
    counts = {"n_places": [len(side) for side in levels], "sources": [np.unique(source[side]).size for side in levels]}
    return {name: ("level", numbers) for name, numbers in counts.items()}


def score_places(
    starts: np.ndarray, strict: np.ndarray, source: np.ndarray, length: int, matches: np.ndarray
) -> dict[str, Any]:
    """Return precision and recall of the places against the matches of an expression, for strict and for all places.

    Parameters
    ----------
    starts : array (place,) of int
        Positions of the places in the order of the text.
    strict : boolean array (place,)
        Mask of the strict places.
    source : array (token,) of int
        Source of each token, in the order of the text.
    length : int
        Number of tokens of a place.
    matches : array (match, 2) of int
        Ranges of the matches.

    Returns
    -------
    dict
        ``precision`` and ``recall``, each with ``_ci_low`` and ``_ci_high`` (level); ``matches`` and
        ``match_sources``, the numbers of matches and of their sources.
    """
    columns: dict[str, list[float]] = {}
    for side in (starts[strict], starts):
        is_match, is_place = compare_with_matches(side, length, matches)
        for name, mask, positions in (("precision", is_match, side), ("recall", is_place, matches[:, 0])):
            for end, value in zip(("", "_ci_low", "_ci_high"), proportion(mask, source[positions]), strict=True):
                columns.setdefault(name + end, []).append(value)
    data: dict[str, Any] = {name: ("level", values) for name, values in columns.items()}
    return data | {"matches": len(matches), "match_sources": np.unique(source[matches[:, 0]]).size}


def proportion(mask: np.ndarray, source: np.ndarray) -> tuple[float, float, float]:
    """Return the share of places in a mask and the ends of its jackknife interval over sources, 0..1.

    All are NaN without places. The ends are NaN too if the mask is constant, or if places come from fewer than 10 of
    20 groups of sources, because no standard error can be estimated then.

    Parameters
    ----------
    mask : boolean array (place,)
        Mask of the places.
    source : array (place,) of int
        Source of each place.
    """
    if not mask.size:
        return np.nan, np.nan, np.nan
    share = float(mask.mean())
    groups = jackknife_groups(source)
    distinct = np.unique(groups)
    if distinct.size < 2 or mask.all() or not mask.any():
        return share, np.nan, np.nan
    leave_out = np.array([mask[groups != group].mean() for group in distinct])
    low, high = jackknife_interval(*jackknife(np.asarray(share), leave_out), distinct.size)
    return share, float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))


def token_text(acts: xr.Dataset, label: str, positions: np.ndarray) -> np.ndarray:
    """Return the text of the tokens at some positions: array (token,) of str."""
    return acts[label].isel(token=positions).values.astype(str)


def _place_table(acts: xr.Dataset, runs: TextRuns, listed: np.ndarray, label: str, length: int) -> dict[str, Any]:
    """Return sample, step, source and text of each place."""
    rows = runs.order[listed]
    data: dict[str, Any] = {name: ("place", acts[name].values[rows]) for name in ("sample", "step", "source")}
    first, last = np.maximum(listed - CONTEXT, runs.start[listed]), listed + length
    bounds = (first, listed, last, np.minimum(last + CONTEXT, runs.end[listed]))
    for name, low, high in zip(("before", "match_text", "after"), bounds, bounds[1:], strict=False):
        spans = [np.arange(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)]
        text = token_text(acts, label, runs.order[np.concatenate([np.zeros(0, int), *spans])])
        parts = np.split(text, np.cumsum([span.size for span in spans]))[: len(spans)]
        data[name] = ("place", np.array([sanitize("".join(part)) for part in parts], dtype=str))
    return data
