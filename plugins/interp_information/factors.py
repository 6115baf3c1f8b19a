"""Factors that units can encode: the output of each ambiguous input, or labels of any kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SchemaError
from interp_information.token_groups import SORT_KEYS, TokenGroup, make_group

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


def find_factors(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    factors: Sequence[str] = (),
    min_tokens: int = 300,
    min_sources: int = 50,
    n_permutations: int = 0,
    seed: int = 0,
) -> tuple[list[TokenGroup], str]:
    """Return the factors, and as JSON the reasons why others were skipped.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``.
    labels : sequence of two str
        Coords of ``token``: for each value of the first, the second is a factor over the tokens with that value.
    factors : sequence of str
        Coords of ``token`` that are factors over all tokens, instead of ``labels``.
    min_tokens, min_sources : int
        Minimum number of tokens and sources of a class. Tokens of smaller classes are left out, and so is a factor
        with fewer than two classes.
    n_permutations : int
        Number of permutations by source.
    seed : int
        Seed of the permutations.

    Raises
    ------
    OptionError
        For fewer than two units, and if no factor has two classes with enough tokens and sources.
    SchemaError
        For labels that are missing or NaN.
    """
    _check_labels(acts, labels, factors)
    check_units(acts)
    rows = np.lexsort([acts[name].values for name in SORT_KEYS])
    groups, skipped = [], {}
    for name, conditions, label, members in _candidates(acts, labels, factors, rows):
        member_labels, sources = acts[label].values[members], acts["source"].values[members]
        is_frequent, classes = _frequent_classes(member_labels, sources, min_tokens, min_sources)
        if len(classes) > 1:
            groups.append(make_group(acts, members[is_frequent], name, conditions, label, n_permutations, seed))
        else:
            skipped[name] = f"{len(classes)} classes with {min_tokens} tokens of {min_sources} sources"
    if not groups:
        what = "label" if factors else f"{labels[0]} with two values of {labels[1]}"
        raise OptionError(
            f"No factor: there is no {what} with at least two classes of {min_tokens} tokens and {min_sources} sources "
            f"each (min_tokens=, min_sources=, labels=, factors=). Candidates: {', '.join(skipped) or 'no tokens'}."
        )
    return groups, json.dumps(skipped, ensure_ascii=False)


def _check_labels(acts: xr.Dataset, labels: Sequence[str], factors: Sequence[str]) -> None:
    """Raise an error for options that are not names of labels, and for labels that are missing or NaN."""
    if isinstance(labels, str) or len(labels) != 2:
        raise OptionError(f"labels= takes two names of labels, such as ('input', 'output'); got {labels!r}.")
    if isinstance(factors, str):
        raise OptionError(f"factors= takes a list of names; got {factors!r}: pass [{factors!r}].")
    for name in factors or labels:
        if name not in acts.coords or acts[name].dims != ("token",):
            available = ", ".join(str(coord) for coord, values in acts.coords.items() if values.dims == ("token",))
            raise SchemaError(f"A factor is read from the label {name!r}; these activations have {available}.")
        if acts[name].dtype.kind == "f" and np.isnan(acts[name].values).any():
            raise SchemaError(
                f"The label {name!r} is NaN for some tokens. To leave them out, type "
                f"acts.isel(token=np.flatnonzero(acts[{name!r}].notnull()))."
            )


def check_units(acts: xr.Dataset) -> None:
    """Raise `OptionError` for fewer than two units."""
    if acts.sizes["unit"] < 2:
        raise OptionError(f"This probe compares units: pass at least two; got {acts.sizes['unit']}.")


def _frequent_classes(
    labels: NDArray[Any], sources: NDArray[Any], min_tokens: int, min_sources: int
) -> tuple[NDArray[np.bool_], list[Any]]:
    """Return which tokens belong to a class with enough tokens and sources (token,), and these classes."""
    distinct, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    pairs = np.unique(np.stack([codes, np.unique(sources, return_inverse=True)[1]]), axis=1)
    is_frequent = (sizes >= min_tokens) & (np.bincount(pairs[0], minlength=distinct.size) >= min_sources)
    return is_frequent[codes], distinct[is_frequent].tolist()


def _candidates(
    acts: xr.Dataset, labels: Sequence[str], factors: Sequence[str], rows: NDArray[np.int64]
) -> list[tuple[str, tuple[Any, ...], str, NDArray[np.int64]]]:
    """Return name, conditions, label and rows of each candidate factor."""
    if factors:
        return [(name, (name,), name, rows) for name in factors]
    inputs = acts[labels[0]].values[rows]
    return [(str(value), (value,), labels[1], rows[inputs == value]) for value in np.unique(inputs)]


def factor_coords(acts: xr.Dataset, groups: Sequence[TokenGroup]) -> dict[str, Any]:
    """Return the coords of results: ``factor``, and those of ``unit``."""
    units = {str(name): values for name, values in acts.coords.items() if values.dims == ("unit",)}
    return {"factor": [group.name for group in groups], **units}


def factor_counts(groups: Sequence[TokenGroup]) -> dict[str, Any]:
    """Return ``n_tokens``, ``n_sources`` and ``n_classes`` (factor)."""
    return {
        "n_tokens": ("factor", [group.rows.size for group in groups]),
        "n_sources": ("factor", [group.n_sources for group in groups]),
        "n_classes": ("factor", [group.n_classes for group in groups]),
    }


def describe_factors(
    groups: Sequence[TokenGroup], labels: Sequence[str], factors: Sequence[str], minimum: tuple[int, int]
) -> str:
    """Return a sentence that names the factors and their tokens.

    Parameters
    ----------
    groups : sequence of TokenGroup
        The factors.
    labels, factors : sequence of str
        Options of the probe.
    minimum : (int, int)
        Minimum number of tokens and sources of a class.
    """
    names = f"the labels {', '.join(factors)}" if factors else f"{labels[1]}, for each {labels[0]} with several"
    return (
        f"{len(groups)} factors: {names}; of classes with at least {minimum[0]} tokens of {minimum[1]} sources, "
        f"{sum(group.rows.size for group in groups)} tokens in total."
    )
