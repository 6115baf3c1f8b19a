"""The first pass of the honest mode: which token is on which side, how labels are shuffled, where bins are learned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp import OptionError, Reducer, SchemaError, pick
from interp_hellinger.count_layout import lay_out
from interp_hellinger.pairs import choose, sides

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
PLACE = ("source", "sample", "step")  # the order of tokens that shuffles rely on


class Choosing(Reducer):
    """What the passes before the counting have in common: which tokens and pairs are asked for.

    Parameters
    ----------
    labels : sequence of two str
        Coords of ``token``: the input and what it becomes.
    pairs : sequence of str, optional
        By default all that have enough.
    where : mapping, optional
        Tokens to keep, by label, as for `interp.pick`.
    given : sequence of str
        Labels that a shuffle keeps: it moves outputs only among tokens that share them.
    minimum, minimum_sources : int
        On each side of a pair.
    bins : int, optional
        By default 16, and 32 for pairs with 3,000 tokens and 300 sources on each side.
    draws, seed : int
        Of the shuffles.
    """

    def __init__(
        self,
        *,
        labels: Sequence[str] = ("input", "output"),
        pairs: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        given: Sequence[str] = (),
        minimum: int = 300,
        minimum_sources: int = 50,
        bins: int | None = None,
        draws: int = 100,
        seed: int = 0,
    ) -> None:
        self.labels, self.given = tuple(labels), tuple(given)
        self.pairs, self.where = None if pairs is None else tuple(pairs), where
        self.minimum, self.minimum_sources = minimum, minimum_sources
        self.bins, self.draws, self.seed = bins, draws, seed
        self.requires = tuple(dict.fromkeys([*self.labels, *self.given, *(where or {}), *PLACE]))

    @property
    def _names(self) -> tuple[str, ...]:
        return (*self.labels, *self.given)


class Tokens(Choosing):
    """The labels of all tokens of the pairs that have enough, in the order of the sources, and shuffles of them.

    What ``hellinger`` needs to know of labels before it counts activations; see `lay_out` for what the result holds.
    A token is kept as numbers of 4 bytes, one for each label and three for its place.

    Parameters
    ----------
    labels, pairs, where, given, minimum, minimum_sources, bins, draws, seed
        As in `Choosing`.
    """

    name: ClassVar[str] = "hellinger-tokens"

    def start(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return a state without tokens."""
        state = {f"known_{at}": np.zeros(0, "<U1") for at in range(len(self._names))}
        return state | {"n": np.zeros(1, np.int64), "row": np.zeros((0, len(PLACE) + len(self._names)), np.int32)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Add the labels of the chunk; activations are not read."""
        bare = pick(chunk.drop_vars("activation"), **(self.where or {}))
        rows: list[np.ndarray] = [bare[name].values.astype(np.int32) for name in PLACE]
        added: State = {}
        for at, name in enumerate(self._names):
            values = bare[name].values
            known, codes = np.unique(values.astype(str) if values.dtype == object else values, return_inverse=True)
            added[f"known_{at}"] = known
            rows.append(codes)
        return self.merge(
            state, added | {"n": np.array([rows[0].size]), "row": np.stack(rows, axis=1).astype(np.int32)}
        )

    def merge(self, a: State, b: State) -> State:
        """Return the tokens of both: those of b after those of a, which has room for more at its end."""
        n, more = int(a["n"][0]), int(b["n"][0])
        if not n or not more:
            return a if n else b
        rows = b["row"][:more].copy()
        merged: State = {"n": np.array([n + more])}
        for at in range(len(self._names)):
            known, others = a[f"known_{at}"], b[f"known_{at}"]
            merged[f"known_{at}"] = np.concatenate([known, others[~np.isin(others, known)]])
            place = {value: code for code, value in enumerate(merged[f"known_{at}"].tolist())}
            recoded = np.array([place[value] for value in others.tolist()], np.int32)
            rows[:, len(PLACE) + at] = recoded[rows[:, len(PLACE) + at]]
        return merged | {"row": _appended(a["row"], n, rows)}

    def finish(self, state: State) -> xr.Dataset:
        """Return what `lay_out` says of these tokens."""
        n, width = int(state["n"][0]), len(PLACE)
        rows = state["row"][:n]
        rows = rows[np.lexsort(rows[:, width - 1 :: -1].T)]
        if n and (np.diff(rows[:, 1:width], axis=0) == 0).all(axis=1).any():
            raise SchemaError("Two tokens of one sample share a step: which comes first can't be told.")
        known: list[np.ndarray] = []
        codes: list[np.ndarray] = []
        for at in range(len(self._names)):
            order = np.argsort(state[f"known_{at}"])
            known.append(state[f"known_{at}"][order])
            codes.append(np.argsort(order).astype(np.int32)[rows[:, width + at]])
        return self._laid(rows[:, :width], known, codes)

    def _laid(self, places: np.ndarray, known: list[np.ndarray], codes: list[np.ndarray]) -> xr.Dataset:
        if not len(places):
            raise OptionError(f"No token is left to contrast: where={self.where!r} keeps none.")
        counted = _counted(self.labels, known[:2], codes[:2], places[:, 0])
        there = sides(counted, self.labels, self.minimum, self.minimum_sources)
        kept, skipped = choose(there, self.pairs, self.minimum, self.minimum_sources)
        strata = _strata(known[2:], codes[2:])
        laid = lay_out(kept, places, known[:2], codes[:2], strata, bins=self.bins, draws=self.draws, seed=self.seed)
        return laid.assign_attrs(skipped=json.dumps(skipped, ensure_ascii=False))


def _appended(rows: np.ndarray, n: int, more: np.ndarray) -> np.ndarray:
    """Write rows after the first n of a buffer, which is doubled where it is full."""
    if n + len(more) > len(rows):
        larger = np.empty((max(2 * len(rows), n + len(more)), rows.shape[1]), np.int32)
        larger[:n] = rows[:n]
        rows = larger
    rows[n : n + len(more)] = more
    return rows


def _counted(
    labels: tuple[str, ...], known: list[np.ndarray], codes: list[np.ndarray], sources: np.ndarray
) -> xr.Dataset:
    """Return what the reducer ``labels`` returns of these tokens."""
    import xarray as xr

    both = codes[0].astype(np.int64) * known[1].size + codes[1]
    tokens = np.bincount(both, minlength=known[0].size * known[1].size)
    row_of, there = np.cumsum(tokens > 0) - 1, np.flatnonzero(tokens)
    low, span = int(sources.min()), int(sources.max()) - int(sources.min()) + 1
    seen = np.unique(row_of[both] * span + (sources - low))
    data = {"tokens": ("row", tokens[there]), "sources": ("row", np.bincount(seen // span))}
    data |= {"seen_row": ("seen", seen // span), "seen_source": ("seen", seen % span + low)}
    rows = there // known[1].size, there % known[1].size
    return xr.Dataset(data, {name: ("row", held[row]) for name, held, row in zip(labels, known, rows, strict=True)})


def _strata(known: list[np.ndarray], codes: list[np.ndarray]) -> np.ndarray | None:
    strata: np.ndarray | None = None
    for held, code in zip(known, codes, strict=True):
        strata = code.astype(np.int64) if strata is None else strata * held.size + code
    return strata
