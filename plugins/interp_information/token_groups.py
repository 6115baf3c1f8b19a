"""Which tokens share what is given, and how their labels are permuted: from labels alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, source_hash
from interp_information.estimators import drawn

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

ORDER = ("step", "sample", "source")  # the last one first, as lexsort has it


@dataclass(frozen=True)
class Group:
    """Tokens that share what is given.

    Parameters
    ----------
    name : str
        ``t``, or ``t|early``.
    given : tuple
        The labels that they share.
    rows : array (token,) of int64
        Positions in the activations, in the order (source, sample, step).
    columns : array (token, 1 + draws) of uint16
        The label that is told, as it is and permuted by source.
    sources : int
        How many.
    """

    name: str
    given: tuple[Any, ...]
    rows: NDArray[np.int64]
    columns: NDArray[np.uint16]
    sources: int

    @property
    def classes(self) -> int:
        """How many different labels."""
        return int(self.columns[:, 0].max()) + 1

    @property
    def entropy(self) -> float:
        """Of the label, in bits: no unit can tell more."""
        shares = np.bincount(self.columns[:, 0]) / self.rows.size
        return float(-np.sum(shares * np.log2(shares)))


def group(acts: xr.Dataset, rows: NDArray[np.int64], name: str, given: tuple[Any, ...], label: str, draws: int,
          seed: int) -> Group:  # fmt: skip
    """Return a group of rows in order; its shuffles depend on the seed and its name, not on what else is measured."""
    sources = acts["source"].values[rows]
    own = int(source_hash(np.array([f"{seed} {name}"]))[0])
    columns = drawn(acts[label].values[rows], sources, draws, own)
    return Group(name, given, rows, columns, np.unique(sources).size)


def groups(
    acts: xr.Dataset, given: Sequence[str], label: str, *, minimum: tuple[int, int], draws: int, seed: int
) -> tuple[list[Group], str]:
    """Return the groups with enough tokens and sources, and as JSON why others were left out.

    Groups with one label get no shuffles: nothing can be told of it.

    Raises
    ------
    OptionError
        Where none is left, or none has two labels.
    """
    rows = np.lexsort([acts[name].values for name in ORDER])
    named = [acts[name].values[rows] for name in given]
    codes = np.zeros(rows.size, np.int64)
    for column in named:
        _, within = np.unique(column, return_inverse=True)
        _, codes = np.unique(codes * (within.max(initial=0) + 1) + within, return_inverse=True)
    kept, skipped = [], {}
    for members in np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1]):
        if not members.size:
            continue
        values = tuple(column[members[0]] for column in named)
        name, here = "|".join(map(str, values)), rows[members]
        size = members.size, np.unique(acts["source"].values[here]).size
        if size[0] < minimum[0] or size[1] < minimum[1]:
            skipped[name] = f"{size[0]} tokens / {size[1]} sources, under {minimum[0]} / {minimum[1]}"
            continue
        several = np.unique(acts[label].values[here]).size > 1
        kept.append(group(acts, here, name, values, label, draws if several else 0, seed))
    _check(kept, skipped, given, label, minimum)
    return kept, json.dumps(skipped, ensure_ascii=False)


def joined(acts: xr.Dataset, parts: Sequence[Group], label: str, draws: int, seed: int) -> Group:
    """Return the group of all tokens of some groups."""
    rows = np.concatenate([one.rows for one in parts])
    order = np.lexsort([acts[name].values[rows] for name in ORDER])
    return group(acts, rows[order], "", (), label, draws, seed)


def _check(
    kept: list[Group], skipped: dict[str, str], given: Sequence[str], label: str, minimum: tuple[int, int]
) -> None:
    what = " and ".join(given)
    if not kept:
        nearest = ", ".join(f"{name} ({why.partition(',')[0]})" for name, why in list(skipped.items())[:5])
        raise OptionError(
            f"No {what} has {minimum[0]} tokens of {minimum[1]} sources (minimum=, minimum_sources=). "
            f"There are: {nearest or 'no tokens at all'}."
        )
    if all(one.classes == 1 for one in kept):
        raise OptionError(f"Every {what} has one {label} only: there is nothing to tell. Look at other labels=.")
