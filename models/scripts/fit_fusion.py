"""Fit the numbers by which words stay beside a search, on sentences that no network was trained on, and print them.

python models/fit_staying.py --corpus DIR --wiki DUMP [--limit 1000]

Every word that may stay is one observation, with its letters for its weight: of the validation articles of the dump, of
some validation sentences of the corpus, and, counting less, of these with Latin passages between their words. A
logistic regression says how much the gain of the search, the network's log odds of a letter, and the other word of the
line that most likely stays speak for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from scipy.optimize import minimize

import interp
from interp_transliteration.baselines import CharacterNGram
from interp_transliteration.combined import Combined
from interp_transliteration.ngram import NGram
from interp_transliteration.staying import Staying, others
from interp_transliteration.task import TransliterationTask
from interp_transliteration.tracks import Sample, mixed, samples
from interp_transliteration.words import WORD, Words

ROUNDS = 10  # what speaks for the other words depends on what is fitted
MIXED = 0.3  # weight of a letter of a sentence with passages


class Seen(NamedTuple):
    """A word that may stay: the gain of the search, the network's log odds of a letter, its weight, and the truth."""

    gain: float
    odds: float
    weight: float
    stays: bool


def main(
    corpus: Annotated[Path, typer.Option(help="The text that the networks are trained on; its validation split.")],
    wiki: Annotated[Path, typer.Option(help="A dump; its validation articles.")],
    model: str = "armenian-bilstm-large",
    limit: Annotated[int, typer.Option(help="Sentences of the corpus.")] = 1000,
) -> None:
    """Print GAIN, ODDS, OTHER and ANYHOW."""
    torch.set_num_threads(1)
    network = interp.load_model(model)
    text, articles = TransliterationTask(corpus=corpus), TransliterationTask(corpus=wiki)
    ngram = CharacterNGram(text.pack, text.romaniser.rules, language=NGram.load(Path(str(network.ngram))), folds=True)
    staying = Staying(Words(text.pack), Combined(ngram))
    plain = list(samples(text, "validation", limit=limit))
    sets = [(samples(articles, "validation"), 1.0), (plain, 1.0), (mixed(text, plain, 0), MIXED)]
    lines = [words for found, weight in sets for sample in found
             if (words := list(_seen(sample, staying, _logs(network, text, sample.line), weight)))]  # fmt: skip
    own = np.array([[word.gain, word.odds] for line in lines for word in line])
    ends, found = np.cumsum([0, *map(len, lines)]), np.zeros(4)
    for _ in range(ROUNDS):
        beside = np.concatenate([others((own[a:b] @ found[:2]).tolist()) for a, b in pairwise(ends)])
        found = _fit(np.column_stack([own, beside, np.ones(len(own))]), lines)
    gain, odds, other, anyhow = found
    typer.echo(f"{len(own):,} words: GAIN {gain:.3f}, ODDS {odds:.3f}, OTHER {other:.3f}, ANYHOW {anyhow:.3f}")


def _logs(network: torch.nn.Module, task: TransliterationTask, line: str) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = network(*task.codes([line])).log_softmax(-1).numpy()[0, : len(line)]
    return found


def _seen(sample: Sample, staying: Staying, logs: np.ndarray, weight: float) -> Iterator[Seen]:
    """Yield the words of a line of which is known whether they stay."""
    expected = dict(_expected(sample))
    for word, gain in staying.gains(sample.line, logs)[1]:
        wanted = expected.get(word.start)
        if wanted is not None:
            yield Seen(gain, word.odds / word.letters, weight * len(word.text), wanted == word.text)


def _expected(sample: Sample) -> Iterator[tuple[int, str]]:
    """Yield where each word begins, and what is expected of it."""
    at = 0
    for typed, expected in zip(sample.typed, sample.expected, strict=True):
        here, there = list(WORD.finditer(typed)), list(WORD.finditer(expected))
        if len(here) == len(there):
            yield from ((at + one.start(), other[0]) for one, other in zip(here, there, strict=True))
        at += len(typed) + 1


def _fit(features: np.ndarray, lines: Sequence[Sequence[Seen]]) -> np.ndarray:
    """Return the coefficients of a logistic regression."""
    weights = np.array([word.weight for line in lines for word in line])
    signs = np.array([1.0 if word.stays else -1.0 for line in lines for word in line])

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (features @ coefficients)
        slopes = -signs * weights / (1 + np.exp(margins)) / weights.sum()
        return float(weights @ np.logaddexp(0, -margins) / weights.sum()), features.T @ slopes

    found: np.ndarray = minimize(loss, np.zeros(features.shape[1]), jac=True).x
    return found


if __name__ == "__main__":
    typer.run(main)
