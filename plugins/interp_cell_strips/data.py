"""Data of the strips, as a dataset: characters, units, values and scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, select
from interp.plotting import SIGMOID_GATES, select_unit
from interp_cell_strips.line_wrapping import (
    context_windows,
    find_occurrences,
    interleave_sources,
    limit_tokens,
    text_runs,
    wrap_lines,
)

if TYPE_CHECKING:
    import xarray as xr

MAX_CHARACTERS, MAX_UNITS, MAX_CELLS = 400, 12, 4000
PERCENTILE = 99.5  # of |x|, at the full colour
N_PARTS = 240  # of the text, in the map of the whole text


def select_units(acts: xr.Dataset, units: str | Sequence[str]) -> xr.Dataset:
    """Return the activations of the named units, in that order.

    Raises
    ------
    OptionError
        If there is no name, or more than `MAX_UNITS`.
    UnknownNameError
        If a unit was not captured.
    """
    names = [units] if isinstance(units, str) else [str(unit) for unit in units]
    if not 1 <= len(names) <= MAX_UNITS:
        first = str(acts["unit"].values[0]) if acts.sizes["unit"] else "lstm.0.forward.h.0"
        raise OptionError(f"Cell strips show 1 to {MAX_UNITS} units; got {len(names)}. Type units=[{first!r}, …].")
    for name in names:
        select_unit(acts, name)
    return acts.sel(unit=names)


def scale_limits(values: np.ndarray, groups: Sequence[Any], gates: np.ndarray) -> np.ndarray:
    """Return the value at the full colour, per unit: 1 for gates, else the 99.5th percentile of |x| in the group.

    Parameters
    ----------
    values : array (token, unit)
        All captured values of the units.
    groups : sequence (unit,)
        Units of one group share a scale, so that their colours are comparable.
    gates : boolean array (unit,)
        True for units that are in 0..1 by definition.
    """
    limits = np.ones(values.shape[1])
    keys = np.unique(np.array([str(group) for group in groups]), return_inverse=True)[1]
    for key in np.unique(keys[~gates]):
        same = (keys == key) & ~gates
        sizes = _finite_sizes(values, np.flatnonzero(same))
        limits[same] = (np.percentile(sizes, PERCENTILE, overwrite_input=True) if sizes.size else 0.0) or 1.0
    return limits


def _finite_sizes(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the finite |x| of some columns. Works column by column, because they may be long."""
    sizes, n = np.empty(len(values) * columns.size, values.dtype), 0
    for at in columns.tolist():
        finite = values[:, at][np.isfinite(values[:, at])]
        np.abs(finite, out=sizes[n : n + finite.size])
        n += finite.size
    return sizes[:n]


def select_characters(
    acts: xr.Dataset, around: str, context: int, line_width: int, max_characters: int
) -> tuple[list[list[int]], np.ndarray]:
    """Return lines of token positions (-1 for a gap), and a mask of the tokens inside ``around``: boolean (token,).

    Raises
    ------
    OptionError
        If there is no text to show.
    """
    inputs = acts["input"].values.astype(str)
    spaces, inside = np.isin(inputs, [" ", "\n"]), np.zeros(inputs.size, bool)
    pieces = []
    for run in text_runs(acts["sample"].values, acts["step"].values):
        matches = find_occurrences(inputs[run].tolist(), around) if around else []
        for first, last in matches:
            inside[run[first:last]] = True
        ranges = context_windows(matches, spaces[run], context) if around else [(0, run.size)]
        pieces += [run[low:high] for low, high in ranges]
    if not pieces:
        text = f"no text with {around!r}" if around else "no text"
        raise OptionError(
            f"There is {text} in these {acts.sizes['token']:,} tokens. Type another around=, samples= or sources=."
        )
    selected = limit_tokens(interleave_sources(pieces, acts["source"].values), max_characters)
    return wrap_lines(selected, spaces, line_width), inside


