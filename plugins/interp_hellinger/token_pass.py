"""First pass of the debiased estimator: the pairs to measure, permuted labels, and the sample for bin edges."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp import OptionError, Reducer, SchemaError, select
from interp_hellinger.count_layout import build_layout
from interp_hellinger.pairs import count_sides, select_pairs

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
ORDER_KEYS = ("source", "sample", "step")  # permutations rely on tokens being sorted by these


class PairReducer(Reducer):
    """Base of the passes before the counting pass: the options that select tokens and pairs.

    Parameters
    ----------
    labels : sequence of two str
        Coords of ``token``: the input and its output.
    pairs : sequence of str, optional
        Pairs to measure; by default all pairs with enough tokens and sources.
    where : mapping, optional
        Tokens to include, by label, as in `interp.select`.
    strata : sequence of str
        Labels within which outputs are permuted.
    min_tokens, min_sources : int
        Minimum number of tokens and sources on each side of a pair.
    bins : int, optional
        Number of bins. By default 16, and 32 for pairs with 3,000 tokens and 300 sources on each side.
    n_permutations, seed : int
        Number of permutations, and their seed.
    """

    def __init__(
        self,
        *,
        labels: Sequence[str] = ("input", "output"),
        pairs: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        strata: Sequence[str] = (),
        min_tokens: int = 300,
        min_sources: int = 50,
        bins: int | None = None,
        n_permutations: int = 100,
        seed: int = 0,
    ) -> None:
        self.labels, self.strata = tuple(labels), tuple(strata)
        self.pairs, self.where = None if pairs is None else tuple(pairs), where
        self.min_tokens, self.min_sources = min_tokens, min_sources
        self.bins, self.n_permutations, self.seed = bins, n_permutations, seed
        self.requires = tuple(dict.fromkeys([*self.labels, *self.strata, *(where or {}), *ORDER_KEYS]))

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels that are read: input, output, and the strata."""
        return (*self.labels, *self.strata)


