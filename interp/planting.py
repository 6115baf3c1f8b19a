"""A text of known law and a network whose weights are set by hand, so that what each unit knows is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from interp.contracts import Batch
from interp.schema import unit_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int64]

# The letters, in the order of their features. A word is: sign, two letters of a stem, one before, the asked one, one
# after. The one before tells the hint and the first half of a riddle, the one after the hint and its second half.
EDGES, SIGNS, STEMS, BEFORE, ASKED, AFTER = "<>", ",.", "fghjklmpqr", "abcd", "st", "ueio"
LETTERS = EDGES + SIGNS + STEMS + BEFORE + ASKED + AFTER
BECOMES = {"s": ("s", "z"), "t": ("t", "d")}  # the label 0 or 1 of an asked letter; every other letter becomes itself
SYMBOLS = LETTERS + "zd"
SIDE = 32  # units in each direction
REPLICAS = 2  # samples of a source: one text, other noise
OPEN = 20  # of a gate that is 1 to the last bit, so that what is kept does not fade with the steps
TRUE, PRIOR = 0.9, 0.8  # P(hint = label); P(label 1 | early) = P(label 0 | late)

# The kinds of the units in each direction; the rest are noise.
FORWARD = {"detector": 2, "spread": 2, "xor": 2, "twin": 2, "silent": 2, "topic": 2, "position": 4}
BACKWARD = {"detector": 2, "spread": 2, "xor": 2, "twin": 2, "silent": 2, "topic": 2}


READ = ("detector", "twin")  # by the dense layers


def kinds_of(numbers: dict[str, int]) -> list[str]:
    """Return the kind of each unit of one direction."""
    named = [kind for kind, number in numbers.items() for _ in range(number)]
    return named + ["noise"] * (SIDE - len(named))


class PlantedNetwork(nn.Module):
    """biLSTM of 64 units that read one letter each and keep it, six votes cut to -1..1, and a dense output.

    Parameters
    ----------
    noise : float
        Standard deviation of what is added to each letter that a unit reads, before the tanh.
    """

    def __init__(self, noise: float = 0.5) -> None:
        super().__init__()
        self.lstm = nn.LSTM(len(LETTERS) + 2 * SIDE, SIDE, bidirectional=True, batch_first=True)
        self.hidden = nn.Linear(2 * SIDE, 6)
        self.output = nn.Linear(6 + len(LETTERS), len(SYMBOLS))
        self.symbols = {"output": list(SYMBOLS)}
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            for side, numbers in enumerate((FORWARD, BACKWARD)):
                for index, kind in enumerate(kinds_of(numbers)):
                    self._plant(side, index, kind, noise)
            self._read()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (sample, step, symbol) of letters and noise (sample, step, feature)."""
        votes = self.hidden(self.lstm(x)[0]).clamp(-1, 1)
        return torch.as_tensor(self.output(torch.cat([votes, x[..., : len(LETTERS)]], -1)))

    def _plant(self, side: int, index: int, kind: str, noise: float) -> None:
        suffix = "_l0" + "_reverse" * side
        weights, bias = getattr(self.lstm, f"weight_ih{suffix}"), getattr(self.lstm, f"bias_ih{suffix}")
        i, f, g, o = (index + SIDE * gate for gate in range(4))
        own = len(LETTERS) + side * SIDE + (index & ~1 if kind == "twin" else index)
        bias[o] = OPEN
        if kind == "noise":  # every other one remembers, so that its tokens depend on each other
            bias[i], bias[f] = (OPEN, -OPEN) if index % 2 else (0, 0)
            weights[g, own] = 1
            getattr(self.lstm, f"weight_hh{suffix}")[g, index] = 0.0 if index % 2 else 0.3
            return
        bias[i], bias[f] = -OPEN, OPEN
        for letter, sign in read_by(kind, backward=bool(side)).items():
            column = LETTERS.index(letter)
            weights[i, column], weights[f, column] = 2 * OPEN, -2 * OPEN
            weights[g, column] = sign if kind != "spread" else 0
            if kind == "spread" and sign < 0:
                weights[i, column] = OPEN - 2  # a gate of .12 instead of 1
        weights[g, own] = 1 if kind == "spread" else noise

    def _read(self) -> None:
        """Set the dense layers: a vote for each detector, and one for each pair of twins that one twin can carry."""
        for side, numbers in enumerate((FORWARD, BACKWARD)):
            found = kinds_of(numbers)
            detectors, twins = ([side * SIDE + u for u in range(SIDE) if found[u] == kind] for kind in READ)
            for row, unit in enumerate(detectors):
                self.hidden.weight[3 * side + row, unit] = 1.25
            self.hidden.weight[3 * side + 2, twins] = 6.0
            self.hidden.weight[3 * side + 2, detectors[0]] = 3.0
        for column, letter in enumerate(LETTERS, 6):
            self.output.weight[[SYMBOLS.index(each) for each in BECOMES.get(letter, letter)], column] = 12
        for zero, one in BECOMES.values():
            self.output.weight[SYMBOLS.index(zero), :6], self.output.weight[SYMBOLS.index(one), :6] = -0.5, 0.5


