"""Groups of tokens with the same conditions, and permutations of their labels. Reads labels only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError
from interp.statistics import hash_sources
from interp_information.estimators import permuted_columns

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

SORT_KEYS = ("step", "sample", "source")  # the primary key is last, as in np.lexsort
MAX_EXAMPLES = 5  # groups that an error message lists


@dataclass(frozen=True)
class TokenGroup:
    """Tokens with the same conditions.

    Parameters
    ----------
    name : str
        Name of the group: ``t``, or ``t|early``.
    conditions : tuple
        Labels that the tokens share.
    rows : array (token,) of int64
        Positions in the activations, in the order (source, sample, step).
    columns : array (token, 1 + permutation) of uint16
        Codes of the label of interest, as it is and permuted by source.
    n_sources : int
        Number of sources.
    """

    name: str
    conditions: tuple[Any, ...]
    rows: NDArray[np.int64]
    columns: NDArray[np.uint16]
    n_sources: int

    @property
    def n_classes(self) -> int:
        """Number of distinct labels."""
        return int(self.columns[:, 0].max()) + 1

    @property
    def entropy(self) -> float:
        """Entropy of the label in bits, the upper bound of any unit's information."""
        shares = np.bincount(self.columns[:, 0]) / self.rows.size
        return float(-np.sum(shares * np.log2(shares)))


def make_group(
    acts: xr.Dataset,
    rows: NDArray[np.int64],
    name: str,
    conditions: tuple[Any, ...],
    label: str,
    n_permutations: int,
    seed: int,
) -> TokenGroup:
    """Return a group of sorted rows; its permutations depend only on the seed and its name."""
    sources = acts["source"].values[rows]
    own_seed = int(hash_sources(np.array([f"{seed} {name}"]))[0])
    columns = permuted_columns(acts[label].values[rows], sources, n_permutations, own_seed)
    return TokenGroup(name, conditions, rows, columns, np.unique(sources).size)


def conditional_groups(
    acts: xr.Dataset,
    conditions: Sequence[str],
    label: str,
    *,
    min_tokens: int,
    min_sources: int,
    n_permutations: int,
    seed: int,
) -> tuple[list[TokenGroup], str]:
    """Return the groups with enough tokens and sources, and as JSON the reasons why others were skipped.

    Groups with a single label get no permutations, since there is no information to measure.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``.
    conditions : sequence of str
        Coords of ``token`` whose values define the groups.
    label : str
        Coord of ``token`` whose information is measured.
    min_tokens, min_sources : int
        Minimum number of tokens and sources of a group.
    n_permutations, seed : int
        Number of permutations, and their seed.

    Raises
    ------
    OptionError
        If no group is left, or none has two labels.
    """
    rows = np.lexsort([acts[name].values for name in SORT_KEYS])
    columns = [acts[name].values[rows] for name in conditions]
    groups, skipped = [], {}
    for members in _split_by_values(columns, rows.size):
        values = tuple(column[members[0]] for column in columns)
        name, own = "|".join(map(str, values)), rows[members]
        n_tokens, n_sources = own.size, np.unique(acts["source"].values[own]).size
        if n_tokens < min_tokens or n_sources < min_sources:
            skipped[name] = f"{n_tokens} tokens / {n_sources} sources, under {min_tokens} / {min_sources}"
            continue
        has_classes = np.unique(acts[label].values[own]).size > 1
        groups.append(make_group(acts, own, name, values, label, n_permutations if has_classes else 0, seed))
    _check_groups(groups, skipped, conditions, label, (min_tokens, min_sources))
    return groups, json.dumps(skipped, ensure_ascii=False)


def _split_by_values(columns: Sequence[NDArray[Any]], n: int) -> list[NDArray[np.int64]]:
    """Return the positions, 0 to n - 1, of each combination of values that occurs."""
    codes = np.zeros(n, np.int64)
    for column in columns:
        _, within = np.unique(column, return_inverse=True)
        _, codes = np.unique(codes * (within.max(initial=0) + 1) + within, return_inverse=True)
    parts = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    return [part for part in parts if part.size]


def join_groups(
    acts: xr.Dataset, parts: Sequence[TokenGroup], label: str, n_permutations: int, seed: int
) -> TokenGroup:
    """Return one group of all tokens of some groups."""
    rows = np.concatenate([group.rows for group in parts])
    order = np.lexsort([acts[name].values[rows] for name in SORT_KEYS])
    return make_group(acts, rows[order], "", (), label, n_permutations, seed)


def sample_whole_sources(sources: NDArray[Any], max_tokens: int) -> NDArray[np.bool_]:
    """Return a mask of whole sources, in the order of their hash, that together have at most ``max_tokens`` tokens.

    Parameters
    ----------
    sources : array (token,) of int
    max_tokens : int
        Maximum number of tokens.

    Returns
    -------
    array (token,) of bool
    """
    distinct, inverse, sizes = np.unique(sources, return_inverse=True, return_counts=True)
    order = np.argsort(hash_sources(distinct), kind="stable")
    sampled = np.zeros(distinct.size, bool)
    sampled[order[np.cumsum(sizes[order]) <= max_tokens]] = True
    return np.asarray(sampled[inverse])


def _check_groups(
    groups: list[TokenGroup], skipped: dict[str, str], conditions: Sequence[str], label: str, minimum: tuple[int, int]
) -> None:
    """Raise `OptionError` if there is no group, or none with two labels."""
    what = " and ".join(conditions)
    if not groups:
        examples = list(skipped.items())[:MAX_EXAMPLES]
        listed = ", ".join(f"{name} ({reason.partition(',')[0]})" for name, reason in examples)
        raise OptionError(
            f"No {what} has {minimum[0]} tokens of {minimum[1]} sources (min_tokens=, min_sources=). "
            f"There are: {listed or 'no tokens at all'}."
        )
    if all(group.n_classes == 1 for group in groups):
        raise OptionError(
            f"Every {what} has one {label} only, so there is no information to measure: pass other labels=."
        )
