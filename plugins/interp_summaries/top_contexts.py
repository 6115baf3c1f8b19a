"""What a unit responds to: tokens from every part of its range, in their text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp import OptionError, Reducer, over_units, token_hash
from interp_summaries.windows import windows

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
NONE = np.iinfo(np.uint64).max  # the key of an empty place
NOBODY = np.iinfo(np.int64).min  # its source
SIDES = {"top": 1.0, "low": -1.0}
POOL = {"hash": "u8", "sample": "i8", "step": "i8", "source": "i8", "before": "<U1", "here": "<U1", "after": "<U1"}


class TopContexts(Reducer):
    """Tokens of each unit in their text: its highest, its lowest, and examples of each tenth of its activations.

    Rows are ``highest`` and ``lowest``, the extremes over all tokens, one token a source (equal ones: those with the
    smaller seeded hash); between them are equal parts of the distribution, with examples drawn at random. The parts
    are those of the ``sample`` tokens with the smallest seeded hash, so that they are the same in any order of chunks.

    The result has ``value``, ``source``, ``sample``, ``step``, ``before``, ``here``, ``after`` (unit, row, example),
    in descending order of value, in ``lowest`` ascending. Where there is no example, value is NaN, numbers are -1 and
    text is empty; a unit that was NaN anywhere has none. Text is of captured tokens: ``…`` stands for those that
    were not.

    Parameters
    ----------
    window : int
        Tokens of text on either side.
    examples : int
        Tokens in each row, 1 at least.
    quantiles : int
        Parts of the distribution, 1 at least.
    sample : int
        Tokens to take the parts from.
    label : str
        The coord of ``token`` that the text is made of.
    seed : int
        Of the hash.

    Raises
    ------
    OptionError
        For numbers that make no sense.
    """

    name: ClassVar[str] = "top-contexts"
    unitwise: ClassVar[bool] = True

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
                f"examples= and quantiles= must be 1 at least, window= 0 at least, sample= as many as quantiles=; got "
                f"examples={examples}, quantiles={quantiles}, window={window}, sample={sample}."
            )
        self.window, self.examples, self.quantiles = window, examples, quantiles
        self.sample, self.label, self.seed = sample, label, seed
        self.requires = (label, "source", "sample", "step")

    def start(self, units: xr.Dataset, **needed: xr.Dataset) -> State:  # noqa: ARG002
        """Return empty places."""
        shape = (units.sizes["unit"], self.examples)
        state: State = {"odd": np.zeros(shape[0], bool), "drawn_hash": np.zeros(0, np.uint64)}
        for side in SIDES:
            state |= {f"{side}_value": np.full(shape, -np.inf), f"{side}_hash": np.full(shape, NONE, np.uint64)}
            state |= {f"{side}_source": np.full(shape, NOBODY, np.int64)}
        state |= {f"pool_{name}": np.zeros(0, kind) for name, kind in POOL.items()}
        return state | {"drawn_value": np.zeros((0, shape[0]), np.float32)}

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Take the tokens of the chunk that are among the best or the drawn ones, with their text."""
        from interp_summaries.kernels import best

        values = np.ascontiguousarray(chunk.activation.values)
        if not len(values):
            return state
        keys, sources = token_hash(chunk, self.seed), chunk["source"].values.astype(np.int64)
        state["odd"] |= np.isnan(values).any(axis=0)
        for side, sign in SIDES.items():
            places = [state[f"{side}_{name}"] for name in ("value", "hash", "source")]
            over_units(best, values.shape[1], values, sign, keys, sources, *places)
        few = np.argpartition(keys, self.sample - 1)[: self.sample] if len(keys) > self.sample else slice(None)
        state = self._drawn(state, keys[few], values[few])
        return _pruned(state, self._pool(state, chunk, keys))

    def _drawn(self, state: State, keys: np.ndarray, values: np.ndarray) -> State:
        keys, values = np.concatenate([state["drawn_hash"], keys]), np.concatenate([state["drawn_value"], values])
        order = np.argsort(keys, kind="stable")[: self.sample]
        return state | {"drawn_hash": keys[order], "drawn_value": values[order]}

    def _pool(self, state: State, chunk: xr.Dataset, keys: np.ndarray) -> State:
        """Return the records of those tokens of a chunk that are wanted."""
        rows = np.flatnonzero(np.isin(keys, _wanted(state)))
        samples, steps = (chunk[name].values.astype(np.int64) for name in ("sample", "step"))
        symbols = chunk[self.label].values.astype(str)
        before, after = windows(samples, steps, symbols, rows, self.window)
        source = chunk["source"].values.astype(np.int64)[rows]
        held = (keys[rows], samples[rows], steps[rows], source, before, symbols[rows], after)
        return {f"pool_{name}": column for name, column in zip(POOL, held, strict=True)}

    def merge(self, a: State, b: State) -> State:
        """Return the best, and the drawn ones, of both."""
        from interp_summaries.kernels import join

        a = self._drawn(a, b["drawn_hash"], b["drawn_value"]) | {"odd": a["odd"] | b["odd"]}
        for side in SIDES:
            names = [f"{side}_{name}" for name in ("value", "hash", "source")]
            a |= {name: a[name].copy() for name in names}
            join(*(a[name] for name in names), *(b[name] for name in names))
        return _pruned(a, b)

    def finish(self, state: State) -> xr.Dataset:
        """Return ``value``, where each token is, and its text: (unit, row, example)."""
        import xarray as xr

        keys, values = self._examples(state)
        keys = np.where(state["odd"][:, None, None], NONE, keys)
        values = np.where(keys == NONE, np.nan, values)
        place = np.searchsorted(state["pool_hash"], np.where(keys == NONE, 0, keys))
        data: dict[str, Any] = {"value": values}
        for name in list(POOL)[1:]:
            held = state[f"pool_{name}"]
            empty: Any = "" if held.dtype.kind == "U" else -1
            data[name] = np.where(keys == NONE, empty, held[place]) if held.size else np.full(keys.shape, empty)
        dims = ("unit", "row", "example")
        return xr.Dataset({name: (dims, held) for name, held in data.items()}, {"row": self._rows()})

    def _rows(self) -> list[str]:
        ends = [f"{100 * part / self.quantiles:g}" for part in range(self.quantiles + 1)]
        return ["highest", *(f"{ends[part]}-{ends[part + 1]} %" for part in reversed(range(self.quantiles))), "lowest"]

    def _examples(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        """Return keys and values (unit, row, example)."""
        drawn = state["drawn_value"]
        order = np.argsort(drawn, axis=0, kind="stable")  # equal ones by their hash
        cuts = np.arange(self.quantiles + 1) * len(drawn) // self.quantiles
        parts = [order[cuts[part] : cuts[part + 1]] for part in reversed(range(self.quantiles))]
        rows = [(state["top_hash"], state["top_value"])]
        rows += [_few(state["drawn_hash"], drawn, members, self.examples) for members in parts]
        rows += [(state["low_hash"], -state["low_value"])]
        return np.stack([keys for keys, _ in rows], axis=1), np.stack([values for _, values in rows], axis=1)


def _few(keys: np.ndarray, values: np.ndarray, members: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return keys and values (unit, n) of those of the members (member, unit) with the smallest keys, largest first.

    Members are positions in ``keys``, which ascend.
    """
    chosen = np.sort(members, axis=0)[:n]
    found = np.take_along_axis(values, chosen, axis=0).astype(np.float64)
    order = np.argsort(-found, axis=0, kind="stable")
    chosen, found = np.take_along_axis(chosen, order, axis=0), np.take_along_axis(found, order, axis=0)
    short = ((0, n - len(chosen)), (0, 0))
    return np.pad(keys[chosen], short, constant_values=NONE).T, np.pad(found, short, constant_values=np.nan).T


def _wanted(state: State) -> np.ndarray:
    return np.concatenate([state["drawn_hash"], *(state[f"{side}_hash"].ravel() for side in SIDES)])


def _pruned(state: State, more: State) -> State:
    """Return the state with the records of two pools that are wanted, each once, in order of their keys."""
    keys, first = np.unique(np.concatenate([state["pool_hash"], more["pool_hash"]]), return_index=True)
    first = first[np.isin(keys, _wanted(state))]
    names = [f"pool_{name}" for name in POOL]
    return state | {name: np.concatenate([state[name], more[name]])[first] for name in names}
