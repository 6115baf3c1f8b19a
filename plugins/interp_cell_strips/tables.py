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
        size = np.abs(values[:, (keys == key) & ~gates])
        size = size[np.isfinite(size)]
        full[(keys == key) & ~gates] = (np.percentile(size, COVERED) if size.size else 0.0) or 1.0
    return full


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
) -> xr.Dataset:
    """Return what is shown.

    Returns
    -------
    Dataset
        ``activation (character, unit)`` and ``full (unit,)``, the value of the full colour; coords of ``character``:
        the labels of its token, ``line``, ``column`` and ``inside``.
    """
    shown = chosen_units(acts, units)
    quantity = shown["quantity"].values.astype(str)
    groups = list(zip(shown["module"].values.tolist(), quantity.tolist(), strict=True))
    full = ranges(shown["activation"].values, groups, np.isin(quantity, GATES))
    wanted = {name: list(value) for name, value in (("sample", samples), ("source", sources)) if value is not None}
    shown = pick(shown, **wanted)
    most = min(limit, MAX_CHARACTERS, MAX_CELLS // (shown.sizes["unit"] + 2))
    lines, inside = characters(shown, around, context, columns, most)
    return laid_out(shown.assign_coords(inside=("token", inside)), lines).load().assign(full=("unit", full))


def laid_out(acts: xr.Dataset, lines: Sequence[Sequence[int]]) -> xr.Dataset:
    """Return the tokens on some lines (-1 a gap) as dim ``character``, with coords ``line`` and ``column``."""
    places = [(at, row, column) for row, line in enumerate(lines) for column, at in enumerate(line) if at >= 0]
    token, line, column = (np.array(part, dtype=int) for part in zip(*places, strict=True))
    cut = acts.isel(token=token).rename({"token": "character"})
    return cut.assign_coords(line=("character", line), column=("character", column))
