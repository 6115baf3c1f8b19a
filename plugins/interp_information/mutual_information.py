"""The probe ``mutual-information``: blocks of units over groups of tokens that share an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from interp import OptionError, SchemaError, one_unit, pick, probe
from interp_information.estimators import MOST, check, few_sources
from interp_information.permutation_test import resolution
from interp_information.token_groups import Group, groups, joined
from interp_information.unit_blocks import FINE, binned, nearest

if TYPE_CHECKING:
    import xarray as xr

FEW = 10  # permutations of all tokens: over so many their mean hardly varies


@probe(name="mutual-information", requires=("source",))
def information(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    given: Sequence[str] = (),
    correction: str = "permutation",
    bins: int | None = None,
    estimator: str = "bins",
    units: Sequence[str] | None = None,
    minimum: int = 300,
    minimum_sources: int = 50,
    draws: int = 100,
    neighbours: int = 3,
    seed: int = 0,
) -> xr.Dataset:
    """Mutual information of each unit with what an input becomes, in bits: I(unit; output | input), I(unit; output).

    Over the tokens of one input the unit is cut into bins of equal mass, and the information of the two labels, bin
    and output, is corrected once. The conditional one is the mean over inputs, weighted by their tokens; inputs with
    one output count as 0. Shuffles are by source, within each input. The null of z, p and q is that a unit does not
    know which output is right, given the input (and ``given``).

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``; in memory or lazy, read in blocks of units.
    labels : sequence of two str
        Coords of ``token``: what is known already, and what is told.
    given : sequence of str
        More coords that are known already, such as ``position``.
    correction : {"permutation", "miller-madow"}
        Minus the mean over permutations by source, or by the number of filled cells. Never both.
    bins : int, optional
        Of equal mass, 2 to 255; equal values share a bin. By default 16, and 32 over 3,000 tokens of 300 sources.
    estimator : {"bins", "nearest"}
        ``nearest``: Ross (2014), without a correction, p and q, for named units over at most 10,000 tokens.
    units : sequence of str, optional
        Names; all by default.
    minimum, minimum_sources : int
        Of an input; those with fewer are named in ``attrs["skipped"]`` (JSON).
    draws : int
        Permutations, 2 at least; I(unit; output) takes 10 at most.
    neighbours : int
        Of ``nearest``.
    seed : int
        Of the permutations.

    Returns
    -------
    Dataset
        ``information``, ``total`` (unit): I(unit; output | input), I(unit; output), over the same tokens.
        ``by_input`` (unit, group) and ``entropy`` (group), the most it could be, for inputs with two outputs at
        least. ``p``, ``q`` (unit). ``n_tokens``, ``n_sources`` (group); ``tokens``, ``sources`` () in all.

    Raises
    ------
    OptionError
        For values that make no sense, and where no input has enough tokens or two outputs.
    SchemaError
        For labels that are missing, activations that are not finite, and ties under ``nearest``.
    UnknownNameError
        For units that do not exist.
    """
    check(bins or FINE[0], correction, draws)
    _check(labels, given, estimator, units)
    for name in (*labels, *given):
        if name not in acts.coords:
            there = ", ".join(str(known) for known, held in acts.coords.items() if held.dims == ("token",))
            raise SchemaError(f"Probe 'mutual-information' reads the label {name!r}; these activations have {there}.")
    acts, known, binning = _named(acts, units), (labels[0], *given), estimator == "bins"
    if not binning:
        acts = acts.isel(token=np.flatnonzero(few_sources(acts["source"].values)))
    draws = draws if binning else 0
    found, skipped = groups(acts, known, labels[1], minimum=(minimum, minimum_sources), draws=draws, seed=seed)
    few = min(draws, FEW) if correction == "permutation" else 0
    whole, told = joined(acts, found, labels[1], few, seed), [one for one in found if one.classes > 1]
    result = binned(acts, whole, told, correction, bins) if binning else nearest(acts, whole, told, neighbours, seed)
    result = _labelled(result, acts, found, told, known)
    for name in {"p", "q"} & set(result.data_vars):
        result[name].attrs["across"] = "unit"  # pooled over all units that were measured
    attrs: dict[str, str | float] = {"method": _method(known, labels[1], result, estimator, correction, bins, draws)}
    if binning:
        attrs["smallest_q"] = resolution(acts["quantity"].values, draws)
    return result.assign_attrs(attrs | {"skipped": skipped})


def _check(labels: Sequence[str], given: Sequence[str], estimator: str, units: Sequence[str] | None) -> None:
    if isinstance(labels, str) or len(labels) != 2:
        raise OptionError(f"labels= takes two names of labels, such as ('input', 'output'); got {labels!r}.")
    for name, value in (("given", given), ("units", units)):
        if isinstance(value, str):
            raise OptionError(f"{name}= takes a list of names; got {value!r}: pass [{value!r}].")
    if estimator not in ("bins", "nearest"):
        raise OptionError(f"estimator= is 'bins' or 'nearest'; got {estimator!r}.")
    if estimator == "nearest" and not units:
        raise OptionError(f"estimator='nearest' is slow, so it takes named units over {MOST} tokens: pass units=[…].")


def _named(acts: xr.Dataset, units: Sequence[str] | None) -> xr.Dataset:
    for name in units or ():
        one_unit(acts, name)  # or an error with the nearest names
    return acts if units is None else pick(acts, unit=list(units))


def _labelled(
    result: xr.Dataset, acts: xr.Dataset, found: Sequence[Group], told: Sequence[Group], known: Sequence[str]
) -> xr.Dataset:
    """Return the result with the coords of units and groups, and what it was counted over."""
    sources = np.concatenate([acts["source"].values[one.rows] for one in found])
    data = {
        "entropy": ("group", [one.entropy for one in told]),
        "n_tokens": ("group", [one.rows.size for one in told]),
        "n_sources": ("group", [one.sources for one in told]),
        "tokens": sources.size,
        "sources": np.unique(sources).size,
    }
    coords = {f"group_{name}": ("group", [one.given[at] for one in told]) for at, name in enumerate(known)}
    coords |= {str(name): held for name, held in acts.coords.items() if held.dims == ("unit",)}
    return result.assign(data).assign_coords({"group": [one.name for one in told], **coords})


def _method(
    known: Sequence[str], label: str, result: xr.Dataset, estimator: str, correction: str, bins: int | None, draws: int
) -> str:
    given = " and ".join(known)
    how = f"in bits, over {int(result.tokens)} tokens of {int(result.sources)} sources"
    start = f"Mutual information of a unit's activation with the {label}, given the {given}, and not given it; {how}. "
    if estimator == "nearest":
        return start + "Nearest neighbours (Ross 2014, as in scikit-learn) within each group; values below 0 come as 0."
    less = "the mean over permutations by source" if correction == "permutation" else "the Miller-Madow bias"
    cut = f"{bins}" if bins else "16 (from 3,000 tokens of 300 sources on 32)"
    return (
        f"{start}Plug-in over {cut} bins of equal mass in each group, minus {less}. p: {draws} permutations by source "
        "within each group, standardised and pooled over the units of one quantity; q: Benjamini-Hochberg over units."
    )
