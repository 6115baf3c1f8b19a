"""Toy network with text and activations, on which the conformance checks run plugins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from interp.activations.wiring import connectivity
from interp.api.capture import capture
from interp.base import Batch
from interp.errors import OptionError

if TYPE_CHECKING:
    import xarray as xr


LETTERS = "ts u"  # inputs; labels may be any strings
SYMBOLS = ("d", "z", "_", "ծ")
OUTCOMES = {"t": "dծ", "s": "zd", " ": "_", "u": "_"}  # the next letter decides
KINDS = ("LSTM", "GRU", "RNN")
N_CELLS = 4


class ToyNetwork(nn.Module):
    """Embedding, bidirectional recurrent module ``rnn``, and dense layers ``hidden`` and ``output`` with symbols."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.symbols = {"output": list(SYMBOLS)}
        self.embed = nn.Embedding(len(LETTERS), 3)
        self.rnn = getattr(nn, kind)(3, N_CELLS, batch_first=True, bidirectional=True)
        self.hidden = nn.Linear(2 * N_CELLS, 5)
        self.output = nn.Linear(5, len(SYMBOLS))

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits ``(sample, step, symbol)``."""
        logits: Tensor = self.output(self.hidden(self.rnn(self.embed(codes))[0]))
        return logits


@dataclass(frozen=True)
class ToyText:
    """Batches of random text, two samples per source; the same in each iteration."""

    seed: int
    sources: int
    length: int = 18
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", f"toy {self.seed} {self.sources} {self.length}")

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng([self.seed, self.sources])
        for first in range(0, self.sources, 16):
            sources = np.repeat(np.arange(first, min(first + 16, self.sources)), 2)
            codes = rng.integers(0, len(LETTERS), (sources.size, self.length))
            noise = rng.random(codes.shape) < 0.1
            labels: dict[str, Any] = {
                "input": to_letters(codes),
                "output": output_symbols(codes, noise),
                "source": sources.tolist(),
            }
            yield Batch(torch.from_numpy(codes), labels=labels, decode=decode)


def to_letters(codes: np.ndarray) -> list[list[str]]:
    """Return the letters of codes ``(sample, step)``."""
    return [[LETTERS[code] for code in row] for row in codes.tolist()]


def output_symbols(codes: np.ndarray, noise: np.ndarray) -> list[list[str]]:
    """Return the output of each letter, which depends on the next letter, inverted where there is noise."""
    later = (np.roll(codes, -1, axis=1) > 1) ^ noise
    rows = zip(to_letters(codes), later.tolist(), strict=True)
    return [[OUTCOMES[a][at % len(OUTCOMES[a])] for a, at in zip(row, side, strict=True)] for row, side in rows]


def decode(logits: Tensor) -> list[list[str]]:
    """Return the most likely symbol of each token."""
    return [[SYMBOLS[code] for code in row] for row in logits.argmax(-1).tolist()]


@dataclass(frozen=True)
class Toy:
    """Small network with its text and activations.

    Attributes
    ----------
    model : Module
        Modules ``embed``, ``rnn`` (four cells per direction), ``hidden`` and ``output``; random weights, eval mode.
    batches : iterable of Batch
        Labels ``input`` (``t s u`` and a space), ``output``, ``predicted``, ``source`` (two samples each).
    acts : Dataset
        Dims ``(token, unit)``: every quantity of every unit.
    pair : str
        Pair that occurs in the text.
    """

    model: nn.Module = field(repr=False)
    batches: Any = field(repr=False)
    acts: xr.Dataset = field(repr=False)
    pair: str = "t=>d"

    @cached_property
    def connectivity(self) -> xr.Dataset:
        """Connectivity of the units: ``(lower_unit, upper_unit)``."""
        return connectivity(self.model, self.batches)

    @property
    def unit(self) -> str:
        """Name of one unit."""
        return str(min(self.acts["unit"].values))

    @property
    def ranking(self) -> list[str]:
        """Names of the units of ``hidden``."""
        return sorted(str(name) for name in self.acts["unit"].values[self.acts["module"].values == "hidden"])

    @property
    def units(self) -> list[str]:
        """Names of three units."""
        return sorted(map(str, self.acts["unit"].values))[:3]

    def with_activations(self, acts: xr.Dataset) -> Toy:
        """Return a copy of the toy with other activations."""
        return replace(self, acts=acts)


@cache
def _cached_toy(kind: str, seed: int, sources: int) -> Toy:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = ToyNetwork(kind).eval()
    text = ToyText(seed, sources)
    return Toy(model, text, capture(model, text, progress=False).assign_attrs(model=f"toy-{kind.lower()}", task="toy"))


def make_toy(kind: str, seed: int, sources: int) -> Toy:
    """Return the toy of `interp.testing.toy_capture`, with its own copy of the activations."""
    if kind not in KINDS:
        raise OptionError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
    toy = _cached_toy(kind, seed, sources)
    return toy.with_activations(toy.acts.copy(deep=True))


def keep_labels(acts: xr.Dataset, labels: Sequence[str]) -> xr.Dataset:
    """Return activations with only these token labels and sample, step and source."""
    names = {"sample", "step", "source", *labels}
    token_labels = [name for name, coord in acts.coords.items() if coord.dims == ("token",)]
    return acts.drop_vars([name for name in token_labels if name not in names])


def toy_capture(kind: str = "LSTM", seed: int = 0, *, sources: int = 80) -> Toy:
    """Return a small bidirectional network with its text and activations, for quick tests.

    Parameters
    ----------
    kind : {"LSTM", "GRU", "RNN"}
        Type of the recurrent module.
    seed : int
        Random seed of weights and text.
    sources : int
        Number of independent texts, of two samples with 18 tokens each.

    Returns
    -------
    Toy
        Fields ``model``, ``batches``, ``acts`` ``(token, unit)``, ``connectivity``, and the names ``unit``, ``units``
        and ``pair``.

    Raises
    ------
    OptionError
        The kind is unknown.
    """
    return make_toy(kind, seed, sources)
