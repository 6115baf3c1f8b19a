"""What a unit gives to the units that read it: contributions, as a plain mean and as a contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import interp
from interp import OptionError, Reducer, UnknownNameError

if TYPE_CHECKING:
    import torch
    import xarray as xr

State = dict[str, np.ndarray]
COORDS = ("module", "layer", "direction", "quantity", "index", "symbol")


def unshared(weight: np.ndarray, symbols: Sequence[str] | np.ndarray, becomes: Sequence[str]) -> np.ndarray:
    """Return weights to output units minus their mean over what an input can become.

    A softmax over the outputs ignores what all of them share.

    Parameters
    ----------
    weight : array (lower, upper)
        NaN where nothing joins the two.
    symbols : sequence of str (upper,)
        What an upper unit stands for; "" for one that is no output, whose weights stay.
    becomes : sequence of str
        The outputs of the input.

    Returns
    -------
    array (lower, upper) of float64
    """
    own = np.array(weight, dtype=np.float64)
    symbols = np.asarray(symbols, dtype=str)
    outputs, shared = np.flatnonzero(symbols != ""), np.flatnonzero(np.isin(symbols, list(becomes)) & (symbols != ""))
    if shared.size:
        known = ~np.isnan(own[:, shared])
        mean = np.nansum(own[:, shared], axis=1) / np.maximum(known.sum(axis=1), 1)
        own[:, outputs] -= mean[:, None]
    return own


def contributions(weight: np.ndarray, activation: np.ndarray) -> np.ndarray:
    """Return what each lower unit gives to each upper one: weight x mean activation.

    Parameters
    ----------
    weight : array (lower, upper)
        NaN where nothing joins the two; so is the result there.
    activation : array (lower,)
        A mean over tokens, or a difference of two means.

    Returns
    -------
    array (lower, upper) of float64
    """
    return np.asarray(np.asarray(weight, np.float64) * np.asarray(activation, np.float64)[:, None])


class Contributions(Reducer):
    """What each unit gives to each unit that reads it through a linear layer, for pairs of an input and an output.

    For a pair ``a=>b`` the contrast: the mean of weight x activation over the tokens of the pair, minus that over the
    other tokens with input a; weights to an output unit are taken minus their mean over all outputs that a has among
    the tokens, which a softmax ignores. With ``article=True`` the plain mean over the tokens of the pair, as in
    Galstyan and Khachatrian, "Interpreting neurons in an LSTM network" (2017).

    The result has ``contribution (lower_unit, upper_unit, pair)``, float64 in units of the upper unit before its
    activation function, NaN where nothing joins the two; ``n_with``, ``n_without``, ``sources_with``,
    ``sources_without`` (pair).

    Parameters
    ----------
    model : Module
        The captured network, for its weights.
    wiring : Dataset, optional
        Of `interp.wiring`, instead of a model; a part of it gives a part of the result.
    pairs : sequence of str, optional
        Such as ``["t=>ծ"]``; by default all with enough tokens.
    article : bool
        The plain mean.
    minimum : int
        Tokens on each side; with ``article`` on that of the pair.
    labels : sequence of two str
        Coords of ``token``: the input and what it becomes.

    Raises
    ------
    OptionError
        Without a model, for rotated activations, for pairs with too few tokens, and where no captured unit feeds
        another one.
    UnknownNameError
        For pairs that never occur.
    """

    name: ClassVar[str] = "contributions"
    needs: ClassVar[tuple[str, ...]] = ("labels",)

    def __init__(
        self,
        *,
        model: torch.nn.Module | None = None,
        wiring: xr.Dataset | None = None,
        pairs: Sequence[str] | None = None,
        article: bool = False,
        minimum: int = 300,
        labels: Sequence[str] = ("input", "output"),
    ) -> None:
        if (model is None) == (wiring is None):
            raise OptionError("Contributions need weights: give model=, the captured network, or wiring=.")
        if isinstance(pairs, str):
            raise OptionError(f"pairs= takes a list of names; got {pairs!r}: pass [{pairs!r}].")
        if isinstance(labels, str) or len(labels) != 2 or minimum < 1:
            raise OptionError(f"labels= takes two names and minimum= is 1 at least; got {labels!r} and {minimum}.")
        self.model, self.wiring, self.article, self.minimum = model, wiring, article, minimum
        self.pairs, self.labels = None if pairs is None else tuple(pairs), tuple(labels)
        self.requires = (*self.labels, "source")

    def start(self, units: xr.Dataset, *, labels: xr.Dataset) -> State:
        """Return zeros for each row of labels and lower unit, and all that `finish` needs."""
        if units.attrs.get("basis") == "rotated":
            raise OptionError("The weights belong to the units: contributions have no rotated basis.")
        wiring = self.wiring if self.wiring is not None else interp.wiring(self.model, units)  # type: ignore[arg-type]
        state = _ends(units, wiring)
        given, becomes = (labels[name].values.astype(str) for name in self.labels)
        state |= {"given": given, "becomes": becomes, "tokens": np.zeros(given.size, np.int64)}
        state |= _pairs(labels, given, self._chosen(given, becomes, labels.tokens.values))
        return state | {"sums": np.zeros((given.size, state["lower"].size))}

    def _chosen(self, given: np.ndarray, becomes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Return the rows of labels that are pairs to measure."""
        names = [f"{a}=>{b}" for a, b in zip(given.tolist(), becomes.tolist(), strict=True)]
        _, group = np.unique(given, return_inverse=True)
        other = np.bincount(group, tokens, group.max(initial=-1) + 1)[group] - tokens
        enough = tokens >= self.minimum if self.article else np.minimum(tokens, other) >= self.minimum
        for name in self.pairs or ():
            if name not in names:
                raise UnknownNameError(
                    f"No token has the labels of pair {name!r}; there are {', '.join(names[:8])}, …. Capture more."
                )
            row = names.index(name)
            if not enough[row]:
                counts = f"{tokens[row]} / {int(other[row])}"
                raise OptionError(f"Pair {name!r} has {counts} tokens, under {self.minimum}: give minimum=.")
        if self.pairs is not None:
            return np.array([names.index(name) for name in self.pairs], dtype=int)
        if not enough.any():
            raise OptionError(f"No pair has {self.minimum} tokens on each side (minimum={self.minimum}).")
        return np.flatnonzero(enough)

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Add the activations of the lower units, each to the row of its labels."""
        rows = _rows(state, *(chunk[name].values.astype(str) for name in self.labels))
        kept = np.flatnonzero(rows >= 0)
        if kept.size:
            kept = kept[np.argsort(rows[kept], kind="stable")]
            found, first, size = np.unique(rows[kept], return_index=True, return_counts=True)
            values = chunk.activation.isel(unit=state["lower"]).values[kept].astype(np.float64)
            state["sums"][found] += np.add.reduceat(values, first, axis=0)
            state["tokens"][found] += size
        return state

    def merge(self, a: State, b: State) -> State:
        """Return the sums of both."""
        return a | {name: a[name] + b[name] for name in ("sums", "tokens")}

    def finish(self, state: State) -> xr.Dataset:
        """Return ``contribution`` (lower_unit, upper_unit, pair) and what stands on the two sides (pair)."""
        import xarray as xr

        values = np.stack([self._of(state, row) for row in state["rows"]], axis=-1)
        data: dict[str, Any] = {"contribution": (("lower_unit", "upper_unit", "pair"), values)}
        data |= {name.removeprefix("pair_"): ("pair", held) for name, held in state.items() if name.startswith("pair_")}
        given, becomes = state["given"][state["rows"]], state["becomes"][state["rows"]]
        names = [f"{a}=>{b}" for a, b in zip(given.tolist(), becomes.tolist(), strict=True)]
        coords: dict[str, Any] = {"pair": names, "pair_input": ("pair", given), "pair_output": ("pair", becomes)}
        for end in ("lower", "upper"):
            coords[f"{end}_unit"] = state[f"{end}_unit"]
            coords |= {f"{end}_{name}": (f"{end}_unit", state[f"{end}_{name}"]) for name in COORDS}
        return xr.Dataset(data, coords, {"method": self._method()})

    def _of(self, state: State, row: int) -> np.ndarray:
        """Return the contributions of one pair: (lower, upper)."""
        among = state["given"] == state["given"][row]
        mean = state["sums"][row] / max(state["tokens"][row], 1)
        if self.article:
            return contributions(state["weight"], mean)
        others = among.copy()
        others[row] = False
        rest = state["sums"][others].sum(axis=0) / max(state["tokens"][others].sum(), 1)
        return contributions(unshared(state["weight"], state["upper_symbol"], state["becomes"][among]), mean - rest)

    def _method(self) -> str:
        plain = "Contribution of a unit to one that reads it: mean of weight x activation over the tokens of a pair"
        if self.article:
            return f"{plain}."
        return (
            f"{plain}, minus that over the other tokens of its input; weights to outputs are taken minus their mean "
            "over what the input can become."
        )


def _ends(units: xr.Dataset, wiring: xr.Dataset) -> State:
    """Return the weights between captured units, and the names and labels of both ends."""
    known = {name: place for place, name in enumerate(units["unit"].values.tolist())}
    state: State = {}
    masks = {}
    for end in ("lower", "upper"):
        names = wiring[f"{end}_unit"].values.astype(str)
        masks[end] = np.array([name in known for name in names.tolist()], dtype=bool)
        state[end] = np.array([known[name] for name in names[masks[end]].tolist()], dtype=int)
        state |= {f"{end}_{name}": units[name].values[state[end]] for name in ("unit", *COORDS)}
    if not (state["lower"].size and state["upper"].size):
        raise OptionError(
            "No captured unit feeds another one through a linear layer: capture both, as interp.wiring(model, acts) "
            "lists them."
        )
    return state | {"weight": wiring["weight"].values[np.ix_(masks["lower"], masks["upper"])].astype(np.float64)}


def _pairs(labels: xr.Dataset, given: np.ndarray, rows: np.ndarray) -> State:
    """Return the rows of the pairs, and tokens and sources on both sides of each."""
    tokens, seen_row, seen_source = (labels[name].values for name in ("tokens", "seen_row", "seen_source"))

    def sources(side: np.ndarray) -> int:
        return int(np.unique(seen_source[side[seen_row]]).size)

    counts = []
    for row in rows.tolist():
        own = np.arange(given.size) == row
        sides = (own, (given == given[row]) & ~own)
        counts.append([*(tokens[side].sum() for side in sides), *(sources(side) for side in sides)])
    names = ("pair_n_with", "pair_n_without", "pair_sources_with", "pair_sources_without")
    columns = np.array(counts, dtype=np.int64).reshape(-1, len(names)).T
    return {"rows": rows, **dict(zip(names, columns, strict=True))}


def _rows(state: State, given: np.ndarray, becomes: np.ndarray) -> np.ndarray:
    """Return the row of labels of each token, -1 for one that is in no pair's input."""
    wanted = np.isin(state["given"], state["given"][state["rows"]])
    table = {
        key: row
        for row, key in enumerate(zip(state["given"].tolist(), state["becomes"].tolist(), strict=True))
        if wanted[row]
    }
    firsts, first = np.unique(given, return_inverse=True)
    seconds, second = np.unique(becomes, return_inverse=True)
    grid = [[table.get((a, b), -1) for b in seconds.tolist()] for a in firsts.tolist()]
    return np.array(grid, dtype=int).reshape(firsts.size, -1)[first, second] if given.size else np.zeros(0, int)
