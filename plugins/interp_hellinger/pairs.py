"""Which pairs can be contrasted, and how many tokens and sources stand on each side: from labels alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, UnknownNameError

if TYPE_CHECKING:
    import xarray as xr


def pairs(
    source: Any, *, minimum: int = 300, minimum_sources: int = 0, labels: Sequence[str] = ("input", "output")
) -> xr.Dataset:
    """Return every pair of labels that occurs, with what stands on its two sides; activations are not read.

    Parameters
    ----------
    source : Dataset or Stream
        Activations ``(token, unit)``.
    minimum, minimum_sources : int
        Tokens and sources that each side must have for ``enough``.
    labels : sequence of two str
        Coords of ``token``: what is given, and what it becomes.

    Returns
    -------
    Dataset
        Dim ``pair``, sorted, with ``pair_input`` and ``pair_output``; ``n_with``, ``n_without`` (tokens),
        ``sources_with``, ``sources_without`` int64, ``enough`` bool. The other side of ``t=>ծ`` are all other
        tokens with input ``t``.

    Examples
    --------
    >>> found = pairs(acts)                                              # doctest: +SKIP
    >>> found.pair.values[found.enough]                                  # doctest: +SKIP
    """
    from interp import measure

    return sides(measure("labels", source, labels=tuple(labels)), tuple(labels), minimum, minimum_sources)


def sides(counted: xr.Dataset, labels: tuple[str, ...], minimum: int, minimum_sources: int = 0) -> xr.Dataset:
    """Return what `pairs` returns from a result of the reducer ``labels`` with dims ``row`` and ``seen``."""
    import xarray as xr

    given, becomes = (counted[name].values for name in labels)
    _, group = np.unique(given, return_inverse=True)
    tokens, sources = counted.tokens.values, counted.sources.values
    n_without = np.bincount(group, tokens, len(group)).astype(np.int64)[group] - tokens
    sources_without = _sources_without(group, counted.seen_row.values, counted.seen_source.values)
    data = {"n_with": tokens, "n_without": n_without, "sources_with": sources, "sources_without": sources_without}
    fewest = np.minimum(sources, sources_without)
    data["enough"] = (np.minimum(tokens, n_without) >= minimum) & (fewest >= minimum_sources)
    names = [f"{a}=>{b}" for a, b in zip(given.tolist(), becomes.tolist(), strict=True)]
    coords = {"pair": names, "pair_input": ("pair", given), "pair_output": ("pair", becomes)}
    return xr.Dataset({name: ("pair", values) for name, values in data.items()}, coords)


def _sources_without(group: np.ndarray, rows: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return for each row how many sources have another row of its group: all but those with this row alone."""
    keys = np.stack([group[rows], sources])
    seen, inverse, times = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
    every = np.bincount(seen[0], minlength=group.size)
    alone = np.bincount(rows[times[inverse] == 1], minlength=group.size)
    return np.asarray(every[group] - alone)


def choose(
    known: xr.Dataset, wanted: Sequence[str] | None, minimum: int, minimum_sources: int = 0
) -> tuple[xr.Dataset, dict[str, str]]:
    """Return the pairs with enough on both sides, and why wanted ones were left out.

    Where sources are asked for as well, every pair that was left out is named, wanted or not.

    Raises
    ------
    UnknownNameError
        For a wanted pair that never occurs.
    OptionError
        Where no pair is left.
    """
    names = known.pair.values.tolist()
    for name in wanted or ():
        if name not in names:
            raise UnknownNameError(f"No token has the labels of pair {name!r}. The most frequent: {_listed(known)}.")
    asked = known.sel(pair=list(dict.fromkeys(wanted))) if wanted is not None else known
    kept = asked.isel(pair=np.flatnonzero(asked.enough.values))
    if not kept.sizes["pair"]:
        also = f" and {minimum_sources} sources" if minimum_sources else ""
        option = f"minimum={minimum}" + (f", minimum_sources={minimum_sources}" if minimum_sources else "")
        nearest = f"The nearest, with / without: {_listed(asked, bool(minimum_sources))}."
        raise OptionError(f"No pair has {minimum} tokens{also} on each side ({option}). {nearest}")
    named = wanted is not None or minimum_sources
    left = asked.isel(pair=np.flatnonzero(~asked.enough.values)) if named else asked.isel(pair=[])
    return kept, {str(one.pair.item()): _reason(one, minimum, minimum_sources) for one in _each(left)}


def _each(known: xr.Dataset) -> list[xr.Dataset]:
    return [known.isel(pair=place) for place in range(known.sizes["pair"])]


def _reason(pair: xr.Dataset, minimum: int, minimum_sources: int) -> str:
    tokens = f"{_count(pair)} tokens, under {minimum}"
    if not minimum_sources:
        return tokens
    sources = f"{_sources(pair)}, under {minimum_sources}"
    few = [tokens] if min(int(pair.n_with), int(pair.n_without)) < minimum else []
    few += [sources] if min(int(pair.sources_with), int(pair.sources_without)) < minimum_sources else []
    return "; ".join(few)


def _listed(known: xr.Dataset, sources: bool = False) -> str:
    least = np.minimum(known.n_with.values, known.n_without.values)
    best = known.isel(pair=np.argsort(-least, kind="stable")[:5])
    told = [f"{_count(one)}, {_sources(one)}" if sources else _count(one) for one in _each(best)]
    return ", ".join(f"{name} ({text})" for name, text in zip(best.pair.values, told, strict=True)) or "none at all"


def _count(pair: xr.Dataset) -> str:
    return f"{int(pair.n_with)} / {int(pair.n_without)}"


def _sources(pair: xr.Dataset) -> str:
    return f"{int(pair.sources_with)} / {int(pair.sources_without)} sources"
