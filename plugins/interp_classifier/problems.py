"""Which problems there are: an input with all that it becomes, or one pair against the rest; cut in two halves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, UnknownNameError, halves

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Problem:
    """One classification.

    Parameters
    ----------
    name : str
        ``t``, ``t|early`` or ``t=>d``.
    given : tuple
        The values of what is given.
    classes : tuple
        The labels in the order of their codes; of a pair only its own, code 1 against all others.
    fit, test : array (token,) of int64
        Positions of the tokens in either half of the sources.
    fit_codes, test_codes : array (token,) of int64
        -1 for a label that the first half does not have.
    """

    name: str
    given: tuple[Any, ...]
    classes: tuple[Any, ...]
    fit: NDArray[np.int64]
    test: NDArray[np.int64]
    fit_codes: NDArray[np.int64]
    test_codes: NDArray[np.int64]


def problems(
    acts: xr.Dataset, given: Sequence[str], label: str, pairs: Sequence[str] | None, minimum: tuple[int, int]
) -> tuple[list[Problem], dict[str, str]]:
    """Return the problems that can be put, and why others can't.

    Raises
    ------
    UnknownNameError
        For a pair that never occurs.
    OptionError
        Where no problem is left.
    """
    found, skipped, known = [], {}, set()
    wanted = None if pairs is None else set(pairs)
    for name, values, rows in _groups(acts, given):
        for problem in _of(acts, name, values, rows, label, wanted):
            known.add(problem.name)
            why = _missing(acts, problem, minimum)
            if why:
                skipped[problem.name] = why
            else:
                found.append(problem)
    unknown = sorted((wanted or set()) - known)
    if unknown:
        raise UnknownNameError(f"No token has the labels of pair {unknown[0]!r}: expected such as 't=>d'.")
    if not found:
        listed = ". ".join(f"{name}: {why}" for name, why in list(skipped.items())[:5])
        raise OptionError(f"Nothing to classify. {listed or 'There are no tokens'}.")
    return found, skipped


def _groups(acts: xr.Dataset, given: Sequence[str]) -> Iterator[tuple[str, tuple[Any, ...], NDArray[np.int64]]]:
    columns = [acts[name].values for name in given]
    codes = np.zeros(columns[0].size, np.int64)
    for column in columns:
        _, within = np.unique(column, return_inverse=True)
        _, codes = np.unique(codes * (within.max(initial=0) + 1) + within, return_inverse=True)
    for code in range(codes.max(initial=-1) + 1):
        rows = np.flatnonzero(codes == code)
        values = tuple(column[rows[0]] for column in columns)
        yield "|".join(map(str, values)), values, rows


def _of(
    acts: xr.Dataset, name: str, given: tuple[Any, ...], rows: NDArray[np.int64], label: str, wanted: set[str] | None
) -> Iterator[Problem]:
    labels = acts[label].values
    first, other = (rows[half] for half in _halves(acts, rows))
    if wanted is None:
        classes = np.unique(labels[first])
        codes = [np.full(part.size, -1, np.int64) for part in (first, other)]
        for part, held in zip((first, other), codes, strict=True):
            for code, each in enumerate(classes):
                held[labels[part] == each] = code
        yield Problem(name, given, tuple(classes), first, other, codes[0], codes[1])
        return
    for each in np.unique(labels[rows]):
        if f"{name}=>{each}" in wanted:
            own = [(labels[part] == each).astype(np.int64) for part in (first, other)]
            yield Problem(f"{name}=>{each}", given, (each,), first, other, own[0], own[1])


def _halves(acts: xr.Dataset, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions among rows of the tokens of either half, as `interp.halves` splits them."""
    import xarray as xr

    tokens = {"source": ("token", acts["source"].values[rows]), "row": ("token", np.arange(rows.size))}
    first, other = halves(xr.Dataset(coords=tokens))
    return first["row"].values, other["row"].values


def _missing(acts: xr.Dataset, problem: Problem, minimum: tuple[int, int]) -> str:
    """Return why a problem can't be put, or nothing."""
    rows = np.concatenate([problem.fit, problem.test])
    tokens, sources = rows.size, np.unique(acts["source"].values[rows]).size
    if tokens < minimum[0] or sources < minimum[1]:
        return f"{tokens} tokens / {sources} sources, under {minimum[0]} / {minimum[1]}"
    if np.unique(problem.fit_codes).size < 2:
        return "one label only among the sources to fit on"
    return "" if problem.test.size else "no source to test on"
