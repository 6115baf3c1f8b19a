"""Fit the numbers by which words stay Latin in a beam search, on sentences outside the training text, and print them.

python models/scripts/fit_fusion.py --corpus DIR --wiki DUMP [--limit 1000]

Each candidate word is one observation, weighted by its number of letters: those of the validation articles of the dump,
of some validation sentences of the corpus, and, with a smaller weight, of the latter with Latin passages. A logistic
regression gives the weights of the search gain, of the network's log odds per letter, and of the best other word of the
line.
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
from interp_transliteration.baselines.baselines import CharacterNGram
from interp_transliteration.baselines.ngram import NGram
from interp_transliteration.decoding.fusion import KeepLatinDecision, NGramFusion, best_other_scores
from interp_transliteration.decoding.latin_words import WORD_PATTERN, LatinWordFilter
from interp_transliteration.evaluation.tracks import Sample, insert_passages, iter_samples
from interp_transliteration.task import TransliterationTask

N_ROUNDS = 10  # the scores of the other words depend on the fit
PASSAGE_WEIGHT = 0.3  # of a letter in a sentence with passages


class Observation(NamedTuple):
    """A candidate word: search gain, network's log odds per letter, weight, and whether it is Latin."""

    gain: float
    log_odds: float
    weight: float
    is_latin: bool


def main(
    corpus: Annotated[Path, typer.Option(help="Training corpus of the networks; its validation split is used.")],
    wiki: Annotated[Path, typer.Option(help="Wikipedia dump; its validation articles are used.")],
    model: Annotated[str, typer.Option(help="Model with an n-gram.")] = "armenian-bilstm-large",
    limit: Annotated[int, typer.Option(help="Number of sentences of the corpus.")] = 1000,
) -> None:
    """Print GAIN_WEIGHT, LOG_ODDS_WEIGHT, OTHER_WORD_WEIGHT and BIAS."""
    torch.set_num_threads(1)
    network = interp.load_model(model)
    text, articles = TransliterationTask(corpus=corpus), TransliterationTask(corpus=wiki)
    language_model = NGram.load(Path(str(network.ngram)))
    ngram = CharacterNGram(text.pack, text.romaniser.rules, ngram=language_model, fold_capitals=True)
    decision = KeepLatinDecision(LatinWordFilter(text.pack), NGramFusion(ngram))
    plain = list(iter_samples(text, "validation", limit=limit))
    sets = [(iter_samples(articles, "validation"), 1.0), (plain, 1.0),
            (insert_passages(text, plain, 0), PASSAGE_WEIGHT)]  # fmt: skip
    observed = (list(_observations(sample, decision, _log_probs(network, text, sample.line), weight))
                for samples, weight in sets for sample in samples)  # fmt: skip
    lines = [words for words in observed if words]
    own = np.array([[word.gain, word.log_odds] for line in lines for word in line])
    ends, coefficients = np.cumsum([0, *map(len, lines)]), np.zeros(4)
    for _ in range(N_ROUNDS):
        others = [best_other_scores((own[a:b] @ coefficients[:2]).tolist()) for a, b in pairwise(ends)]
        coefficients = _fit(np.column_stack([own, np.concatenate(others), np.ones(len(own))]), lines)
    names = ("GAIN_WEIGHT", "LOG_ODDS_WEIGHT", "OTHER_WORD_WEIGHT", "BIAS")
    values = ", ".join(f"{name} {value:.3f}" for name, value in zip(names, coefficients, strict=True))
    typer.echo(f"{len(own):,} words: {values}")


def _log_probs(network: torch.nn.Module, task: TransliterationTask, line: str) -> np.ndarray:
    with torch.inference_mode():
        rows: np.ndarray = network(*task.encode_lines([line])).log_softmax(-1).numpy()[0, : len(line)]
    return rows


def _observations(
    sample: Sample, decision: KeepLatinDecision, log_probs: np.ndarray, weight: float
) -> Iterator[Observation]:
    """Yield the candidate words of a line with a known reference."""
    references = dict(_references(sample))
    for word, gain in decision.gains(sample.line, log_probs)[1]:
        reference = references.get(word.start)
        if reference is not None:
            yield Observation(gain, word.log_odds / word.n_letters, weight * len(word.text), reference == word.text)


def _references(sample: Sample) -> Iterator[tuple[int, str]]:
    """Yield start and reference of each word."""
    at = 0
    for typed, expected in zip(sample.typed, sample.expected, strict=True):
        words, references = list(WORD_PATTERN.finditer(typed)), list(WORD_PATTERN.finditer(expected))
        if len(words) == len(references):
            yield from ((at + word.start(), other[0]) for word, other in zip(words, references, strict=True))
        at += len(typed) + 1


def _fit(features: np.ndarray, lines: Sequence[Sequence[Observation]]) -> np.ndarray:
    """Return the coefficients of a logistic regression."""
    weights = np.array([word.weight for line in lines for word in line])
    signs = np.array([1.0 if word.is_latin else -1.0 for line in lines for word in line])

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (features @ coefficients)
        slopes = -signs * weights / (1 + np.exp(margins)) / weights.sum()
        return float(weights @ np.logaddexp(0, -margins) / weights.sum()), features.T @ slopes

    solution: np.ndarray = minimize(loss, np.zeros(features.shape[1]), jac=True).x
    return solution


if __name__ == "__main__":
    typer.run(main)
