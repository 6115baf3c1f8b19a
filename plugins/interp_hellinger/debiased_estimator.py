"""The debiased estimator: counts per source group and permutation, and the distances, intervals and tests from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp import InterpError
from interp.statistics import fdr, jackknife, jackknife_interval, parallel_over_units
from interp_hellinger.bin_edges_pass import match_tokens
from interp_hellinger.count_layout import GROUPS, bytes_per_token, table_sizes, token_keys
from interp_hellinger.counters import SOURCE_CHANGED, check_finite, count_dtype
from interp_hellinger.method_text import method_text, resolution_text
from interp_hellinger.options import HellingerOptions
from interp_hellinger.pairs import SIDE_COUNTS
from interp_hellinger.significance import max_statistic_pvalues, pooled_pvalues, signed_root, standardise

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
PAIR_COORDS = ("pair", "pair_input", "pair_output")
PAIR_VARIABLES = (*SIDE_COUNTS, "bins")
TABLES = ("token_key", "position", "class_of", "group", "permuted_bits", "plan")
OVER_ALL_UNITS = {"depends_on_all": "unit"}
UNIT_BLOCK = 256  # units whose permutations are held in float64 at once
DETECTION_QUANTILE = 0.999  # of the null distribution, which `detectable_distance` exceeds


def init_counts(options: HellingerOptions, units: xr.Dataset, tokens: xr.Dataset, edges: xr.Dataset) -> State:
    """Return zero counts for each unit: inputs x (group, class, bin), and inputs x (bin, class, permutation).

    Parameters
    ----------
    options : HellingerOptions
    units : Dataset
        Coords of the units.
    tokens, edges : Dataset
        Results of the reducers ``hellinger-tokens`` and ``hellinger-edges``.
    """
    names = (*PAIR_COORDS, *PAIR_VARIABLES, *TABLES)
    state = {name: tokens[name].values for name in names} | {"edge": edges["edge"].values}
    state["pairs"] = np.stack([tokens[name].values for name in ("input_index", "class_index", "bins")], axis=1)
    _, n_counts, n_null = table_sizes(state["plan"], options.n_permutations)
    by_group = tokens["tokens"].values
    max_count = int(by_group.max())
    max_null = int(np.sort(by_group.sum(axis=2), axis=1)[:, -2].max())  # the largest class is not counted
    state["group_present"] = by_group.sum(axis=1)[state["pairs"][:, 0]].T > 0
    n_units = units.sizes["unit"]
    state["counts"] = np.zeros((n_units, n_counts), count_dtype(max_count))
    state["null"] = np.zeros((n_units, n_null), count_dtype(max_null))
    state |= {"not_finite": np.zeros(n_units, bool), "seen": np.zeros(1, np.int64)}
    state |= {"unit": units["unit"].values, "quantity": units["quantity"].values}
    return state | {"skipped": np.array(tokens.attrs["skipped"])}


def count_chunk(options: HellingerOptions, state: State, chunk: xr.Dataset) -> State:
    """Count the tokens of the chunk."""
    from interp_hellinger.compiled import count_tokens

    keys = token_keys(chunk["sample"].values, chunk["step"].values)
    rows, positions = match_tokens(state["token_key"], state["position"], keys)
    if rows.size:
        bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").view(np.uint64)
        tables = (state[name] for name in ("plan", "edge", "class_of", "group", "permuted_bits"))
        sums = (state[name] for name in ("counts", "null", "not_finite"))
        values, n_bytes = chunk.activation.values, bytes_per_token(options.n_permutations)
        parallel_over_units(count_tokens, values.shape[1], values, rows, positions, *tables, bits[:, 0], n_bytes, *sums)
        check_finite(state["unit"], state["not_finite"])
    state["seen"] += rows.size
    return state


def merge_counts(a: State, b: State) -> State:
    """Return the sum of the counts; the arrays of ``a`` are reused."""
    for name in ("counts", "null", "not_finite", "seen"):
        a[name] += b[name]
    return a


def estimates_from_counts(options: HellingerOptions, state: State) -> xr.Dataset:
    """Return D, AUC, the leave-one-group-out values of D and the permutation z-scores of each unit and pair."""
    import xarray as xr

    if state["seen"][0] != state["position"].size:
        raise InterpError(SOURCE_CHANGED)
    starts = range(0, len(state["counts"]), UNIT_BLOCK)
    blocks = [_block_estimates(options, state, slice(start, start + UNIT_BLOCK)) for start in starts]
    out, z, null_z, null_sd = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    cell = ("unit", "pair")
    by_cell = {"estimate_full": out[..., 0], "auc": out[..., 1], "z": z, "null_sd": null_sd}
    data: dict[str, Any] = {name: (cell, values) for name, values in by_cell.items()}
    data |= {name: ("pair", state[name]) for name in PAIR_VARIABLES}
    data |= {"estimate_leave_out": (("group", *cell), np.moveaxis(out[..., 2:], -1, 0))}
    data |= {"group_present": (("group", "pair"), state["group_present"])}
    data |= {"null_z": ((*cell, "permutation"), null_z)}
    coords: dict[str, Any] = {name: ("pair", state[name]) for name in PAIR_COORDS}
    coords |= {"unit": state["unit"], "quantity": ("unit", state["quantity"])}
    return xr.Dataset(data, coords, {"skipped": str(state["skipped"])})


def _block_estimates(options: HellingerOptions, state: State, span: slice) -> tuple[np.ndarray, ...]:
    """Return for a block of units: D, AUC and D without each group; z; z of each permutation; their sd."""
    from interp_hellinger.compiled import compare_pairs

    counts, null = state["counts"][span], state["null"][span]
    shape = len(counts), state["pair"].size
    out, permuted = np.empty((*shape, 2 + GROUPS)), np.empty((*shape, options.n_permutations))
    sizes = bytes_per_token(options.n_permutations), options.n_permutations
    parallel_over_units(compare_pairs, shape[0], state["plan"], state["pairs"], counts, null, *sizes, out, permuted)
    z, null_z, null_sd = standardise(out[..., 0], permuted)
    return out, z, null_z.astype(np.float32), null_sd


def add_significance(options: HellingerOptions, estimates: xr.Dataset) -> xr.Dataset:
    """Return distances with confidence intervals, and p, q and ``selective`` over all units and pairs.

    Parameters
    ----------
    options : HellingerOptions
    estimates : Dataset
        Result of `estimates_from_counts`, with the units of all blocks.
    """
    import xarray as xr

    cell = ("unit", "pair")
    group_present, quantities = estimates["group_present"].values, estimates["quantity"].values
    full, leave_out = estimates["estimate_full"].values, estimates["estimate_leave_out"].values
    z, null_z = estimates["z"].values, estimates["null_z"].values
    squared, ci_low, ci_high = debiased_estimates(full, leave_out, group_present)
    p, null_size = pooled_pvalues(z, null_z, quantities)
    q = fdr(p, options.correction)
    selective = (q < options.alpha) & (signed_root(ci_low) >= options.min_distance)
    roots = {"distance": squared, "ci_low": ci_low, "ci_high": ci_high}
    data: dict[str, Any] = {name: (cell, signed_root(values)) for name, values in roots.items()}
    data |= {"auc": estimates["auc"].variable, "p": (cell, p, OVER_ALL_UNITS), "q": (cell, q, OVER_ALL_UNITS)}
    data |= {"selective": (cell, selective, OVER_ALL_UNITS), "p_maxstat": ("pair", max_statistic_pvalues(z, null_z))}
    data |= {"detectable_distance": ("pair", _detectable_distance(estimates["null_sd"].values, null_z))}
    data |= {name: estimates[name].variable for name in PAIR_VARIABLES} | {"groups": ("pair", group_present.sum(0))}
    if options.return_jackknife:
        data |= {name: estimates[name].variable for name in ("estimate_full", "estimate_leave_out")}
    resolution = resolution_text(p, null_size, quantities, options.alpha)
    result = xr.Dataset(data).assign_coords(estimates.coords)
    attrs = {"method": method_text(options, result, resolution), "resolution": resolution}
    return result.assign_attrs(estimates.attrs | attrs)


def debiased_estimates(
    full: np.ndarray, leave_out: np.ndarray, group_present: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return D corrected for bias by the delete-a-group jackknife, and the two ends of its interval.

    Parameters
    ----------
    full : array (..., pair)
        D of all tokens, 0 to 1.
    leave_out : array (group, ..., pair)
        D without each group; NaN if a side has no tokens left.
    group_present : array (group, pair) of bool
        Groups that have tokens of the pair's input.

    Returns
    -------
    estimate, ci_low, ci_high : array (..., pair)
        At most 1. NaN if one group contains all tokens of a side; the ends also with fewer than 10 groups.
    """
    estimate, error = np.full(full.shape, np.nan), np.full(full.shape, np.nan)
    for pair in range(full.shape[-1]):
        present = leave_out[group_present[:, pair], ..., pair]
        if len(present) > 1:
            estimate[..., pair], error[..., pair] = jackknife(full[..., pair], present)
    ci_low, ci_high = jackknife_interval(estimate, error, group_present.sum(axis=0))
    return np.minimum(estimate, 1.0), np.minimum(ci_low, 1.0), np.minimum(ci_high, 1.0)


def _detectable_distance(null_sd: np.ndarray, null_z: np.ndarray) -> np.ndarray:
    """Return for each pair the distance whose D exceeds 999 of 1,000 permutations in the median unit.

    Parameters
    ----------
    null_sd : array (unit, pair)
        Standard deviation of D under permutation; 0 for constant units, which are left out.
    null_z : array (unit, pair, permutation)
    """
    result = np.full(null_sd.shape[1], np.nan)
    for pair in range(result.size):
        null = null_z[:, pair][np.isfinite(null_z[:, pair])]
        if null.size:
            median_sd = np.median(null_sd[null_sd[:, pair] > 0, pair])
            result[pair] = np.sqrt(np.quantile(null, DETECTION_QUANTILE) * median_sd)
    return np.asarray(np.minimum(result, 1.0))
