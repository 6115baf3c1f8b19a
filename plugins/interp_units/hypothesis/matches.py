"""Where the kept units of a hypothesis show their pattern again, how often, and how often rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp import interval, jackknife, lettering, source_groups
from interp_units.finding import Found, Span
from interp_units.patterns import Stretches, agreeing, apart, matches, shown, states, stretches

if TYPE_CHECKING:
    import xarray as xr

LEVELS = ("strict", "fuzzy")
CONTEXT = 22  # tokens of text kept on either side of a place
UNIT_COORDS = ("unit", "module", "layer", "direction", "quantity", "index", "symbol")


def places(
    acts: xr.Dataset,
    found: Found,
    kept: np.ndarray,
    where: Span,
    label: str,
    fuzzy: float,
    n_places: int,
    regex: str,
) -> xr.Dataset:
    """Return where the kept units show their pattern again, and how often.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``: the kept units.
    found : Found
        Of all units.
    kept : array (unit,) of int
        Which of them are kept, in the order of ``acts``.
    where : Span
        The span, whose source is not counted.
    label : str
        The coord of ``token`` that is the text; all of it is read for a regular expression alone.
    fuzzy, n_places, regex
        Options of the probe.
    """
    import xarray as xr

    text = stretches(acts["sample"].values, acts["step"].values)
    length, source = where.inside.size, acts["source"].values[text.order]
    own = acts["source"].values[where.inside[0]]
    full = (np.arange(source.size) + length <= text.end) & (source != own)
    on = _shown(acts, found, kept, where, text)
    on &= full[:, None]
    agree, needed = on.sum(axis=1, dtype=np.int32), max(int(np.ceil(fuzzy * kept.size - 1e-9)), 1)
    starts = apart(agree, needed, length)
    every = acts[label].values.astype(str, copy=False)[text.order] if regex else np.zeros(0, str)
    truth = matches(every, text, regex) if regex else np.zeros((0, 2), int)
    truth = truth[source[truth[:, 0]] != own]
    listed = starts[one_a_source(source[starts])][:n_places]
    data: dict[str, Any] = {"state": ("unit", found.state[kept]), "rate": ("unit", found.rate[kept])}
    data["threshold"] = ("unit", np.where(found.state > 0, found.high, found.low)[kept])
    data |= counted(starts, agree[starts] == kept.size, source, length, truth) if regex else {}
    data |= _counts(starts, agree[starts] == kept.size, source)
    data |= _told(acts, text, listed, label, length) | {"agree": ("place", agree[listed])}
    data |= {"on": (("place", "unit"), on[listed], {"across": "unit"})}
    data |= {"right": ("place", agreeing(listed, length, truth)[0])} if regex else {}
    data |= {"needed": needed, "with_pattern": int(np.count_nonzero(found.state)), "of_units": found.state.size}
    data |= {"expected": found.expected, "spans": int(full.sum())}
    coords = {name: ("unit", acts[name].values) for name in UNIT_COORDS if name in acts.coords}
    attrs = {"span_text": lettering.clean("".join(letters(acts, label, where.inside)))}
    return xr.Dataset(data, {"level": list(LEVELS), **coords}, attrs)


def _shown(acts: xr.Dataset, found: Found, kept: np.ndarray, where: Span, text: Stretches) -> np.ndarray:
    """Return where each kept unit shows its pattern: bool (token, unit), in the order of the text."""
    on = np.empty((text.order.size, kept.size), bool)
    for at, unit in enumerate(kept.tolist()):
        values = acts["activation"].isel(unit=at).values[text.order]
        state = states(values, found.low[unit], found.high[unit]) == found.state[unit]
        on[:, at] = shown(state, text, where.inside.size, where.before, where.after)
    return on


def one_a_source(source: np.ndarray) -> np.ndarray:
    """Return an order with one of each source before a second of any, else as given: array (place,) of int.

    Examples
    --------
    >>> one_a_source(np.array([7, 7, 8, 7, 8])).tolist()
    [0, 2, 1, 4, 3]
    """
    seen: dict[int, int] = {}
    rank = []
    for one in source.tolist():
        seen[one] = seen.get(one, -1) + 1
        rank.append(seen[one])
    return np.argsort(np.array(rank, dtype=int), kind="stable")


def _counts(starts: np.ndarray, strict: np.ndarray, source: np.ndarray) -> dict[str, Any]:
    sides = (starts[strict], starts)
    numbers = {"places": [len(side) for side in sides], "sources": [np.unique(source[side]).size for side in sides]}
    return {name: ("level", held) for name, held in numbers.items()}


def counted(
    starts: np.ndarray, strict: np.ndarray, source: np.ndarray, length: int, truth: np.ndarray
) -> dict[str, Any]:
    """Return how often places are right, and matches are places, for strict places and for all.

    Parameters
    ----------
    starts : array (place,) of int
        Positions.
    strict : boolean array (place,)
    source : array (token,) of int
    length : int
        Of a place.
    truth : array (match, 2) of int

    Returns
    -------
    dict
        ``precision`` and ``recall``, each with ``_low`` and ``_high`` (level), ``matches``, ``match_sources``.
    """
    numbers: dict[str, list[float]] = {}
    for side in (starts[strict], starts):
        flags = agreeing(side, length, truth)
        for name, held, at in (("precision", flags[0], side), ("recall", flags[1], truth[:, 0])):
            for end, value in zip(("", "_low", "_high"), proportion(held, source[at]), strict=True):
                numbers.setdefault(name + end, []).append(value)
    told: dict[str, Any] = {name: ("level", held) for name, held in numbers.items()}
    return told | {"matches": len(truth), "match_sources": np.unique(source[truth[:, 0]]).size}


def proportion(flags: np.ndarray, source: np.ndarray) -> tuple[float, float, float]:
    """Return a share of places and the ends of its jackknife interval over sources, 0..1.

    NaN without places. The ends are NaN too where all places are alike, or in under 10 of 20 groups of sources: an
    error can't be made of these.

    Parameters
    ----------
    flags : boolean array (place,)
    source : array (place,) of int
    """
    if not flags.size:
        return np.nan, np.nan, np.nan
    whole = float(flags.mean())
    groups = source_groups(source)
    known = np.unique(groups)
    if known.size < 2 or flags.all() or not flags.any():
        return whole, np.nan, np.nan
    without = np.array([flags[groups != group].mean() for group in known])
    low, high = interval(*jackknife(np.asarray(whole), without), known.size)
    return whole, float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))


def letters(acts: xr.Dataset, label: str, at: np.ndarray) -> np.ndarray:
    """Return the text of some tokens: array (token,) of str."""
    return acts[label].isel(token=at).values.astype(str)


def _told(acts: xr.Dataset, text: Stretches, listed: np.ndarray, label: str, length: int) -> dict[str, Any]:
    """Return where each place is, and its text."""
    rows = text.order[listed]
    data: dict[str, Any] = {name: ("place", acts[name].values[rows]) for name in ("sample", "step", "source")}
    first, last = np.maximum(listed - CONTEXT, text.start[listed]), listed + length
    ends = (first, listed, last, np.minimum(last + CONTEXT, text.end[listed]))
    for name, low, high in zip(("before", "here", "after"), ends, ends[1:], strict=False):
        spans = [np.arange(*span) for span in zip(low.tolist(), high.tolist(), strict=True)]
        held = letters(acts, label, text.order[np.concatenate([np.zeros(0, int), *spans])])
        parts = np.split(held, np.cumsum([span.size for span in spans]))[: len(spans)]
        data[name] = ("place", np.array([lettering.clean("".join(part)) for part in parts], dtype=str))
    return data
