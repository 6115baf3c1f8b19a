"""Evaluation of predictors: character error rate with its confidence interval, and share of correct words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from interp_transliteration.evaluation.metrics import ErrorCounts

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from interp_transliteration.batches import TextBatch
    from interp_transliteration.task import TransliterationTask

Predictor = Callable[["TextBatch"], Sequence[Sequence[str]]]
N_RESAMPLES = 2000


class SourceCounts:
    """Error counts of one predictor, in total and per source.

    Parameters
    ----------
    confusable : tuple of str
        Groups of letters as for `ErrorCounts`.
    """

    def __init__(self, confusable: tuple[str, ...] = ()) -> None:
        self.total = ErrorCounts(confusable)
        self.n_samples = 0
        self._errors: Counter[int] = Counter()
        self._characters: Counter[int] = Counter()

    def add(self, batch: TextBatch, predicted: Sequence[Sequence[str]]) -> None:
        """Count a batch with the predicted symbols of each sample."""
        assert batch.labels is not None  # noqa: S101 (the task makes its own batches)
        stop = 0
        for typed, symbols in zip(batch.typed, predicted, strict=True):
            start, stop = stop, stop + len(typed)
            if not typed:
                continue
            before = self.total.errors, self.total.characters
            self.total.add(typed, batch.labels["output"][start:stop], symbols)
            self._add_difference(int(batch.labels["source"][start]), *before)

    def add_line(self, source: int, reference: str, text: str) -> None:
        """Count a text without symbols; `source` is the number of its sentence."""
        before = self.total.errors, self.total.characters
        self.total.add_line(reference, text)
        self._add_difference(source, *before)

    def _add_difference(self, source: int, errors: int, characters: int) -> None:
        """Add the counts since the given totals to a source."""
        self._errors[source] += self.total.errors - errors
        self._characters[source] += self.total.characters - characters
        self.n_samples += 1

    def row(self, seed: int) -> dict[str, float | int]:
        """Return the columns of `evaluate`, and the confusions of `ErrorCounts.figures`."""
        figures = self.total.figures()
        sources = sorted(self._characters)
        errors = np.array([self._errors[source] for source in sources])
        characters = np.array([self._characters[source] for source in sources])
        ci_low, ci_high = bootstrap_interval(errors, characters, seed)
        head = {"cer": figures.pop("cer"), "ci_low": ci_low, "ci_high": ci_high, "words": figures.pop("words")}
        sizes = {"sentences": len(sources), "samples": self.n_samples, "characters": self.total.characters}
        return head | sizes | figures


def evaluate(
    task: TransliterationTask,
    predictors: Mapping[str, Predictor],
    split: str,
    *,
    limit: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Evaluate predictors on the same samples of a split.

    Parameters
    ----------
    task : TransliterationTask
        Task with the corpus and the rules to evaluate on.
    predictors : mapping of str to callable
        Functions from a batch to one symbol per letter of each sample: a `Baseline`, or
        ``network_predictor(task, model)``.
    split : str
        ``demo``, ``validation`` or ``test``; ``train`` gives chunks instead of sentences.
    limit : int, optional
        Number of samples, see ``task.batches``. Default: one spelling of each sentence.
    seed : int
        Random seed of the spellings and of the bootstrap.

    Returns
    -------
    DataFrame
        One row per predictor: ``cer`` (character errors / reference characters), ``ci_low`` and ``ci_high`` (see
        `bootstrap_interval`), ``words`` (share of correct words), ``sentences`` (number of distinct sentences),
        ``samples``, ``characters`` (of the reference), and ``confusion a>b`` (share of a) for the confusable letters.
    """
    import pandas as pd

    counts = {name: SourceCounts(task.pack.confusable) for name in predictors}
    for batch in task.batches(split, limit=limit, seed=seed):
        for name, predict in predictors.items():
            counts[name].add(batch, predict(batch))
    table = pd.DataFrame.from_dict({name: one.row(seed) for name, one in counts.items()}, orient="index")
    confusions = [column for column in table.columns if column.startswith("confusion")]
    table[confusions] = table[confusions].fillna(0.0)
    return table.rename_axis("predictor")


def network_predictor(task: TransliterationTask, model: torch.nn.Module) -> Predictor:
    """Return a predictor that takes the most probable symbol of a network's output, without gradients."""

    def predict(batch: TextBatch) -> Sequence[Sequence[str]]:
        import torch

        model.eval()
        with torch.inference_mode():
            return task.decode(cast("torch.Tensor", model(*batch.inputs)), batch)

    return predict


def bootstrap_interval(
    errors: np.ndarray,
    characters: np.ndarray,
    seed: int = 0,
    *,
    confidence_level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
) -> tuple[float, float]:
    """Return the percentile interval of an error rate, by a bootstrap over sentences.

    Parameters
    ----------
    errors, characters : array (sentence,)
        Sums over the samples of each sentence, which are resampled together.
    seed : int
        Random seed.
    confidence_level : float
        Nominal coverage, 0..1.
    n_resamples : int
        Number of resamples.

    Returns
    -------
    ci_low, ci_high : float
        Bounds of ``sum(errors) / sum(characters)`` (Efron and Tibshirani 1993, chapter 13); nan without characters.
    """
    if not characters.sum():
        return float("nan"), float("nan")
    generator, rates = np.random.default_rng([seed, 4]), np.empty(n_resamples)
    for number in range(n_resamples):
        sample = generator.integers(errors.size, size=errors.size)
        rates[number] = errors[sample].sum() / max(1, characters[sample].sum())
    ci_low, ci_high = np.quantile(rates, [(1 - confidence_level) / 2, (1 + confidence_level) / 2])
    return float(ci_low), float(ci_high)
