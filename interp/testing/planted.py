"""Planted network: hand-set weights and text from a known distribution, so that the content of each unit is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from interp.base import Batch
from interp.schema import format_unit_name

if TYPE_CHECKING:
    from numpy.typing import NDArray


if TYPE_CHECKING:
    Codes = NDArray[np.int64]

# Letters, in the order of their features. A word consists of a sign, two stem letters, a letter before, the query
# letter, and a letter after. The letter before encodes a hint and the first bit of a riddle; the letter after encodes
# the hint and the second bit.
EDGES, SIGNS, STEMS, CONTEXT_BEFORE, QUERY_LETTERS, CONTEXT_AFTER = "<>", ",.", "fghjklmpqr", "abcd", "st", "ueio"
LETTERS = EDGES + SIGNS + STEMS + CONTEXT_BEFORE + QUERY_LETTERS + CONTEXT_AFTER
OUTCOMES = {"s": ("s", "z"), "t": ("t", "d")}  # outputs of a query letter for labels 0 and 1; others are unchanged
SYMBOLS = LETTERS + "zd"
UNITS_PER_DIRECTION = 32  # units in each direction
REPLICAS = 2  # samples per source: same text, different noise
SATURATING_BIAS = 20  # bias at which a gate is 1 to the last bit, so that stored values don't decay
HINT_ACCURACY, LABEL_PRIOR = 0.9, 0.8  # P(hint = label); P(label 1 | early) = P(label 0 | late)

# Number of units of each kind per direction; the rest are noise.
FORWARD_KINDS = {"detector": 2, "spread": 2, "xor": 2, "twin": 2, "silent": 2, "topic": 2, "position": 4}
BACKWARD_KINDS = {"detector": 2, "spread": 2, "xor": 2, "twin": 2, "silent": 2, "topic": 2}


READ_KINDS = ("detector", "twin")  # kinds that the dense layers read


def unit_kinds(numbers: dict[str, int]) -> list[str]:
    """Return the kind of each unit of one direction."""
    named = [kind for kind, number in numbers.items() for _ in range(number)]
    return named + ["noise"] * (UNITS_PER_DIRECTION - len(named))


class PlantedNetwork(nn.Module):
    """biLSTM of 64 units that each read and hold a letter, six votes clipped to [-1, 1], and a dense output.

    Parameters
    ----------
    noise : float
        Standard deviation of the noise added to each letter that a unit reads, before the tanh.
    """

    def __init__(self, noise: float = 0.5) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            len(LETTERS) + 2 * UNITS_PER_DIRECTION, UNITS_PER_DIRECTION, bidirectional=True, batch_first=True
        )
        self.hidden = nn.Linear(2 * UNITS_PER_DIRECTION, 6)
        self.output = nn.Linear(6 + len(LETTERS), len(SYMBOLS))
        self.symbols = {"output": list(SYMBOLS)}
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            for side, numbers in enumerate((FORWARD_KINDS, BACKWARD_KINDS)):
                for index, kind in enumerate(unit_kinds(numbers)):
                    self._plant(side, index, kind, noise)
            self._connect()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (sample, step, symbol) for letters and noise (sample, step, feature)."""
        votes = self.hidden(self.lstm(x)[0]).clamp(-1, 1)
        return torch.as_tensor(self.output(torch.cat([votes, x[..., : len(LETTERS)]], -1)))

    def _plant(self, side: int, index: int, kind: str, noise: float) -> None:
        suffix = "_l0" + "_reverse" * side
        weights, bias = getattr(self.lstm, f"weight_ih{suffix}"), getattr(self.lstm, f"bias_ih{suffix}")
        i, f, g, o = (index + UNITS_PER_DIRECTION * gate for gate in range(4))
        own = len(LETTERS) + side * UNITS_PER_DIRECTION + (index & ~1 if kind == "twin" else index)
        bias[o] = SATURATING_BIAS
        if kind == "noise":  # every other unit has memory, so that its tokens are dependent
            bias[i], bias[f] = (SATURATING_BIAS, -SATURATING_BIAS) if index % 2 else (0, 0)
            weights[g, own] = 1
            getattr(self.lstm, f"weight_hh{suffix}")[g, index] = 0.0 if index % 2 else 0.3
            return
        bias[i], bias[f] = -SATURATING_BIAS, SATURATING_BIAS
        for letter, sign in letters_read(kind, backward=bool(side)).items():
            column = LETTERS.index(letter)
            weights[i, column], weights[f, column] = 2 * SATURATING_BIAS, -2 * SATURATING_BIAS
            weights[g, column] = sign if kind != "spread" else 0
            if kind == "spread" and sign < 0:
                weights[i, column] = SATURATING_BIAS - 2  # a gate of .12 instead of 1
        weights[g, own] = 1 if kind == "spread" else noise

    def _connect(self) -> None:
        """Set the dense layers: one vote per detector, and one per pair of twins that a single twin can sustain."""
        for side, numbers in enumerate((FORWARD_KINDS, BACKWARD_KINDS)):
            kinds = unit_kinds(numbers)
            detectors, twins = (
                [side * UNITS_PER_DIRECTION + u for u in range(UNITS_PER_DIRECTION) if kinds[u] == kind]
                for kind in READ_KINDS
            )
            for row, unit in enumerate(detectors):
                self.hidden.weight[3 * side + row, unit] = 1.25
            self.hidden.weight[3 * side + 2, twins] = 6.0
            self.hidden.weight[3 * side + 2, detectors[0]] = 3.0
        for column, letter in enumerate(LETTERS, 6):
            self.output.weight[[SYMBOLS.index(each) for each in OUTCOMES.get(letter, letter)], column] = 12
        for zero, one in OUTCOMES.values():
            self.output.weight[SYMBOLS.index(zero), :6], self.output.weight[SYMBOLS.index(one), :6] = -0.5, 0.5


