"""The probe ``mutual-information``: blocks of units over groups of tokens that share an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from interp import OptionError, SchemaError, probe, select
from interp.plotting import select_unit
from interp_information.estimators import MAX_NEAREST_TOKENS, check_options
from interp_information.permutation_test import smallest_q
from interp_information.token_groups import TokenGroup, conditional_groups, join_groups, sample_whole_sources
from interp_information.unit_blocks import COARSE_BINS, binned_information, nearest_neighbour_dataset

if TYPE_CHECKING:
    import xarray as xr

MAX_TOTAL_PERMUTATIONS = 10  # of all tokens together: their mean varies little over that many tokens


@probe(name="mutual-information", requires=("source",))
def mutual_information(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    strata: Sequence[str] = (),
    correction: str = "permutation",
    bins: int | None = None,
    estimator: str = "bins",
    units: Sequence[str] | None = None,
    min_tokens: int = 300,
    min_sources: int = 50,
    n_permutations: int = 100,
    n_neighbors: int = 3,
    seed: int = 0,
) -> xr.Dataset:
    """Mutual information of each unit with what an input becomes, in bits: I(unit; output | input), I(unit; output).

    The activations of a unit over the tokens of one input are cut into bins of equal mass. The information between bin
    and output is corrected once for bias. The conditional information is the mean over inputs, weighted by their
    tokens; inputs with a single output count as 0. Labels are permuted by source, within each input. Under the null
    hypothesis of z, p and q, a unit carries no information on the output given the input (and the ``strata``).

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``; in memory or lazy, read in blocks of units.
    labels : sequence of two str
        Coords of ``token``: the input and its output.
    strata : sequence of str
        Further coords to condition on, such as ``position``; labels are permuted within them.
    correction : {"permutation", "miller-madow"}
        Bias correction: subtract the mean over permutations by source, or a term from the number of filled cells.
    bins : int, optional
        Number of bins of equal mass, 2 to 255; equal values share a bin. By default 16, and 32 for groups with at least
        3,000 tokens of 300 sources.
    estimator : {"bins", "nearest"}
        ``nearest`` is the estimator of Ross (2014), without bias correction, p and q, for named units over at most
        10,000 tokens.
    units : sequence of str, optional
        Names of units; by default all.
    min_tokens, min_sources : int
        Minimum number of tokens and sources of an input; ``attrs["skipped"]`` (JSON) names inputs with fewer.
    n_permutations : int
        Number of permutations, at least 2; I(unit; output) uses at most 10.
    n_neighbors : int
        Number of neighbours of ``nearest``.
    seed : int
        Seed of the permutations.

    Returns
    -------
    Dataset
        ``information``, ``total`` (unit): I(unit; output | input), I(unit; output), over the same tokens.
        ``by_input`` (unit, group) and its upper bound ``entropy`` (group), for inputs with at least two outputs.
        ``p``, ``q`` (unit). ``n_tokens``, ``n_sources`` (group); ``tokens``, ``sources`` () in total.

    Raises
    ------
    OptionError
        For invalid option values, and if no input has enough tokens or two outputs.
    SchemaError
        For missing labels, activations that are not finite, and ties under ``nearest``.
    UnknownNameError
        For units that do not exist.
    """
    check_options(bins or COARSE_BINS, correction, n_permutations)
    _check_names(labels, strata, estimator, units)
    _check_labels(acts, (*labels, *strata))
    acts, use_bins = _select_units(acts, units), estimator == "bins"
    if not use_bins:
        acts = acts.isel(token=np.flatnonzero(sample_whole_sources(acts["source"].values, MAX_NEAREST_TOKENS)))
    conditions, n_permutations = (labels[0], *strata), n_permutations if use_bins else 0
    groups, skipped = conditional_groups(
        acts,
        conditions,
        labels[1],
        min_tokens=min_tokens,
        min_sources=min_sources,
        n_permutations=n_permutations,
        seed=seed,
    )
    n_total = min(n_permutations, MAX_TOTAL_PERMUTATIONS) if correction == "permutation" else 0
    whole = join_groups(acts, groups, labels[1], n_total, seed)
    informative = [group for group in groups if group.n_classes > 1]
    if use_bins:
        result = binned_information(acts, whole, informative, correction, bins)
    else:
        result = nearest_neighbour_dataset(acts, whole, informative, n_neighbors, seed)
    result = _with_coords(result, acts, groups, informative, conditions)
    attrs: dict[str, str | float] = {
        "method": _method_text(conditions, labels[1], result, estimator, correction, bins, n_permutations)
    }
    if use_bins:
        attrs["smallest_q"] = smallest_q(acts["quantity"].values, n_permutations)
    return result.assign_attrs(attrs | {"skipped": skipped})


def _check_names(labels: Sequence[str], strata: Sequence[str], estimator: str, units: Sequence[str] | None) -> None:
    """Raise `OptionError` for options that are not lists of names, and for an unknown estimator."""
    if isinstance(labels, str) or len(labels) != 2:
        raise OptionError(f"labels= takes two names of labels, such as ('input', 'output'); got {labels!r}.")
    for name, value in (("strata", strata), ("units", units)):
        if isinstance(value, str):
            raise OptionError(f"{name}= takes a list of names; got {value!r}: pass [{value!r}].")
    if estimator not in ("bins", "nearest"):
        raise OptionError(f"estimator= is 'bins' or 'nearest'; got {estimator!r}.")
    if estimator == "nearest" and not units:
        raise OptionError(
            f"estimator='nearest' is slow, so it takes named units over at most {MAX_NEAREST_TOKENS} tokens: pass "
            "units=[…]."
        )


def _check_labels(acts: xr.Dataset, names: Sequence[str]) -> None:
    """Raise `SchemaError` for a label that the activations do not have."""
    for name in names:
        if name not in acts.coords:
            available = ", ".join(str(coord) for coord, values in acts.coords.items() if values.dims == ("token",))
            raise SchemaError(
                f"Probe 'mutual-information' reads the label {name!r}; these activations have {available}."
            )


def _select_units(acts: xr.Dataset, units: Sequence[str] | None) -> xr.Dataset:
    for name in units or ():
        select_unit(acts, name)  # raises an error with similar names
    return acts if units is None else select(acts, unit=list(units))


def _with_coords(
    result: xr.Dataset,
    acts: xr.Dataset,
    groups: Sequence[TokenGroup],
    informative: Sequence[TokenGroup],
    conditions: Sequence[str],
) -> xr.Dataset:
    """Return the result with the coords of units and groups, and the numbers of tokens and sources."""
    sources = np.concatenate([acts["source"].values[group.rows] for group in groups])
    data = {
        "entropy": ("group", [group.entropy for group in informative]),
        "n_tokens": ("group", [group.rows.size for group in informative]),
        "n_sources": ("group", [group.n_sources for group in informative]),
        "tokens": sources.size,
        "sources": np.unique(sources).size,
    }
    coords = {
        f"group_{name}": ("group", [group.conditions[index] for group in informative])
        for index, name in enumerate(conditions)
    }
    coords |= {str(name): values for name, values in acts.coords.items() if values.dims == ("unit",)}
    return result.assign(data).assign_coords({"group": [group.name for group in informative], **coords})


def _method_text(
    conditions: Sequence[str],
    label: str,
    result: xr.Dataset,
    estimator: str,
    correction: str,
    bins: int | None,
    n_permutations: int,
) -> str:
    start = (
        f"Mutual information of a unit's activation with the {label}, conditional on the {' and '.join(conditions)} "
        f"and unconditional; in bits, over {int(result.tokens)} tokens of {int(result.sources)} sources. "
    )
    if estimator == "nearest":
        return start + "Nearest neighbours (Ross 2014, as in scikit-learn) within each group; negative values become 0."
    bias = "the mean over permutations by source" if correction == "permutation" else "the Miller-Madow bias"
    bins_text = f"{bins}" if bins else "16 (32 for at least 3,000 tokens of 300 sources)"
    return (
        f"{start}Plug-in estimate over {bins_text} bins of equal mass in each group, minus {bias}. p: {n_permutations} "
        "permutations by source within each group, standardised and pooled over the units of one quantity; q: "
        "Benjamini-Hochberg over units."
    )
