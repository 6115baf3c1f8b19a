"""The honest mode: counts for each group of sources and under each shuffle, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp import InterpError, false_discovery, interval, jackknife, over_units
from interp_hellinger.bin_edges_pass import places_of
from interp_hellinger.count_layout import GROUPS, cells, token_keys, width
from interp_hellinger.method_text import method, resolution
from interp_hellinger.raw_estimator import CHANGED, COUNTS, NARROW, check_finite
from interp_hellinger.significance import largest, pooled, signed_root, standardised

if TYPE_CHECKING:
    import xarray as xr

    from interp_hellinger.hellinger import Hellinger

State = dict[str, np.ndarray]
PAIR = ("pair", "pair_input", "pair_output", *COUNTS, "bins")
TABLES = ("key", "place", "line_of", "group", "shuffled", "plan")
POOLED = {"across": "unit"}  # these hang on all units that were measured
BLOCK = 256  # units whose draws are held in float64 at once
ENOUGH = 0.999  # of the null law that `smallest` has to exceed


def start(probe: Hellinger, units: xr.Dataset, tokens: xr.Dataset, edges: xr.Dataset) -> State:
    """Return zeros for each unit: letters x (group, line, bin), and letters x (bin, line, draw)."""
    state = {name: tokens[name].values for name in (*PAIR, *TABLES)} | {"edge": edges["edge"].values}
    state["pairs"] = np.stack([tokens[name].values for name in ("letter", "line", "bins")], axis=1)
    _, counted, drawn = cells(state["plan"], probe.draws)
    tokens_of = tokens["tokens"].values
    most = int(tokens_of.max()), int(np.sort(tokens_of.sum(axis=2), axis=1)[:, -2].max())
    state["there"] = tokens_of.sum(axis=1)[state["pairs"][:, 0]].T > 0
    number = units.sizes["unit"]
    state["counts"] = np.zeros((number, counted), np.uint16 if most[0] < NARROW else np.uint32)
    state["null"] = np.zeros((number, drawn), np.uint16 if most[1] < NARROW else np.uint32)
    state |= {"odd": np.zeros(number, bool), "seen": np.zeros(1, np.int64)}
    state |= {"unit": units["unit"].values, "quantity": units["quantity"].values}
    return state | {"skipped": np.array(tokens.attrs["skipped"])}


def update(probe: Hellinger, state: State, chunk: xr.Dataset) -> State:
    """Count the tokens of the chunk."""
    from interp_hellinger.compiled import tally

    keys = token_keys(chunk["sample"].values, chunk["step"].values)
    rows, places = places_of(state["key"], state["place"], keys)
    if rows.size:
        spread = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").view(np.uint64)
        tables = (state[name] for name in ("plan", "edge", "line_of", "group", "shuffled"))
        sums = (state[name] for name in ("counts", "null", "odd"))
        values = chunk.activation.values
        over_units(tally, values.shape[1], values, rows, places, *tables, spread[:, 0], width(probe.draws), *sums)
        check_finite(state["unit"], state["odd"])
    state["seen"] += rows.size
    return state


def merge(a: State, b: State) -> State:
    """Return the sum of the counts, in the arrays of the first."""
    for name in ("counts", "null", "odd", "seen"):
        a[name] += b[name]
    return a


def finish(probe: Hellinger, state: State) -> xr.Dataset:
    """Return for each unit and pair D, its jackknife and its draws, before anything is said over all units."""
    import xarray as xr

    if state["seen"][0] != state["place"].size:
        raise InterpError(CHANGED)
    parts = [_weighed(probe, state, slice(at, at + BLOCK)) for at in range(0, len(state["counts"]), BLOCK)]
    out, z, drawn_z, spread = (np.concatenate(held) for held in zip(*parts, strict=True))
    cell, each = ("unit", "pair"), {"whole": out[..., 0], "auc": out[..., 1], "z": z, "spread": spread}
    data: dict[str, Any] = {name: (cell, held) for name, held in each.items()}
    data |= {name: ("pair", state[name]) for name in PAIR[3:]}
    data |= {"without": (("group", *cell), np.moveaxis(out[..., 2:], -1, 0))}
    data |= {"there": (("group", "pair"), state["there"])}
    data |= {"drawn_z": ((*cell, "draw"), drawn_z)}
    coords: dict[str, Any] = {name: ("pair", state[name]) for name in PAIR[:3]}
    coords |= {"unit": state["unit"], "quantity": ("unit", state["quantity"])}
    return xr.Dataset(data, coords, {"skipped": str(state["skipped"])})


def _weighed(probe: Hellinger, state: State, span: slice) -> tuple[np.ndarray, ...]:
    """Return D, AUC and D without each group, then z, z of each draw and the spread, of a block of units."""
    from interp_hellinger.compiled import weigh

    counts, null = state["counts"][span], state["null"][span]
    shape = len(counts), state["pair"].size
    out, drawn = np.empty((*shape, 2 + GROUPS)), np.empty((*shape, probe.draws))
    sizes = width(probe.draws), probe.draws
    over_units(weigh, shape[0], state["plan"], state["pairs"], counts, null, *sizes, out, drawn)
    z, drawn_z, spread = standardised(out[..., 0], drawn)
    return out, z, drawn_z.astype(np.float32), spread


def conclude(probe: Hellinger, found: xr.Dataset) -> xr.Dataset:
    """Return distances with their intervals, p, q and verdicts over all units and pairs."""
    import xarray as xr

    cell = ("unit", "pair")
    there = found["there"].values
    estimate, low, high = estimates(found["whole"].values, found["without"].values, there)
    z, drawn_z = found["z"].values, found["drawn_z"].values
    p, size = pooled(z, drawn_z, found["quantity"].values)
    q = false_discovery(p, probe.correction)
    knows = (q < probe.level) & (signed_root(low) >= probe.least)
    roots = {"distance": estimate, "low": low, "high": high}
    data: dict[str, Any] = {name: (cell, signed_root(held)) for name, held in roots.items()}
    data |= {"auc": found["auc"].variable, "p": (cell, p, POOLED), "q": (cell, q, POOLED)}
    data |= {"knows": (cell, knows, POOLED)}
    data |= {"p_max": ("pair", largest(z, drawn_z)), "smallest": ("pair", _smallest(found["spread"].values, drawn_z))}
    data |= {name: found[name].variable for name in PAIR[3:]} | {"groups": ("pair", there.sum(axis=0))}
    if probe.keep_groups:
        data |= {name: found[name].variable for name in ("whole", "without")}
    said = resolution(p, size, found["quantity"].values, probe.level)
    result = xr.Dataset(data).assign_coords(found.coords)
    return result.assign_attrs(found.attrs | {"method": method(probe, result, said), "resolution": said})


def estimates(whole: np.ndarray, without: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return D corrected for bias by the delete-a-group jackknife, and the two ends of its interval.

    Parameters
    ----------
    whole : array (..., pair)
        D, 0 to 1.
    without : array (group, ..., pair)
        D without each group; NaN where nothing is left of a side.
    there : array (group, pair) of bool
        Which groups have tokens at all.

    Returns
    -------
    estimate, low, high : array (..., pair)
        At most 1. NaN where a group holds all of a side; the ends also with under 10 groups.
    """
    estimate, error = np.full(whole.shape, np.nan), np.full(whole.shape, np.nan)
    for pair in range(whole.shape[-1]):
        held = without[there[:, pair], ..., pair]
        if len(held) > 1:
            estimate[..., pair], error[..., pair] = jackknife(whole[..., pair], held)
    low, high = interval(estimate, error, there.sum(axis=0))
    return np.minimum(estimate, 1.0), np.minimum(low, 1.0), np.minimum(high, 1.0)


def _smallest(spread: np.ndarray, drawn_z: np.ndarray) -> np.ndarray:
    """Return for each pair the distance whose D exceeds what 999 of 1,000 shuffles give to the median unit."""
    result = np.full(spread.shape[1], np.nan)
    for pair in range(result.size):
        law = drawn_z[:, pair][np.isfinite(drawn_z[:, pair])]
        if law.size:
            result[pair] = np.sqrt(np.quantile(law, ENOUGH) * np.median(spread[spread[:, pair] > 0, pair]))
    return np.asarray(np.minimum(result, 1.0))
