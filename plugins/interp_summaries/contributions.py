"""Contributions of units to the units that read them, as a contrast between outputs or as a plain mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import interp
from interp import OptionError, Reducer, UnknownNameError
from interp.plotting import UNIT_LABELS

if TYPE_CHECKING:
    import torch
    import xarray as xr

State = dict[str, np.ndarray]
UNIT_COORDS = UNIT_LABELS[1:]


def unshared(weight: np.ndarray, symbols: Sequence[str] | np.ndarray, outputs: Sequence[str]) -> np.ndarray:
    """Return weights with their mean over the possible outputs of an input subtracted from those to output units.

    A softmax over the outputs ignores a value that all of them share.

    Parameters
    ----------
    weight : array (lower, upper)
        Weights; NaN where two units are not connected.
    symbols : sequence of str (upper,)
        Symbol of each upper unit; "" for a unit that is not an output, whose weights stay unchanged.
    outputs : sequence of str
        Outputs that the input can have.

    Returns
    -------
    array (lower, upper) of float64
    """
    relative = np.array(weight, dtype=np.float64)
    symbols = np.asarray(symbols, dtype=str)
    is_output = symbols != ""
    possible = np.flatnonzero(np.isin(symbols, list(outputs)) & is_output)
    if possible.size:
        connected = ~np.isnan(relative[:, possible])
        mean = np.nansum(relative[:, possible], axis=1) / np.maximum(connected.sum(axis=1), 1)
        relative[:, np.flatnonzero(is_output)] -= mean[:, None]
    return relative


def contributions(weight: np.ndarray, activation: np.ndarray) -> np.ndarray:
    """Return the contribution of each lower unit to each upper unit: weight x mean activation.

    Parameters
    ----------
    weight : array (lower, upper)
        Weights; NaN where two units are not connected, as is the result.
    activation : array (lower,)
        A mean over tokens, or a difference of two means.

    Returns
    -------
    array (lower, upper) of float64
    """
    return np.asarray(np.asarray(weight, np.float64) * np.asarray(activation, np.float64)[:, None])


class Contributions(Reducer):
    """Contribution of each unit to each unit that reads it through a linear layer, for pairs of an input and an output.

    By default a contrast: for a pair ``a=>b``, the mean of weight x activation over the tokens of the pair minus the
    mean over the other tokens with input a. From weights to an output unit, their mean over all outputs that occur
    with a is subtracted, because a softmax ignores it. With ``contrast=False``, the plain mean over the tokens of the
    pair, as in Galstyan and Khachatrian, "Interpreting neurons in an LSTM network" (2017).

    The result has ``contribution (lower_unit, upper_unit, pair)``, float64 in units of the upper unit before its
    activation function, NaN where two units are not connected; and the numbers of tokens and sources on both sides,
    ``n_target``, ``n_rest``, ``sources_target`` and ``sources_rest`` (pair).

    Parameters
    ----------
    model : Module
        The captured network, for its weights.
    connectivity : Dataset, optional
        Result of `interp.connectivity`, instead of a model; a selection of its units gives a selection of the result.
    pairs : sequence of str, optional
        Pairs such as ``["t=>ծ"]``; by default all pairs with enough tokens.
    contrast : bool
        Subtract the mean over the other tokens with the same input.
    min_tokens : int
        Minimum number of tokens on each side; without ``contrast``, of the pair alone.
    labels : sequence of two str
        Coords of ``token``: the input and the output.

    Raises
    ------
    OptionError
        No model, rotated activations, pairs with too few tokens, or no captured unit that feeds another one.
    UnknownNameError
        A pair that never occurs.
    """

    name: ClassVar[str] = "contributions"
    depends_on: ClassVar[tuple[str, ...]] = ("labels",)

    def __init__(
        self,
        *,
        model: torch.nn.Module | None = None,
        connectivity: xr.Dataset | None = None,
        pairs: Sequence[str] | None = None,
        contrast: bool = True,
        min_tokens: int = 300,
        labels: Sequence[str] = ("input", "output"),
    ) -> None:
        if (model is None) == (connectivity is None):
            raise OptionError(
                "Contributions need weights: pass model=, the captured network, or connectivity=, not both."
            )
        if isinstance(pairs, str):
            raise OptionError(f"pairs= takes a list of names; got {pairs!r}: pass [{pairs!r}].")
        if isinstance(labels, str) or len(labels) != 2 or min_tokens < 1:
            raise OptionError(
                f"labels= takes two names, and min_tokens= must be at least 1; got {labels!r} and {min_tokens}."
            )
        self.model, self.connectivity, self.contrast, self.min_tokens = model, connectivity, contrast, min_tokens
        self.pairs, self.labels = None if pairs is None else tuple(pairs), tuple(labels)
        self.requires = (*self.labels, "source")

    def init_state(self, units: xr.Dataset, *, labels: xr.Dataset) -> State:
        """Return zero sums for each row of labels and lower unit, and the weights and counts that `finish` reads."""
        if units.attrs.get("basis") == "rotated":
            raise OptionError(
                "Weights belong to single units, so contributions have no rotated basis; got rotated ones."
            )
        connectivity = self.connectivity if self.connectivity is not None else interp.connectivity(self.model, units)  # type: ignore[arg-type]
        state = _connections(units, connectivity)
        inputs, outputs = (labels[name].values.astype(str) for name in self.labels)
        state |= {"input": inputs, "output": outputs, "tokens": np.zeros(inputs.size, np.int64)}
        state |= _pair_counts(labels, inputs, self._pair_rows(inputs, outputs, labels.tokens.values))
        return state | {"sums": np.zeros((inputs.size, state["lower"].size))}

    def _pair_rows(self, inputs: np.ndarray, outputs: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Return the rows of labels that are pairs to measure."""
        names = _pair_names(inputs, outputs)
        _, group = np.unique(inputs, return_inverse=True)
        rest = np.bincount(group, tokens, group.max(initial=-1) + 1)[group] - tokens
        enough = np.minimum(tokens, rest) >= self.min_tokens if self.contrast else tokens >= self.min_tokens
        for name in self.pairs or ():
            if name not in names:
                raise UnknownNameError(
                    f"No token has the labels of pair {name!r}; pairs: {', '.join(names[:8])}, …. Capture more tokens."
                )
            row = names.index(name)
            if not enough[row]:
                counts = f"{tokens[row]} / {int(rest[row])}"
                raise OptionError(
                    f"Pair {name!r} has {counts} tokens, fewer than {self.min_tokens}: lower min_tokens=."
                )
        if self.pairs is not None:
            return np.array([names.index(name) for name in self.pairs], dtype=int)
        if not enough.any():
            where = "on each side" if self.contrast else "of its own"
            raise OptionError(f"No pair has {self.min_tokens} tokens {where}: lower min_tokens=.")
        return np.flatnonzero(enough)

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Add the activations of the lower units, each to the row of its token's labels."""
        rows = _label_rows(state, *(chunk[name].values.astype(str) for name in self.labels))
        tokens = np.flatnonzero(rows >= 0)
        if tokens.size:
            tokens = tokens[np.argsort(rows[tokens], kind="stable")]
            distinct, first, size = np.unique(rows[tokens], return_index=True, return_counts=True)
            values = chunk.activation.isel(unit=state["lower"]).values[tokens].astype(np.float64)
            state["sums"][distinct] += np.add.reduceat(values, first, axis=0)
            state["tokens"][distinct] += size
        return state

    def merge(self, a: State, b: State) -> State:
        """Return the sums of both states."""
        return a | {name: a[name] + b[name] for name in ("sums", "tokens")}

    def finalize(self, state: State) -> xr.Dataset:
        """Return ``contribution`` (lower_unit, upper_unit, pair) and the counts of both sides (pair)."""
        import xarray as xr

        values = np.stack([self._contribution(state, row) for row in state["rows"]], axis=-1)
        data: dict[str, Any] = {"contribution": (("lower_unit", "upper_unit", "pair"), values)}
        counts = {name: array for name, array in state.items() if name.startswith("pair_")}
        data |= {name.removeprefix("pair_"): ("pair", array) for name, array in counts.items()}
        inputs, outputs = state["input"][state["rows"]], state["output"][state["rows"]]
        coords: dict[str, Any] = {"pair": _pair_names(inputs, outputs)}
        coords |= {"pair_input": ("pair", inputs), "pair_output": ("pair", outputs)}
        for end in ("lower", "upper"):
            coords[f"{end}_unit"] = state[f"{end}_unit"]
            coords |= {f"{end}_{name}": (f"{end}_unit", state[f"{end}_{name}"]) for name in UNIT_COORDS}
        return xr.Dataset(data, coords, {"method": self._method_text()})

    def _contribution(self, state: State, row: int) -> np.ndarray:
        """Return the contributions of one pair: (lower, upper)."""
        mean = state["sums"][row] / max(state["tokens"][row], 1)
        if not self.contrast:
            return contributions(state["weight"], mean)
        same_input = state["input"] == state["input"][row]
        rest = same_input.copy()
        rest[row] = False
        mean_rest = state["sums"][rest].sum(axis=0) / max(state["tokens"][rest].sum(), 1)
        weight = unshared(state["weight"], state["upper_symbol"], state["output"][same_input])
        return contributions(weight, mean - mean_rest)

    def _method_text(self) -> str:
        plain = "Contribution of a unit to a unit that reads it: mean of weight x activation over the tokens of a pair"
        if not self.contrast:
            return f"{plain}."
        return (
            f"{plain}, minus the mean over the other tokens with the same input; from weights to output units, their "
            "mean over the outputs that occur with the input is subtracted."
        )