def letters_read(kind: str, *, backward: bool) -> dict[str, int]:
    """Return the letters that a unit reads, with their sign; it holds each until the next."""
    if kind == "topic":
        return dict(zip(EDGES, (-1, 1), strict=True))
    if kind == "position":
        return dict(zip(SIGNS, (1, -1), strict=True))
    letters, bit = CONTEXT_AFTER if backward else CONTEXT_BEFORE, 0 if kind == "xor" else 1
    return {letter: 1 if code >> bit & 1 else -1 for code, letter in enumerate(letters)}


@dataclass(frozen=True)
class PlantedText:
    """Batches of the text, the same in each iteration.

    Parameters
    ----------
    seed : int
        Random seed of text and noise.
    sources : int
        Number of sources, of 8 to 16 words and two samples each.
    """

    seed: int
    sources: int = 400
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", f"planted {self.seed} {self.sources}")

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng([self.seed, self.sources])
        words = rng.integers(8, 17, self.sources)
        for size in np.unique(words).tolist():  # samples of equal length share a batch, without padding
            yield make_batch(rng, np.flatnonzero(words == size), size)


def make_batch(rng: np.random.Generator, sources: Codes, words: int) -> Batch:
    """Return a batch of sources with this number of words, each `REPLICAS` times."""
    early = np.arange(words) < words // 2
    shape = (sources.size, words)
    label = (rng.random(shape) < np.where(early, LABEL_PRIOR, 1 - LABEL_PRIOR)).astype(np.int64)
    hint = np.where(rng.random(shape) < HINT_ACCURACY, label, 1 - label)
    riddle = rng.integers(0, 2, shape)
    query, edge = rng.integers(0, 2, shape), rng.integers(0, 2, (sources.size, 1))
    columns = [
        LETTERS.index(SIGNS) + np.broadcast_to(1 - early, shape),
        *(LETTERS.index(STEMS) + rng.integers(0, len(STEMS), (2, *shape))),
        LETTERS.index(CONTEXT_BEFORE) + 2 * hint + riddle,
        LETTERS.index(QUERY_LETTERS) + query,
        LETTERS.index(CONTEXT_AFTER) + 2 * hint + (riddle ^ label),
    ]
    body = np.stack(columns, -1).reshape(sources.size, -1)
    codes = np.concatenate([edge, body, edge], 1)
    symbols = codes.copy()
    symbols[:, 5:-1:6] = outcome_codes(query, label)
    position = np.where(np.arange(codes.shape[1]) <= 6 * (words // 2), "early", "late")
    return _batch(rng, codes, symbols, position, sources)


def outcome_codes(query: Codes, label: Codes) -> Codes:
    """Return the symbol codes of query letters (0: s, 1: t) with a label (0 or 1)."""
    table = np.array([[SYMBOLS.index(symbol) for symbol in OUTCOMES[letter]] for letter in QUERY_LETTERS])
    return np.asarray(table[query, label])


def _batch(rng: np.random.Generator, codes: Codes, symbols: Codes, position: NDArray[Any], sources: Codes) -> Batch:
    codes, symbols, sources = (np.repeat(each, REPLICAS, axis=0) for each in (codes, symbols, sources))
    noise = rng.normal(size=(*codes.shape, 2 * UNITS_PER_DIRECTION)).astype(np.float32)
    noise[1::REPLICAS, [0, -1]] = noise[::REPLICAS, [0, -1]]  # a topic is shared by the samples of a source
    x = np.concatenate([np.eye(len(LETTERS), dtype=np.float32)[codes], noise], -1)
    labels = {
        "input": np.array(list(LETTERS))[codes].ravel(),
        "output": np.array(list(SYMBOLS))[symbols].ravel(),
        "position": np.tile(position, len(codes)),
        "source": sources.tolist(),
    }
    return Batch(torch.from_numpy(x), labels=labels, decode=decode)


def decode(logits: Tensor) -> list[list[str]]:
    """Return the most likely symbol of each token."""
    return [[SYMBOLS[code] for code in row] for row in logits.argmax(-1).tolist()]


def planted_kinds() -> dict[str, str]:
    """Return the kind of each unit of quantity h, by name."""
    sides = {"forward": FORWARD_KINDS, "backward": BACKWARD_KINDS}
    return {
        format_unit_name("lstm", "h", index, 0, direction): kind
        for direction, numbers in sides.items()
        for index, kind in enumerate(unit_kinds(numbers))
    }


KINDS = ("detector", "spread", "xor", "twin", "silent", "topic", "position", "noise")
DETECTED_KINDS: Mapping[str, Mapping[str, bool | str]] = {
    "hellinger": {"detector": True, "spread": True, "twin": True, "silent": True, "position": "given"},
    "mutual-information": {"detector": True, "spread": True, "twin": True, "silent": True, "position": "given"},
    "auc": {"detector": True, "twin": True, "silent": True, "position": "given"},
    "mean-difference": {"detector": True, "twin": True, "silent": True, "position": "given"},
    "classifier": {"detector": True, "twin": True, "silent": True, "position": "given"},
    "classifier-products": {"detector": True, "xor": "together", "twin": True, "silent": True, "position": "given"},
    "ablation": {"detector": True, "twin": "together"},
}
EXPECTATIONS: Mapping[str, Mapping[str, bool | str]] = MappingProxyType(
    {
        probe: MappingProxyType({kind: detections.get(kind, False) for kind in KINDS})
        for probe, detections in DETECTED_KINDS.items()
    }
)


@dataclass(frozen=True)
class PlantedCapture:
    """Network and text with known ground truth.

    Attributes
    ----------
    model : Module
        biLSTM ``lstm`` of 64 units, dense layers ``hidden`` and ``output``, in eval mode.
    batches : iterable of Batch
        Labels ``input``, ``output``, ``position`` (``early``, ``late``), ``source`` (two samples each) and
        ``predicted``. The inputs ``s`` and ``t`` map to one of two symbols each, all others to one.
    kinds : mapping of str to str
        Kind of each unit ``lstm.0.….h.…``; other units (gates, cells, dense layers) are not listed.
    expectations : mapping of str to mapping
        ``expectations[probe][kind]``: whether a probe must detect units of this kind for pairs of ``s`` and ``t``.
        ``"given"``: detected, but not conditionally on ``position``. ``"together"``: only two units jointly. For
        classifiers, use code length: accuracy can be above chance on ``spread`` and ``xor`` units because of where the
        decision threshold falls.
    """

    model: torch.nn.Module
    batches: Any
    kinds: Mapping[str, str]
    expectations: Mapping[str, Mapping[str, bool | str]]


def planted_network(seed: int = 0, *, sources: int = 400) -> PlantedCapture:
    """Return a biLSTM with hand-set weights and text from a known distribution.

    Kinds of units, four each: detector (encodes a neighbour letter that predicts the output with probability 0.9),
    spread (encodes the same letter in its variance, at equal means), xor (two letters that predict the output only
    jointly), twin (copies of a detector), silent (a detector that no layer reads), topic (constant in a source,
    independent of the output), position (first or second half of a text; the halves prefer different outputs, and the
    unit is independent of the output within a half). All other units are noise, every other one with memory. Units add
    noise to their input.

    Parameters
    ----------
    seed : int
        Random seed of text and noise; the weights are fixed.
    sources : int
        Number of independent texts, of 8 to 16 words and two samples each. A pair has about 600 tokens with 100
        sources, and about 2,400 with the default of 400.

    Returns
    -------
    Planted
    """
    return PlantedCapture(PlantedNetwork().eval(), PlantedText(seed, sources), planted_kinds(), EXPECTATIONS)