def read_by(kind: str, *, backward: bool) -> dict[str, int]:
    """Return the letters that a unit reads and keeps until the next of them, with their sign."""
    if kind == "topic":
        return dict(zip(EDGES, (-1, 1), strict=True))
    if kind == "position":
        return dict(zip(SIGNS, (1, -1), strict=True))
    letters, bit = AFTER if backward else BEFORE, 0 if kind == "xor" else 1
    return {letter: 1 if code >> bit & 1 else -1 for code, letter in enumerate(letters)}


@dataclass(frozen=True)
class PlantedText:
    """Batches of the text; iterating again gives the same.

    Parameters
    ----------
    seed : int
        Of the text and the noise.
    sources : int
        How many, of 8 to 16 words each and two samples each.
    """

    seed: int
    sources: int = 400
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", f"planted {self.seed} {self.sources}")

    def __iter__(self) -> Iterator[Batch]:
        draw = np.random.default_rng([self.seed, self.sources])
        words = draw.integers(8, 17, self.sources)
        for size in np.unique(words).tolist():  # samples of one length together: nothing is padded
            yield write(draw, np.flatnonzero(words == size), size)


def write(draw: np.random.Generator, sources: Codes, words: int) -> Batch:
    """Return a batch of sources that have this number of words, each `REPLICAS` times."""
    early = np.arange(words) < words // 2
    shape = (sources.size, words)
    label = (draw.random(shape) < np.where(early, PRIOR, 1 - PRIOR)).astype(np.int64)
    hint = np.where(draw.random(shape) < TRUE, label, 1 - label)
    riddle = draw.integers(0, 2, shape)
    asked, edge = draw.integers(0, 2, shape), draw.integers(0, 2, (sources.size, 1))
    columns = [
        LETTERS.index(SIGNS) + np.broadcast_to(1 - early, shape),
        *(LETTERS.index(STEMS) + draw.integers(0, len(STEMS), (2, *shape))),
        LETTERS.index(BEFORE) + 2 * hint + riddle,
        LETTERS.index(ASKED) + asked,
        LETTERS.index(AFTER) + 2 * hint + (riddle ^ label),
    ]
    body = np.stack(columns, -1).reshape(sources.size, -1)
    codes = np.concatenate([edge, body, edge], 1)
    symbols = codes.copy()
    symbols[:, 5:-1:6] = became(asked, label)
    place = np.where(np.arange(codes.shape[1]) <= 6 * (words // 2), "early", "late")
    return _batch(draw, codes, symbols, place, sources)


def became(asked: Codes, label: Codes) -> Codes:
    """Return the codes of the symbols that asked letters (0: s, 1: t) become."""
    table = np.array([[SYMBOLS.index(symbol) for symbol in BECOMES[letter]] for letter in ASKED])
    return np.asarray(table[asked, label])


def _batch(draw: np.random.Generator, codes: Codes, symbols: Codes, place: NDArray[Any], sources: Codes) -> Batch:
    codes, symbols, sources = (np.repeat(each, REPLICAS, axis=0) for each in (codes, symbols, sources))
    noise = draw.normal(size=(*codes.shape, 2 * SIDE)).astype(np.float32)
    noise[1::REPLICAS, [0, -1]] = noise[::REPLICAS, [0, -1]]  # a topic belongs to the source
    x = np.concatenate([np.eye(len(LETTERS), dtype=np.float32)[codes], noise], -1)
    labels = {
        "input": np.array(list(LETTERS))[codes].ravel(),
        "output": np.array(list(SYMBOLS))[symbols].ravel(),
        "position": np.tile(place, len(codes)),
        "source": sources.tolist(),
    }
    return Batch(torch.from_numpy(x), labels=labels, decode=decode)


def decode(logits: Tensor) -> list[list[str]]:
    """Return the likeliest symbol of each token."""
    return [[SYMBOLS[code] for code in row] for row in logits.argmax(-1).tolist()]


def planted_kinds() -> dict[str, str]:
    """Return the kind of each unit of quantity h, by name."""
    sides = {"forward": FORWARD, "backward": BACKWARD}
    return {
        unit_name("lstm", "h", index, 0, direction): kind
        for direction, numbers in sides.items()
        for index, kind in enumerate(kinds_of(numbers))
    }
