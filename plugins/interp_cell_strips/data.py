"""What the strips show, as a dataset: characters, units, values, scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, one_unit, pick
from interp_cell_strips.windows import by_source, limited, occurrences, runs, windows, wrapped

if TYPE_CHECKING:
    import xarray as xr

MAX_CHARACTERS, MAX_UNITS, MAX_CELLS = 400, 12, 4000
GATES = ("i", "f", "o", "r", "z")  # in 0..1 by their function; everything else is signed
COVERED = 99.5
PARTS = 240  # of the text, in the map of all of it


def chosen_units(acts: xr.Dataset, units: str | Sequence[str]) -> xr.Dataset:
    """Return the activations of the named units, in that order.

    Raises
    ------
    OptionError
        None, or more than `MAX_UNITS`.
    UnknownNameError
        A unit that was not captured.
    """
    names = [units] if isinstance(units, str) else [str(unit) for unit in units]
    if not 1 <= len(names) <= MAX_UNITS:
        first = str(acts["unit"].values[0]) if acts.sizes["unit"] else "lstm.0.forward.h.0"
        raise OptionError(f"Cell strips show 1 to {MAX_UNITS} units; got {len(names)}. Type units=[{first!r}, …].")
    for name in names:
        one_unit(acts, name)
    return acts.sel(unit=names)


def ranges(values: np.ndarray, groups: Sequence[Any], gates: np.ndarray) -> np.ndarray:
    """Return the value that gets the full colour, per unit: 1 for gates, else 99.5 % of |x| over the group's values.

    Parameters
    ----------
    values : array (token, unit)
        All that was captured of the units.
    groups : sequence (unit,)
        Units of one group share a range, so that their colours compare.
    gates : boolean array (unit,)
        Which units lie in 0..1 by nature.
    """
    full = np.ones(values.shape[1])
    keys = np.unique(np.array([str(group) for group in groups]), return_inverse=True)[1]
    for key in np.unique(keys[~gates]):
        same = (keys == key) & ~gates
        size = _sizes(values, np.flatnonzero(same))
        full[same] = (np.percentile(size, COVERED, overwrite_input=True) if size.size else 0.0) or 1.0
    return full


def _sizes(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the finite |x| of some columns, one after the other: they may be long."""
    held, used = np.empty(len(values) * columns.size, values.dtype), 0
    for at in columns.tolist():
        finite = values[:, at][np.isfinite(values[:, at])]
        np.abs(finite, out=held[used : used + finite.size])
        used += finite.size
    return held[:used]


def characters(
    acts: xr.Dataset, around: str, context: int, columns: int, most: int
) -> tuple[list[list[int]], np.ndarray]:
    """Return the lines of token positions (-1 a gap), and which tokens stand inside ``around``: boolean (token,).

    Raises
    ------
    OptionError
        When no text is left to show.
    """
    inputs = acts["input"].values.astype(str)
    spaces, inside = np.isin(inputs, [" ", "\n"]), np.zeros(inputs.size, bool)
    pieces = []
    for run in runs(acts["sample"].values, acts["step"].values):
        found = occurrences(inputs[run].tolist(), around) if around else []
        for first, last in found:
            inside[run[first:last]] = True
        spans = windows(found, spaces[run], context) if around else [(0, run.size)]
        pieces += [run[low:high] for low, high in spans]
    if not pieces:
        what = f"no text with {around!r}" if around else "no text"
        raise OptionError(
            f"There is {what} in these {acts.sizes['token']:,} tokens. Type another around=, samples= or sources=."
        )
    shown = limited(by_source(pieces, acts["source"].values), most)
    return wrapped(shown, spaces, columns), inside


