"""The probe ``unit-attribution``: what each unit, and each gate, carries to an output at a token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe
from interp_attribution.baselines import baselines_of
from interp_attribution.means import Means
from interp_attribution.numbers import source_means
from interp_attribution.paths import Path, around, carried
from interp_attribution.setting import Rows, Setting

if TYPE_CHECKING:
    import torch
    import xarray as xr

STEPS = 1 << 14  # of all rows at all nodes that are in memory at once, with every unit


@probe(requires=("source",))
def unit_attribution(
    acts: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    batches: Any = None,
    units: Any = None,
    offset: int | Sequence[int] = 0,
    seen_by: str = "state",
    rest: bool = False,
    target: str | int = "output",
    against: Sequence[str | int] | None = None,
    output: Callable[[Any], Any] | None = None,
    baseline: str = "sentences",
    sentences: int = 20,
    pool: Any = None,
    n_steps: int = 50,
    embedding: str = "",
    seed: int = 0,
) -> xr.Dataset:
    """Conductance of units for an output at each token: how much of its change along a path they carry.

    The input moves in a straight line from a baseline to what it is. A unit carries the integral of the gradient of
    the output with respect to it, times its own change (Dhamdhere, Sundararajan and Yan, "How important is a neuron?",
    2018). All units of all gates share one backward pass a node of the Gauss-Legendre rule.

    Parameters
    ----------
    acts : Dataset (token, unit)
        The tokens to explain: any part of a capture, such as ``interp.pick(acts, input="t", output="ծ")``.
    model, batches, target, against, output, baseline, sentences, pool, embedding, seed
        As of ``attribution``.
    units : str, sequence of str, mapping or Dataset, optional
        As of `interp.Leaves`, by default those of ``acts``.
    offset : int or sequence of int
        At which steps: 0 the token's own, -1 the one before.
    seen_by : {"state", "output"}
        ``state``: what a unit carries along all ways. ``output``: only through what reads ``h``, not through the
        recurrence.
    rest : bool
        Measure also what goes around these units, by a second pass in which they are held: is everything there?
    n_steps : int
        Nodes of the rule.

    Returns
    -------
    Dataset
        Dims ``token`` (with its labels), ``unit`` (with its labels, where ``acts`` has them) and, where several are
        asked for, ``offset``: ``conductance (token, offset, unit)``, NaN where a sample has no such step; ``mean``,
        ``low`` and ``high (offset, unit)``, the mean over sources of the mean over tokens with its 95 % interval by the
        jackknife. ``value``, ``baseline_value`` and ``baselines (token)`` as of ``attribution``. With ``rest``:
        ``rest (token)``, what the input gives while these units are held at what they are, and ``delta (token)``, the
        sum of conductances and rest minus ``value - baseline_value``: 0 where the units are a cut, of which none feeds
        another. Units of several steps, or ``c`` beside the gates that make it, are on the same ways: they are counted
        twice, and ``delta`` says so.

    Raises
    ------
    OptionError, UnknownNameError
        For options, tokens, units and shapes that do not fit.
    CaptureError
        For units of modules that can't be read.
    """
    setting = Setting(acts, model, batches, target, against, output, embedding)
    if n_steps < 2:
        raise OptionError(f"n_steps= must be at least 2; got {n_steps}.")
    path = Path(setting, names_of(acts, units), offsets_of(setting, offset), seen_by, n_steps)
    baselines = baselines_of(setting, baseline, sentences, pool, embedding, seed)
    found = Means(acts.sizes["token"])
    for rows in setting.rows(baselines, STEPS // n_steps):
        with rows.feed.looked_up():
            follow(path, rows, found, rest)
    return dataset(path, found, np.ndim(offset) > 0)


def names_of(acts: xr.Dataset, units: Any) -> Any:
    """Return the units that are asked for, as `interp.Leaves` takes them."""
    return [str(name) for name in acts["unit"].values] if units is None else units


def offsets_of(setting: Setting, offset: int | Sequence[int]) -> np.ndarray:
    """Return the offsets; `OptionError` where no token has one of them."""
    found = np.atleast_1d(np.asarray(offset))
    if found.dtype.kind not in "iu" or found.ndim > 1 or not found.size or len(np.unique(found)) < found.size:
        raise OptionError(f"offset= takes a number of steps, or several different ones; got {offset!r}.")
    lengths = setting.lengths
    for number in found.tolist():
        place = setting.step + number
        if not ((place >= 0) & (place < lengths)).any():
            raise OptionError(
                f"offset={number}: no token has such a step; their steps are {setting.step.min()} to "
                f"{setting.step.max()} in samples of up to {lengths.max()}."
            )
    return found.astype(np.int64)


def follow(path: Path, rows: Rows, found: Means, rest: bool) -> None:
    """Follow the path of some rows, and keep what comes out."""
    conductance, values, ends = carried(path, rows)
    for name, held in ends.items():
        found.add(name, rows.token, held)
    found.add("conductance", rows.token, conductance)
    if rest:
        found.add("rest", rows.token, around(path, rows, values))


def dataset(path: Path, found: Means, several: bool) -> xr.Dataset:
    """Return the result."""
    import xarray as xr

    acts, table = path.setting.acts, found.of("conductance")
    dims = ("token", "offset", "unit")
    mean = dict(zip(("mean", "low", "high"), source_means(table, acts["source"].values), strict=True))
    data: dict[str, Any] = {"conductance": (dims, table)} | {name: (dims[1:], held) for name, held in mean.items()}
    single: dict[str, Any] = {name: found.of(name) for name in found if name != "conductance"}
    if "rest" in single:
        change = single["value"] - single["baseline_value"]
        single["delta"] = np.nansum(table, (1, 2)) + single["rest"] - change
    single["baselines"] = found.counts["value"]
    data |= {name: ("token", held) for name, held in single.items()}
    coords: dict[str, Any] = {"unit": path.names, "offset": path.offsets}
    coords |= {str(name): held for name, held in acts.coords.items() if held.dims == ("token",)}
    if set(path.names) <= set(acts["unit"].values.tolist()):
        mine = acts.sel(unit=path.names)
        coords |= {str(name): held for name, held in mine.coords.items() if held.dims == ("unit",)}
    made = xr.Dataset(data, coords)
    return made if several else made.isel(offset=0)