def strips_dataset(
    acts: xr.Dataset,
    units: str | Sequence[str],
    around: str,
    context: int,
    line_width: int,
    max_characters: int,
    samples: Sequence[int] | None,
    sources: Sequence[int] | None,
    n_predictions: int,
) -> xr.Dataset:
    """Return the characters to draw, with the activations of the units.

    Returns
    -------
    Dataset
        ``activation (character, unit)`` and ``scale_max (unit,)``, the value at the full colour; coords of
        ``character``: the labels of its token, ``line``, ``column`` and ``inside`` (bool, inside ``around``). If output
        units were captured, also ``likely_output`` and ``probability (character, rank)``. Unless all tokens are
        shown, also the variables of `summarise_parts`.
    """
    selected = select_units(acts, units).assign_coords(position=("token", np.arange(acts.sizes["token"])))
    values, quantity = selected["activation"].values, selected["quantity"].values.astype(str)
    groups = list(zip(selected["module"].values.tolist(), quantity.tolist(), strict=True))
    limits = scale_limits(values, groups, np.isin(quantity, SIGMOID_GATES))
    labels = {name: list(value) for name, value in (("sample", samples), ("source", sources)) if value is not None}
    selected, outputs = select(selected, **labels), output_units(acts)
    n_ranks = min(n_predictions, outputs.size)
    max_characters = min(max_characters, MAX_CHARACTERS, MAX_CELLS // (selected.sizes["unit"] + 2 + n_ranks))
    lines, inside = select_characters(selected, around, context, line_width, max_characters)
    strips = lay_out_lines(selected.assign_coords(inside=("token", inside)), lines).load()
    strips = strips.assign(scale_max=("unit", limits))
    matches = selected["position"].values[inside]
    strips = strips.assign(summarise_parts(values, limits, strips["position"].values, matches))
    return strips.assign(rank_outputs(acts, outputs, strips, n_ranks)) if n_ranks else strips


def rank_outputs(acts: xr.Dataset, outputs: np.ndarray, strips: xr.Dataset, n: int) -> dict[str, Any]:
    """Return ``likely_output`` and ``probability (character, rank)``, without rank 1 if it is the displayed output."""
    logits = acts["activation"].isel(unit=outputs, token=strips["position"].values).values
    symbols, probabilities = most_likely(logits, acts["symbol"].values.astype(str)[outputs], n)
    predicted = strips["predicted"].values.astype(str) if "predicted" in strips.coords else None
    first = int(predicted is not None and bool((symbols[:, 0] == predicted).all()))
    return {
        "likely_output": (("character", "rank"), symbols[:, first:]),
        "probability": (("character", "rank"), probabilities[:, first:]),
        "rank": ("rank", np.arange(first, symbols.shape[1]) + 1),
    }


def output_units(acts: xr.Dataset) -> np.ndarray:
    """Return the positions of the units with a symbol, in the last module that has any."""
    positions = np.flatnonzero(acts["symbol"].values.astype(str) != "")
    modules = acts["module"].values[positions]
    return positions[modules == modules[-1]] if positions.size else positions


def most_likely(logits: np.ndarray, symbols: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``n`` most likely symbols of each row and their softmax probabilities: arrays (row, n).

    Parameters
    ----------
    logits : array (row, symbol)
        Logits. The probabilities of a row with NaN are NaN.
    symbols : array (symbol,) of str
        Symbol of each column.
    n : int
        At most the number of symbols.
    """
    odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probability = odds / odds.sum(axis=1, keepdims=True)
    order = np.argsort(-np.nan_to_num(probability), axis=1, kind="stable")[:, :n]
    return symbols[order], np.take_along_axis(probability, order, axis=1)


def summarise_parts(
    values: np.ndarray, limits: np.ndarray, positions: np.ndarray, matches: np.ndarray, n_parts: int = N_PARTS
) -> dict[str, Any]:
    """Return the maximum and mean of each part of the text, and the parts that are shown; {} if all of it is shown.

    Parameters
    ----------
    values : array (token, unit)
        NaN counts as 0.
    limits : array (unit,)
        Value at the full colour.
    positions, matches : array of int
        Positions of the tokens that are shown, and of those in the text that was searched for.
    n_parts : int
        Number of parts.

    Returns
    -------
    dict
        ``max_share`` and ``mean_share (unit, part)``, |x| as a share of the full colour, at most 1; ``is_shown`` and
        ``is_match (part)``, bool.
    """
    n = len(values)
    if np.unique(positions).size >= n:
        return {}
    starts = np.unique(np.arange(n_parts) * n // n_parts)
    units = [_part_shares(column, limit, starts) for column, limit in zip(values.T, limits.tolist(), strict=True)]
    largest, mean = (np.array(side).reshape(-1, starts.size) for side in zip(*units, strict=True))
    data: dict[str, Any] = {"max_share": (("unit", "part"), largest), "mean_share": (("unit", "part"), mean)}
    for name, tokens in (("is_shown", positions), ("is_match", matches)):
        mask = np.zeros(starts.size, bool)
        mask[np.searchsorted(starts, tokens, side="right") - 1] = True
        data[name] = ("part", mask)
    return data


def _part_shares(column: np.ndarray, limit: float, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest and the mean share of the full colour in each part of a column."""
    share = np.nan_to_num(np.abs(column / limit), copy=False).clip(0, 1)
    size = np.diff(np.append(starts, share.size))
    return np.maximum.reduceat(share, starts), np.add.reduceat(share, starts, dtype=float) / size


def lay_out_lines(acts: xr.Dataset, lines: Sequence[Sequence[int]]) -> xr.Dataset:
    """Return the tokens of some lines (-1 for a gap) as dim ``character``, with coords ``line`` and ``column``."""
    cells = [(at, row, column) for row, line in enumerate(lines) for column, at in enumerate(line) if at >= 0]
    token, line, column = (np.array(part, dtype=int) for part in zip(*cells, strict=True))
    text = acts.isel(token=token).rename({"token": "character"})
    return text.assign_coords(line=("character", line), column=("character", column))