class TokenPass(PairReducer):
    """Labels of all tokens of the measured pairs, sorted by source, and permutations of them.

    ``hellinger`` needs them before it counts activations; see `build_layout` for the result. Each token is stored as
    integers of 4 bytes: one per label, and three for its source, sample and step.

    Parameters
    ----------
    labels, pairs, where, strata, min_tokens, min_sources, bins, n_permutations, seed
        As in `PairReducer`.
    """

    name: ClassVar[str] = "hellinger-tokens"

    def init_state(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return a state without tokens."""
        state = {f"vocabulary_{index}": np.zeros(0, "<U1") for index in range(len(self.label_names))}
        rows = np.zeros((0, len(ORDER_KEYS) + len(self.label_names)), np.int32)
        return state | {"n": np.zeros(1, np.int64), "row": rows}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Add the labels of the chunk; activations are not read."""
        labels_only = select(chunk.drop_vars("activation"), **(self.where or {}))
        rows: list[np.ndarray] = [labels_only[name].values.astype(np.int32) for name in ORDER_KEYS]
        added: State = {}
        for index, name in enumerate(self.label_names):
            values = labels_only[name].values
            values = values.astype(str) if values.dtype == object else values
            added[f"vocabulary_{index}"], codes = np.unique(values, return_inverse=True)
            rows.append(codes)
        added |= {"n": np.array([rows[0].size]), "row": np.stack(rows, axis=1).astype(np.int32)}
        return self.merge(state, added)

    def merge(self, a: State, b: State) -> State:
        """Return the tokens of both, those of ``b`` last; the buffer of ``a`` is reused."""
        n, n_more = int(a["n"][0]), int(b["n"][0])
        if not n or not n_more:
            return a if n else b
        rows = b["row"][:n_more].copy()
        merged: State = {"n": np.array([n + n_more])}
        for index in range(len(self.label_names)):
            own, other = a[f"vocabulary_{index}"], b[f"vocabulary_{index}"]
            vocabulary = np.concatenate([own, other[~np.isin(other, own)]])
            code_of = {value: code for code, value in enumerate(vocabulary.tolist())}
            recoded = np.array([code_of[value] for value in other.tolist()], np.int32)
            column = len(ORDER_KEYS) + index
            rows[:, column] = recoded[rows[:, column]]
            merged[f"vocabulary_{index}"] = vocabulary
        return merged | {"row": _append_rows(a["row"], n, rows)}

    def finalize(self, state: State) -> xr.Dataset:
        """Return the layout of these tokens."""
        n, width = int(state["n"][0]), len(ORDER_KEYS)
        rows = state["row"][:n]
        rows = rows[np.lexsort(rows[:, width - 1 :: -1].T)]
        if n and (np.diff(rows[:, 1:width], axis=0) == 0).all(axis=1).any():
            raise SchemaError(
                "Two tokens of one sample have the same step, so their order is undefined: make the coord 'step' "
                "unique within each sample."
            )
        vocabularies: list[np.ndarray] = []
        codes: list[np.ndarray] = []
        for index in range(len(self.label_names)):
            order = np.argsort(state[f"vocabulary_{index}"])
            vocabularies.append(state[f"vocabulary_{index}"][order])
            codes.append(np.argsort(order).astype(np.int32)[rows[:, width + index]])
        return self._layout(rows[:, :width], vocabularies, codes)

    def _layout(self, order_keys: np.ndarray, vocabularies: list[np.ndarray], codes: list[np.ndarray]) -> xr.Dataset:
        if not len(order_keys):
            raise OptionError(f"There are no tokens to contrast: where={self.where!r} matches no token.")
        counted = _count_labels(self.labels, vocabularies[:2], codes[:2], order_keys[:, 0])
        sides = count_sides(counted, self.labels, self.min_tokens, self.min_sources)
        measured, skipped = select_pairs(sides, self.pairs, self.min_tokens, self.min_sources)
        strata = _combined_strata(vocabularies[2:], codes[2:])
        layout = build_layout(
            measured,
            order_keys,
            vocabularies[:2],
            codes[:2],
            strata,
            bins=self.bins,
            n_permutations=self.n_permutations,
            seed=self.seed,
        )
        return layout.assign_attrs(skipped=json.dumps(skipped, ensure_ascii=False))


def _append_rows(buffer: np.ndarray, n: int, rows: np.ndarray) -> np.ndarray:
    """Write rows after the first n rows of a buffer, which doubles in size when it is full; return the buffer."""
    if n + len(rows) > len(buffer):
        larger = np.empty((max(2 * len(buffer), n + len(rows)), buffer.shape[1]), np.int32)
        larger[:n] = buffer[:n]
        buffer = larger
    buffer[n : n + len(rows)] = rows
    return buffer


def _count_labels(
    labels: tuple[str, ...], vocabularies: list[np.ndarray], codes: list[np.ndarray], sources: np.ndarray
) -> xr.Dataset:
    """Return the result of the reducer ``labels`` for these tokens."""
    import xarray as xr

    n_outputs = vocabularies[1].size
    combined = codes[0].astype(np.int64) * n_outputs + codes[1]
    tokens = np.bincount(combined, minlength=vocabularies[0].size * n_outputs)
    row_of, occurring = np.cumsum(tokens > 0) - 1, np.flatnonzero(tokens)
    first_source, span = int(sources.min()), int(sources.max()) - int(sources.min()) + 1
    occurrences = np.unique(row_of[combined] * span + (sources - first_source))
    data = {"tokens": ("row", tokens[occurring]), "sources": ("row", np.bincount(occurrences // span))}
    data |= {"occurrence_row": ("occurrence", occurrences // span)}
    data |= {"occurrence_source": ("occurrence", occurrences % span + first_source)}
    indices = occurring // n_outputs, occurring % n_outputs
    columns = zip(labels, vocabularies, indices, strict=True)
    return xr.Dataset(data, {name: ("row", vocabulary[index]) for name, vocabulary, index in columns})


def _combined_strata(vocabularies: list[np.ndarray], codes: list[np.ndarray]) -> np.ndarray | None:
    """Return one code per token for the combination of its strata, or None without strata."""
    combined: np.ndarray | None = None
    for vocabulary, code in zip(vocabularies, codes, strict=True):
        combined = code.astype(np.int64) if combined is None else combined * vocabulary.size + code
    return combined
