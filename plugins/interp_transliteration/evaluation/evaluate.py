"""One table for networks and baselines: character error rate with its interval, and share of words right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from interp_transliteration.scoring import Counts

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from interp_transliteration.task import TextBatch, TransliterationTask

Predictor = Callable[["TextBatch"], Sequence[Sequence[str]]]
RESAMPLES = 2000


class Tally:
    """Counts of one predictor, whole and by source.

    Parameters
    ----------
    confusable : tuple of str
        As of `Counts`.
    """

    def __init__(self, confusable: tuple[str, ...] = ()) -> None:
        self.counts = Counts(confusable)
        self.samples = 0
        self._errors: Counter[int] = Counter()
        self._characters: Counter[int] = Counter()

    def add(self, batch: TextBatch, predicted: Sequence[Sequence[str]]) -> None:
        """Count a batch with the symbols that were predicted for each sample."""
        assert batch.labels is not None  # noqa: S101 (the task makes its own batches)
        stop = 0
        for typed, symbols in zip(batch.typed, predicted, strict=True):
            start, stop = stop, stop + len(typed)
            if not typed:
                continue
            before = self.counts.errors, self.counts.characters
            self.counts.add(typed, batch.labels["output"][start:stop], symbols)
            self._book(int(batch.labels["source"][start]), *before)

    def add_line(self, source: int, reference: str, text: str) -> None:
        """Count a text that has no symbols, of a sentence by its number."""
        before = self.counts.errors, self.counts.characters
        self.counts.add_line(reference, text)
        self._book(source, *before)

    def _book(self, source: int, errors: int, characters: int) -> None:
        """Put down what was counted since then for a source."""
        self._errors[source] += self.counts.errors - errors
        self._characters[source] += self.counts.characters - characters
        self.samples += 1

    def row(self, seed: int) -> dict[str, float | int]:
        """Return the figures of `evaluate`, and the confusions of `Counts.figures`."""
        figures = self.counts.figures()
        sources = sorted(self._characters)
        errors = np.array([self._errors[source] for source in sources])
        characters = np.array([self._characters[source] for source in sources])
        low, high = interval(errors, characters, seed)
        head = {"cer": figures.pop("cer"), "low": low, "high": high, "words": figures.pop("words")}
        sizes = {"sentences": len(sources), "samples": self.samples, "characters": self.counts.characters}
        return head | sizes | figures


def evaluate(
    task: TransliterationTask,
    predictors: Mapping[str, Predictor],
    split: str,
    *,
    limit: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure predictors on the same samples of a split.

    Parameters
    ----------
    task : TransliterationTask
        With the corpus and the rules to measure on.
    predictors : mapping of str to callable
        Each takes a batch and returns for each sample a symbol for each letter: a `Baseline`, or
        ``of_network(task, model)``.
    split : str
        ``demo``, ``validation`` or ``test``; ``train`` gives chunks instead of sentences.
    limit : int, optional
        Samples, as of ``task.batches``; by default one spelling of each sentence.
    seed : int
        Of the spellings and of the bootstrap.

    Returns
    -------
    DataFrame
        A row for each predictor: ``cer`` (character errors / reference characters), ``low`` and ``high`` (see
        `interval`), ``words`` (share right), ``sentences`` (distinct ones), ``samples``, ``characters`` (of the
        reference), and ``confusion a>b`` (share of a) for the confusable letters.
    """
    import pandas as pd

    tallies = {name: Tally(task.pack.confusable) for name in predictors}
    for batch in task.batches(split, limit=limit, seed=seed):
        for name, predict in predictors.items():
            tallies[name].add(batch, predict(batch))
    table = pd.DataFrame.from_dict({name: tally.row(seed) for name, tally in tallies.items()}, orient="index")
    confusions = [column for column in table.columns if column.startswith("confusion")]
    table[confusions] = table[confusions].fillna(0.0)
    return table.rename_axis("predictor")


def of_network(task: TransliterationTask, model: torch.nn.Module) -> Predictor:
    """Return a predictor that takes the most probable symbol of a network's output, without gradients."""

    def predict(batch: TextBatch) -> Sequence[Sequence[str]]:
        import torch

        model.eval()
        with torch.inference_mode():
            return task.decode(cast("torch.Tensor", model(*batch.inputs)), batch)

    return predict


def interval(
    errors: np.ndarray, characters: np.ndarray, seed: int = 0, *, level: float = 0.95, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the percentile interval of an error rate, by a bootstrap over sentences.

    Parameters
    ----------
    errors, characters : array (sentence,)
        Sums over the samples of one sentence, which are drawn together.
    seed : int
    level : float
        Coverage aimed at, 0..1.
    resamples : int
        How often as many sentences are drawn, with replacement.

    Returns
    -------
    low, high : float
        Of ``sum(errors) / sum(characters)`` (Efron and Tibshirani 1993, chapter 13); nan without a character.
    """
    if not characters.sum():
        return float("nan"), float("nan")
    generator, rates = np.random.default_rng([seed, 4]), np.empty(resamples)
    for number in range(resamples):
        drawn = generator.integers(errors.size, size=errors.size)
        rates[number] = errors[drawn].sum() / max(1, characters[drawn].sum())
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
