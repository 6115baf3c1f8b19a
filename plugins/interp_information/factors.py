"""The factors that units may hold: what an ambiguous input becomes, one factor an input, or labels of any kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SchemaError
from interp_information.token_groups import ORDER, Group, group

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


def found_factors(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    factors: Sequence[str] = (),
    minimum: int = 300,
    minimum_sources: int = 50,
    draws: int = 0,
    seed: int = 0,
) -> tuple[list[Group], str]:
    """Return the factors, and as JSON which were left out and why.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``.
    labels : sequence of two str
        Coords of ``token``: the second one, given a value of the first, is a factor over the tokens of that value.
    factors : sequence of str
        Coords of ``token`` that are factors over all tokens, instead.
    minimum, minimum_sources : int
        Of a class: the tokens of a class with fewer are left out, and a factor with fewer than two such classes.
    draws : int
        Permutations by source.
    seed : int
        Of the permutations.

    Raises
    ------
    OptionError
        For fewer than two units, and where no factor has two classes with enough tokens.
    SchemaError
        For labels that are missing or NaN.
    """
    check_names(acts, labels, factors)
    rows = np.lexsort([acts[name].values for name in ORDER])
    found, skipped = [], {}
    for name, given, label, members in _members(acts, labels, factors, rows):
        kept, classes = enough(acts[label].values[members], acts["source"].values[members], minimum, minimum_sources)
        if len(classes) > 1:
            found.append(group(acts, members[kept], name, given, label, draws, seed))
        else:
            skipped[name] = f"{len(classes)} classes with {minimum} tokens of {minimum_sources} sources"
    if not found:
        what = "label" if factors else f"{labels[0]} with two kinds of {labels[1]}, each"
        raise OptionError(
            f"No factor: there is no {what} with {minimum} tokens of {minimum_sources} sources in two classes at "
            f"least (minimum=, minimum_sources=, labels=, factors=). Looked at: {', '.join(skipped) or 'no tokens'}."
        )
    return found, json.dumps(skipped, ensure_ascii=False)


def check_names(acts: xr.Dataset, labels: Sequence[str], factors: Sequence[str]) -> None:
    """Raise an error for options that are no names of labels, labels that are missing or NaN, and a single unit."""
    if isinstance(labels, str) or len(labels) != 2:
        raise OptionError(f"labels= takes two names of labels, such as ('input', 'output'); got {labels!r}.")
    if isinstance(factors, str):
        raise OptionError(f"factors= takes a list of names; got {factors!r}: pass [{factors!r}].")
    for name in factors or labels:
        if name not in acts.coords or acts[name].dims != ("token",):
            there = ", ".join(str(known) for known, held in acts.coords.items() if held.dims == ("token",))
            raise SchemaError(f"A factor is read from the label {name!r}; these activations have {there}.")
        if acts[name].dtype.kind == "f" and np.isnan(acts[name].values).any():
            raise SchemaError(f"The label {name!r} is NaN for some tokens: leave them out with .isel(token=…).")
    check_units(acts)


def check_units(acts: xr.Dataset) -> None:
    """Raise `OptionError` for fewer than two units."""
    if acts.sizes["unit"] < 2:
        raise OptionError(f"This compares units with each other: pass two at least; got {acts.sizes['unit']}.")


def enough(
    labels: NDArray[Any], sources: NDArray[Any], minimum: int, minimum_sources: int
) -> tuple[NDArray[np.bool_], list[Any]]:
    """Return which tokens are of a class with so many tokens and sources (token,), and these classes."""
    known, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    pairs = np.unique(np.stack([codes, np.unique(sources, return_inverse=True)[1]]), axis=1)
    kept = (sizes >= minimum) & (np.bincount(pairs[0], minlength=known.size) >= minimum_sources)
    return kept[codes], known[kept].tolist()


def _members(
    acts: xr.Dataset, labels: Sequence[str], factors: Sequence[str], rows: NDArray[np.int64]
) -> list[tuple[str, tuple[Any, ...], str, NDArray[np.int64]]]:
    """Return name, given labels, label and rows of what may be a factor."""
    if factors:
        return [(name, (name,), name, rows) for name in factors]
    given = acts[labels[0]].values[rows]
    return [(str(one), (one,), labels[1], rows[given == one]) for one in np.unique(given)]


def coords(acts: xr.Dataset, found: Sequence[Group]) -> dict[str, Any]:
    """Return the coords of results: ``factor``, and those of ``unit``."""
    units = {str(name): held for name, held in acts.coords.items() if held.dims == ("unit",)}
    return {"factor": [one.name for one in found], **units}


def counts(found: Sequence[Group]) -> dict[str, Any]:
    """Return ``n_tokens``, ``n_sources`` and ``n_classes`` (factor)."""
    return {
        "n_tokens": ("factor", [one.rows.size for one in found]),
        "n_sources": ("factor", [one.sources for one in found]),
        "n_classes": ("factor", [one.classes for one in found]),
    }


def described(found: Sequence[Group], labels: Sequence[str], factors: Sequence[str], minimum: tuple[int, int]) -> str:
    """Return a sentence on what the factors are and which tokens they have."""
    what = f"the labels {', '.join(factors)}" if factors else f"{labels[1]}, given each {labels[0]} that has several"
    return (
        f"{len(found)} factors: {what}; of classes with {minimum[0]} tokens of {minimum[1]} sources at least, "
        f"{sum(one.rows.size for one in found)} tokens in all."
    )
