"""Which pairs can be contrasted, and how many tokens and sources stand on each side: from labels alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, UnknownNameError

if TYPE_CHECKING:
    import xarray as xr


def pairs(source: Any, *, minimum: int = 300, labels: Sequence[str] = ("input", "output")) -> xr.Dataset:
    """Return every pair of labels that occurs, with what stands on its two sides; activations are not read.

    Parameters
    ----------
    source : Dataset or Stream
        Activations ``(token, unit)``.
    minimum : int
        Tokens that each side must have for ``enough``.
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

    return sides(measure("labels", source, labels=tuple(labels)), tuple(labels), minimum)


def sides(counted: xr.Dataset, labels: tuple[str, ...], minimum: int) -> xr.Dataset:
    """Return what `pairs` returns from a result of the reducer ``labels`` with dims ``row`` and ``seen``."""
    import xarray as xr

    given, becomes = (counted[name].values for name in labels)
    _, group = np.unique(given, return_inverse=True)
    tokens, sources = counted.tokens.values, counted.sources.values
    n_without = np.bincount(group, tokens, len(group)).astype(np.int64)[group] - tokens
    sources_without = _sources_without(group, counted.seen_row.values, counted.seen_source.values)
    data = {"n_with": tokens, "n_without": n_without, "sources_with": sources, "sources_without": sources_without}
    data["enough"] = np.minimum(tokens, n_without) >= minimum
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


def choose(known: xr.Dataset, wanted: Sequence[str] | None, minimum: int) -> tuple[xr.Dataset, dict[str, str]]:
    """Return the pairs with enough on both sides, and why wanted ones were left out.

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
        nearest = f"The nearest, with / without: {_listed(asked)}."
        raise OptionError(f"No pair has {minimum} tokens on each side (minimum={minimum}). {nearest}")
    left = asked.isel(pair=np.flatnonzero(~asked.enough.values)) if wanted is not None else asked.isel(pair=[])
    return kept, {str(name): f"{_count(left.sel(pair=name))} tokens, under {minimum}" for name in left.pair.values}


def _listed(known: xr.Dataset) -> str:
    least = np.minimum(known.n_with.values, known.n_without.values)
    best = known.isel(pair=np.argsort(-least, kind="stable")[:5])
    return ", ".join(f"{name} ({_count(best.sel(pair=name))})" for name in best.pair.values) or "none at all"


def _count(pair: xr.Dataset) -> str:
    return f"{int(pair.n_with)} / {int(pair.n_without)}"
