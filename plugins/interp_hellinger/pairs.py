"""Pairs of labels that can be contrasted, with the tokens and sources on each side. Reads labels only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, UnknownNameError

if TYPE_CHECKING:
    import xarray as xr

SIDE_COUNTS = ("n_target", "n_rest", "sources_target", "sources_rest")
MAX_EXAMPLES = 5  # pairs that an error message lists


def candidate_pairs(
    source: Any, *, min_tokens: int = 300, min_sources: int = 0, labels: Sequence[str] = ("input", "output")
) -> xr.Dataset:
    """Return every pair of labels that occurs, with the tokens and sources on each side; activations are not read.

    Parameters
    ----------
    source : Dataset or Stream
        Activations ``(token, unit)``.
    min_tokens, min_sources : int
        Minimum number of tokens and sources on each side for ``sufficient``.
    labels : sequence of two str
        Coords of ``token``: the input and its output.

    Returns
    -------
    Dataset
        Dim ``pair``, sorted, with ``pair_input`` and ``pair_output``; ``n_target``, ``n_rest`` (tokens),
        ``sources_target``, ``sources_rest`` int64, ``sufficient`` bool. The rest of ``t=>ծ`` is all other tokens with
        input ``t``.

    Examples
    --------
    >>> pairs = candidate_pairs(acts)                                      # doctest: +SKIP
    >>> pairs.pair.values[pairs.sufficient]                                # doctest: +SKIP
    """
    from interp import measure

    return count_sides(measure("labels", source, labels=tuple(labels)), tuple(labels), min_tokens, min_sources)


def count_sides(counted: xr.Dataset, labels: tuple[str, ...], min_tokens: int, min_sources: int = 0) -> xr.Dataset:
    """Return the Dataset of `candidate_pairs` from a result of the reducer ``labels``."""
    import xarray as xr

    inputs, outputs = (counted[name].values for name in labels)
    _, input_of = np.unique(inputs, return_inverse=True)
    tokens, sources = counted.tokens.values, counted.sources.values
    n_rest = np.bincount(input_of, tokens, len(input_of)).astype(np.int64)[input_of] - tokens
    sources_rest = _count_rest_sources(input_of, counted.occurrence_row.values, counted.occurrence_source.values)
    data = dict(zip(SIDE_COUNTS, (tokens, n_rest, sources, sources_rest), strict=True))
    smaller_sources = np.minimum(sources, sources_rest)
    data["sufficient"] = (np.minimum(tokens, n_rest) >= min_tokens) & (smaller_sources >= min_sources)
    names = [f"{a}=>{b}" for a, b in zip(inputs.tolist(), outputs.tolist(), strict=True)]
    coords = {"pair": names, "pair_input": ("pair", inputs), "pair_output": ("pair", outputs)}
    return xr.Dataset({name: ("pair", values) for name, values in data.items()}, coords)


def _count_rest_sources(input_of: np.ndarray, rows: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return for each row the number of sources in which its input has another output.

    Parameters
    ----------
    input_of : array (row,) of int
        Index of the input of each row.
    rows, sources : array (occurrence,) of int
        The distinct combinations of row and source.
    """
    keys = np.stack([input_of[rows], sources])
    distinct, inverse, n_outputs = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
    sources_of_input = np.bincount(distinct[0], minlength=input_of.size)
    only_this_row = np.bincount(rows[n_outputs[inverse] == 1], minlength=input_of.size)
    return np.asarray(sources_of_input[input_of] - only_this_row)


def select_pairs(
    sides: xr.Dataset, requested: Sequence[str] | None, min_tokens: int, min_sources: int = 0
) -> tuple[xr.Dataset, dict[str, str]]:
    """Return the pairs with enough tokens and sources on both sides, and the reasons why others were left out.

    Reasons are given for requested pairs; with ``min_sources`` for every pair that was left out.

    Raises
    ------
    UnknownNameError
        For a requested pair that does not occur.
    OptionError
        If no pair is left.
    """
    names = sides.pair.values.tolist()
    for name in requested or ():
        if name not in names:
            raise UnknownNameError(
                f"No token has the labels of pair {name!r}. The most frequent pairs: {_largest_pairs(sides)}."
            )
    candidates = sides.sel(pair=list(dict.fromkeys(requested))) if requested is not None else sides
    selected = candidates.isel(pair=np.flatnonzero(candidates.sufficient.values))
    if not selected.sizes["pair"]:
        also = f" and {min_sources} sources" if min_sources else ""
        option = f"min_tokens={min_tokens}" + (f", min_sources={min_sources}" if min_sources else "")
        largest = f"The largest pairs, target / rest: {_largest_pairs(candidates, bool(min_sources))}."
        raise OptionError(f"No pair has {min_tokens} tokens{also} on each side ({option}). {largest}")
    explained = requested is not None or min_sources
    left = candidates.isel(pair=np.flatnonzero(~candidates.sufficient.values) if explained else [])
    return selected, {str(one.pair.item()): _reason(one, min_tokens, min_sources) for one in _each_pair(left)}


def _each_pair(sides: xr.Dataset) -> list[xr.Dataset]:
    return [sides.isel(pair=index) for index in range(sides.sizes["pair"])]


def _reason(pair: xr.Dataset, min_tokens: int, min_sources: int) -> str:
    """Return why a pair was left out: ``209 / 986 tokens, under 210``."""
    tokens = f"{_format_tokens(pair)} tokens, under {min_tokens}"
    if not min_sources:
        return tokens
    sources = f"{_format_sources(pair)}, under {min_sources}"
    reasons = [tokens] if min(int(pair.n_target), int(pair.n_rest)) < min_tokens else []
    reasons += [sources] if min(int(pair.sources_target), int(pair.sources_rest)) < min_sources else []
    return "; ".join(reasons)


def _largest_pairs(sides: xr.Dataset, with_sources: bool = False) -> str:
    """Return the pairs whose smaller side has the most tokens, with their counts, for an error message."""
    smaller = np.minimum(sides.n_target.values, sides.n_rest.values)
    largest = sides.isel(pair=np.argsort(-smaller, kind="stable")[:MAX_EXAMPLES])
    counts = [
        f"{_format_tokens(one)}, {_format_sources(one)}" if with_sources else _format_tokens(one)
        for one in _each_pair(largest)
    ]
    return ", ".join(f"{name} ({n})" for name, n in zip(largest.pair.values, counts, strict=True)) or "there are none"


def _format_tokens(pair: xr.Dataset) -> str:
    return f"{int(pair.n_target)} / {int(pair.n_rest)}"


def _format_sources(pair: xr.Dataset) -> str:
    return f"{int(pair.sources_target)} / {int(pair.sources_rest)} sources"