def strips(
    acts: xr.Dataset,
    units: str | Sequence[str],
    around: str,
    context: int,
    columns: int,
    limit: int,
    samples: Sequence[int] | None,
    sources: Sequence[int] | None,
    predictions: int,
) -> xr.Dataset:
    """Return what is shown.

    Returns
    -------
    Dataset
        ``activation (character, unit)`` and ``full (unit,)``, the value of the full colour; coords of ``character``:
        the labels of its token, ``line``, ``column`` and ``inside``. Where output units were captured, ``guess`` and
        ``chance (character, rank)``; where not all tokens are shown, what `pooled` tells of the whole text.
    """
    shown = chosen_units(acts, units).assign_coords(position=("token", np.arange(acts.sizes["token"])))
    values, quantity = shown["activation"].values, shown["quantity"].values.astype(str)
    groups = list(zip(shown["module"].values.tolist(), quantity.tolist(), strict=True))
    full = ranges(values, groups, np.isin(quantity, GATES))
    wanted = {name: list(value) for name, value in (("sample", samples), ("source", sources)) if value is not None}
    shown, outputs = pick(shown, **wanted), output_units(acts)
    top = min(predictions, outputs.size)
    most = min(limit, MAX_CHARACTERS, MAX_CELLS // (shown.sizes["unit"] + 2 + top))
    lines, inside = characters(shown, around, context, columns, most)
    laid = laid_out(shown.assign_coords(inside=("token", inside)), lines).load().assign(full=("unit", full))
    there = shown["position"].values[inside]
    laid = laid.assign(pooled(values, full, laid["position"].values, there))
    return laid.assign(guessed(acts, outputs, laid, top)) if top else laid


def guessed(acts: xr.Dataset, outputs: np.ndarray, laid: xr.Dataset, n: int) -> dict[str, Any]:
    """Return ``guess`` and ``chance (character, rank)``; the likeliest one is left out where it is the output shown."""
    logits = acts["activation"].isel(unit=outputs, token=laid["position"].values).values
    guess, chance = likeliest(logits, acts["symbol"].values.astype(str)[outputs], n)
    said = laid["predicted"].values.astype(str) if "predicted" in laid.coords else None
    first = int(said is not None and bool((guess[:, 0] == said).all()))
    kept = (("character", "rank"), guess[:, first:]), (("character", "rank"), chance[:, first:])
    return {"guess": kept[0], "chance": kept[1], "rank": ("rank", np.arange(first, guess.shape[1]) + 1)}


def output_units(acts: xr.Dataset) -> np.ndarray:
    """Return the positions of the units that stand for a symbol, of the last module that has any."""
    named = np.flatnonzero(acts["symbol"].values.astype(str) != "")
    modules = acts["module"].values[named]
    return named[modules == modules[-1]] if named.size else named


def likeliest(logits: np.ndarray, symbols: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``n`` likeliest symbols of each row and their chances, of a softmax over all: arrays (row, n).

    Parameters
    ----------
    logits : array (row, symbol)
        A row with NaN has chances of NaN.
    symbols : array (symbol,) of str
    n : int
        At most the number of symbols.
    """
    odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    chance = odds / odds.sum(axis=1, keepdims=True)
    order = np.argsort(-np.nan_to_num(chance), axis=1, kind="stable")[:, :n]
    return symbols[order], np.take_along_axis(chance, order, axis=1)


def pooled(
    values: np.ndarray, full: np.ndarray, positions: np.ndarray, found: np.ndarray, most: int = PARTS
) -> dict[str, Any]:
    """Return of each part of the text what is largest, the mean, and whether it is shown; {} where all of it is shown.

    Parameters
    ----------
    values : array (token, unit)
        NaN counts as 0.
    full : array (unit,)
        The value of the full colour.
    positions, found : array of int
        Which tokens are shown, and which stand in the text that was asked for.
    most : int
        Parts.

    Returns
    -------
    dict
        ``largest`` and ``typical (unit, part)``, |x| in shares of the full colour, at most 1; ``seen`` and ``found
        (part)``, of bool.
    """
    n = len(values)
    if np.unique(positions).size >= n:
        return {}
    starts = np.unique(np.arange(most) * n // most)
    units = [_parts(column, top, starts) for column, top in zip(values.T, full.tolist(), strict=True)]
    largest, typical = (np.array(side).reshape(-1, starts.size) for side in zip(*units, strict=True))
    data: dict[str, Any] = {"largest": (("unit", "part"), largest), "typical": (("unit", "part"), typical)}
    for name, places in (("seen", positions), ("found", found)):
        held = np.zeros(starts.size, bool)
        held[np.searchsorted(starts, places, side="right") - 1] = True
        data[name] = ("part", held)
    return data


def _parts(column: np.ndarray, full: float, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest and the mean share of the full colour in each part of a column."""
    share = np.nan_to_num(np.abs(column / full), copy=False).clip(0, 1)
    size = np.diff(np.append(starts, share.size))
    return np.maximum.reduceat(share, starts), np.add.reduceat(share, starts, dtype=float) / size


def laid_out(acts: xr.Dataset, lines: Sequence[Sequence[int]]) -> xr.Dataset:
    """Return the tokens on some lines (-1 a gap) as dim ``character``, with coords ``line`` and ``column``."""
    places = [(at, row, column) for row, line in enumerate(lines) for column, at in enumerate(line) if at >= 0]
    token, line, column = (np.array(part, dtype=int) for part in zip(*places, strict=True))
    cut = acts.isel(token=token).rename({"token": "character"})
    return cut.assign_coords(line=("character", line), column=("character", column))
