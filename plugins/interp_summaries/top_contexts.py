"""Example tokens of each unit from every part of its activation range, with their text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp import OptionError, Reducer
from interp.statistics import hash_tokens, parallel_over_units

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
EMPTY_KEY = np.iinfo(np.uint64).max  # hash of an unfilled place
EMPTY_SOURCE = np.iinfo(np.int64).min  # source of an unfilled place
SIGNS = {"top": 1.0, "low": -1.0}  # the highest and the lowest activations
RECORD = {"hash": "u8", "sample": "i8", "step": "i8", "source": "i8", "before": "<U1", "here": "<U1", "after": "<U1"}
GAP = "…"


class TopContexts(Reducer):
    """Tokens of each unit with their text: its highest and lowest, and examples of each tenth of its activations.

    The rows ``highest`` and ``lowest`` hold the extremes over all tokens, one token per source; of equal values, the
    one with the smaller seeded hash. The rows between them are equal parts of the distribution, with examples drawn at
    random. Their boundaries are the quantiles of the ``sample`` tokens with the smallest seeded hash, so they don't
    depend on the order of chunks.

    The result has ``value``, ``source``, ``sample``, ``step``, ``before``, ``here`` and ``after`` (unit, row, example),
    in descending order of value, in the row ``lowest`` in ascending order. Places without an example have the value
    NaN, the numbers -1 and empty text; a unit with a NaN in any token has no examples. Text is that of captured
    tokens: ``…`` replaces tokens that were not captured.

    Parameters
    ----------
    window : int
        Number of tokens of text on either side.
    examples : int
        Number of tokens in each row, at least 1.
    quantiles : int
        Number of parts of the distribution, at least 1.
    sample : int
        Number of tokens that the quantiles are computed from, at least ``quantiles``.
    label : str
        Coord of ``token`` that the text is made of.
    seed : int
        Seed of the hash.

    Raises
    ------
    OptionError
        Numbers out of range.
    """

    name: ClassVar[str] = "top-contexts"
    per_unit: ClassVar[bool] = True

    def __init__(
        self,
        *,
        window: int = 12,
        examples: int = 5,
        quantiles: int = 10,
        sample: int = 5000,
        label: str = "input",
        seed: int = 0,
    ) -> None:
        if min(examples, quantiles) < 1 or window < 0 or sample < quantiles:
            raise OptionError(
                "examples= and quantiles= must be at least 1, window= at least 0, and sample= at least quantiles=; "
                f"got examples={examples}, quantiles={quantiles}, window={window}, sample={sample}."
            )
        self.window, self.examples, self.quantiles = window, examples, quantiles
        self.sample, self.label, self.seed = sample, label, seed
        self.requires = (label, "source", "sample", "step")

    def init_state(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return a state with unfilled places."""
        shape = (units.sizes["unit"], self.examples)
        state: State = {"has_nan": np.zeros(shape[0], bool), "drawn_hash": np.zeros(0, np.uint64)}
        for side in SIGNS:
            state |= {f"{side}_value": np.full(shape, -np.inf), f"{side}_hash": np.full(shape, EMPTY_KEY, np.uint64)}
            state |= {f"{side}_source": np.full(shape, EMPTY_SOURCE, np.int64)}
        state |= {f"record_{name}": np.zeros(0, dtype) for name, dtype in RECORD.items()}
        return state | {"drawn_value": np.zeros((0, shape[0]), np.float32)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Add the tokens of a chunk that are extreme or belong to the random sample, with their text."""
        from interp_summaries.kernels import update_extremes

        values = np.ascontiguousarray(chunk.activation.values)
        if not len(values):
            return state
        keys, sources = hash_tokens(chunk, self.seed), chunk["source"].values.astype(np.int64)
        state["has_nan"] |= np.isnan(values).any(axis=0)
        for side, sign in SIGNS.items():
            extremes = [state[f"{side}_{name}"] for name in ("value", "hash", "source")]
            parallel_over_units(update_extremes, values.shape[1], values, sign, keys, sources, *extremes)
        smallest = np.argpartition(keys, self.sample - 1)[: self.sample] if len(keys) > self.sample else slice(None)
        state = self._add_to_sample(state, keys[smallest], values[smallest])
        return _with_records(state, self._records(state, chunk, keys))

    def _add_to_sample(self, state: State, keys: np.ndarray, values: np.ndarray) -> State:
        keys, values = np.concatenate([state["drawn_hash"], keys]), np.concatenate([state["drawn_value"], values])
        order = np.argsort(keys, kind="stable")[: self.sample]
        return state | {"drawn_hash": keys[order], "drawn_value": values[order]}

    def _records(self, state: State, chunk: xr.Dataset, keys: np.ndarray) -> State:
        """Return the records (hash, labels and text) of the tokens of a chunk that the state refers to."""
        rows = np.flatnonzero(np.isin(keys, _token_keys(state)))
        samples, steps = (chunk[name].values.astype(np.int64) for name in ("sample", "step"))
        symbols = chunk[self.label].values.astype(str)
        before, after = text_windows(samples, steps, symbols, rows, self.window)
        source = chunk["source"].values.astype(np.int64)[rows]
        columns = (keys[rows], samples[rows], steps[rows], source, before, symbols[rows], after)
        return {f"record_{name}": column for name, column in zip(RECORD, columns, strict=True)}

    def merge(self, a: State, b: State) -> State:
        """Return the extremes and the random sample of both states together."""
        from interp_summaries.kernels import merge_extremes

        has_nan = a["has_nan"] | b["has_nan"]
        a = self._add_to_sample(a, b["drawn_hash"], b["drawn_value"]) | {"has_nan": has_nan}
        for side in SIGNS:
            names = [f"{side}_{name}" for name in ("value", "hash", "source")]
            a |= {name: a[name].copy() for name in names}
            merge_extremes(*(a[name] for name in names), *(b[name] for name in names))
        return _with_records(a, b)

    def finalize(self, state: State) -> xr.Dataset:
        """Return ``value``, position and text of each example: (unit, row, example)."""
        import xarray as xr

        keys, values = self._examples(state)
        keys = np.where(state["has_nan"][:, None, None], EMPTY_KEY, keys)
        values = np.where(keys == EMPTY_KEY, np.nan, values)
        position = np.searchsorted(state["record_hash"], np.where(keys == EMPTY_KEY, 0, keys))
        data: dict[str, Any] = {"value": values}
        for name in list(RECORD)[1:]:
            column = state[f"record_{name}"]
            fill: Any = "" if column.dtype.kind == "U" else -1
            data[name] = (
                np.where(keys == EMPTY_KEY, fill, column[position]) if column.size else np.full(keys.shape, fill)
            )
        dims = ("unit", "row", "example")
        return xr.Dataset({name: (dims, array) for name, array in data.items()}, {"row": self._row_names()})

    def _row_names(self) -> list[str]:
        ends = [f"{100 * part / self.quantiles:g}" for part in range(self.quantiles + 1)]
        return ["highest", *(f"{ends[part]}-{ends[part + 1]} %" for part in reversed(range(self.quantiles))), "lowest"]

    def _examples(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        """Return keys and values of the examples: (unit, row, example)."""
        drawn = state["drawn_value"]
        order = np.argsort(drawn, axis=0, kind="stable")  # equal values by their hash
        bounds = np.arange(self.quantiles + 1) * len(drawn) // self.quantiles
        parts = [order[bounds[part] : bounds[part + 1]] for part in reversed(range(self.quantiles))]
        rows = [(state["top_hash"], state["top_value"])]
        rows += [_smallest_keys(state["drawn_hash"], drawn, members, self.examples) for members in parts]
        rows += [(state["low_hash"], -state["low_value"])]
        return np.stack([keys for keys, _ in rows], axis=1), np.stack([values for _, values in rows], axis=1)


def _smallest_keys(keys: np.ndarray, values: np.ndarray, members: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return keys and values (unit, n) of the members (member, unit) with the smallest keys, largest values first.

    Members are positions in ``keys``, which are in ascending order.
    """
    rows = np.sort(members, axis=0)[:n]
    examples = np.take_along_axis(values, rows, axis=0).astype(np.float64)
    order = np.argsort(-examples, axis=0, kind="stable")
    rows, examples = np.take_along_axis(rows, order, axis=0), np.take_along_axis(examples, order, axis=0)
    pad = ((0, n - len(rows)), (0, 0))
    return np.pad(keys[rows], pad, constant_values=EMPTY_KEY).T, np.pad(examples, pad, constant_values=np.nan).T


def _token_keys(state: State) -> np.ndarray:
    """Return the keys of all tokens that a state refers to."""
    return np.concatenate([state["drawn_hash"], *(state[f"{side}_hash"].ravel() for side in SIGNS)])


def _with_records(state: State, other: State) -> State:
    """Return the state with the records of both that it refers to, once each, sorted by key."""
    keys, first = np.unique(np.concatenate([state["record_hash"], other["record_hash"]]), return_index=True)
    first = first[np.isin(keys, _token_keys(state))]
    names = [f"record_{name}" for name in RECORD]
    return state | {name: np.concatenate([state[name], other[name]])[first] for name in names}


def text_windows(
    samples: np.ndarray, steps: np.ndarray, symbols: np.ndarray, rows: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the text before and after some tokens.

    Parameters
    ----------
    samples, steps : array (token,) of int
        Sample and step of each token of whole samples, in any order.
    symbols : array (token,)
        Label of each token: text of any length, or numbers.
    rows : array (row,) of int
        Positions of the tokens whose text is returned.
    width : int
        Number of tokens on either side.

    Returns
    -------
    before, after : array (row,) of str
        Each run of tokens inside the sample that were not captured is one ``…``.
    """
    symbols = symbols.astype(str)
    distinct, index = np.unique(samples, return_inverse=True)
    start, end = np.full(distinct.size, np.iinfo(np.int64).max), np.full(distinct.size, -1)
    np.minimum.at(start, index, np.minimum(steps, 0))  # a sample begins at step 0
    np.maximum.at(end, index, steps)
    span = int(steps.max(initial=0)) + width + 2
    keys = index * np.int64(2 * span) + steps
    order = np.argsort(keys, kind="stable")
    sorted_keys, row_keys, ends = keys[order], keys[rows], (start[index[rows]], end[index[rows]])
    text = []
    for offsets in (range(-width, 0), range(1, width + 1)):
        columns = [_symbols_at(offset, sorted_keys, row_keys, symbols[order], steps[rows], ends) for offset in offsets]
        lines = ("".join(line) for line in zip(*columns, strict=True)) if columns else iter([""] * len(rows))
        text.append(np.array([re.sub(f"{GAP}+", GAP, line) if GAP in line else line for line in lines], dtype=str))
    return text[0], text[1]


def _symbols_at(
    offset: int,
    keys: np.ndarray,
    row_keys: np.ndarray,
    symbols: np.ndarray,
    step: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
) -> list[str]:
    """Return the symbol ``offset`` steps from each row: ``…`` if not captured, "" beyond the ends of its sample.

    Parameters
    ----------
    offset : int
        Distance in steps, negative for earlier tokens.
    keys, symbols : array (token,)
        Sorted keys of all tokens, and their symbols.
    row_keys, step : array (row,)
        Key and step of each row.
    ends : two arrays (row,)
        First and last step of the row's sample.
    """
    position = np.minimum(np.searchsorted(keys, row_keys + offset), len(keys) - 1)
    captured = keys[position] == row_keys + offset
    inside = (step + offset >= ends[0]) & (step + offset <= ends[1])
    text = np.where(inside & captured, symbols[position], np.where(inside, GAP, ""))
    return text.tolist()  # type: ignore[no-any-return]