def _pair_names(inputs: np.ndarray, outputs: np.ndarray) -> list[str]:
    return [f"{a}=>{b}" for a, b in zip(inputs.tolist(), outputs.tolist(), strict=True)]


def _connections(units: xr.Dataset, connectivity: xr.Dataset) -> State:
    """Return the weights between captured units, and the names and coords of the units at both ends."""
    positions = {name: position for position, name in enumerate(units["unit"].values.tolist())}
    state: State = {}
    masks = {}
    for end in ("lower", "upper"):
        names = connectivity[f"{end}_unit"].values.astype(str)
        masks[end] = np.array([name in positions for name in names.tolist()], dtype=bool)
        state[end] = np.array([positions[name] for name in names[masks[end]].tolist()], dtype=int)
        state |= {f"{end}_{name}": units[name].values[state[end]] for name in ("unit", *UNIT_COORDS)}
    if not (state["lower"].size and state["upper"].size):
        raise OptionError(
            "No captured unit feeds another captured unit through a linear layer: capture both ends of a connection, "
            "as listed by interp.connectivity(model, acts)."
        )
    return state | {"weight": connectivity["weight"].values[np.ix_(masks["lower"], masks["upper"])].astype(np.float64)}


def _pair_counts(labels: xr.Dataset, inputs: np.ndarray, rows: np.ndarray) -> State:
    """Return the rows of the pairs, and the numbers of tokens and sources on both sides of each."""
    tokens = labels["tokens"].values
    occurrence_row, occurrence_source = (labels[f"occurrence_{name}"].values for name in ("row", "source"))

    def count_sources(side: np.ndarray) -> int:
        return int(np.unique(occurrence_source[side[occurrence_row]]).size)

    counts = []
    for row in rows.tolist():
        target = np.arange(inputs.size) == row
        sides = (target, (inputs == inputs[row]) & ~target)
        counts.append([*(tokens[side].sum() for side in sides), *(count_sources(side) for side in sides)])
    names = ("pair_n_target", "pair_n_rest", "pair_sources_target", "pair_sources_rest")
    columns = np.array(counts, dtype=np.int64).reshape(-1, len(names)).T
    return {"rows": rows, **dict(zip(names, columns, strict=True))}


def _label_rows(state: State, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return the row of labels of each token, -1 for a token whose input belongs to no pair."""
    in_pairs = np.isin(state["input"], state["input"][state["rows"]])
    row_of = {
        key: row
        for row, key in enumerate(zip(state["input"].tolist(), state["output"].tolist(), strict=True))
        if in_pairs[row]
    }
    distinct_inputs, i = np.unique(inputs, return_inverse=True)
    distinct_outputs, j = np.unique(outputs, return_inverse=True)
    table = [[row_of.get((a, b), -1) for b in distinct_outputs.tolist()] for a in distinct_inputs.tolist()]
    return np.array(table, dtype=int).reshape(distinct_inputs.size, -1)[i, j] if inputs.size else np.zeros(0, int)
