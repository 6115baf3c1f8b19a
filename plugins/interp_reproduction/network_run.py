"""One network over a set of samples: the raw distances of every unit, and the activations that claims need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, connectivity, measure, stream
from interp_reproduction.settings import CLAIM_PAIRS, GRAPH_PAIRS, LSTM_QUANTITIES, MIN_TOKENS, N_BINS, SUFFIX
from interp_reproduction.stream_collectors import (
    CollectingStream,
    PredictionCollector,
    SentenceCollector,
    TokenCollector,
    WindowCollector,
)

if TYPE_CHECKING:
    import torch
    import xarray as xr

GATES = ("i", "f", "g", "o")
MAX_SENTENCES = 12  # shown as cell strips


@dataclass(frozen=True)
class NetworkRun:
    """Activations, distances and accuracy of one network on some samples.

    Attributes
    ----------
    model : Module
        The network.
    batches : iterable of Batch
        The samples.
    raw_distances : Dataset (unit, pair)
        Raw Hellinger distances, as in the article, for every unit and every pair with enough tokens. Empty if they
        were not requested.
    acts : Dataset (token, unit)
        Tokens whose input a claim names; with ablations also those whose input is ambiguous. The h, hidden and output
        units.
    ambiguous_acts : Dataset (token, unit)
        Tokens whose input is ambiguous. The h units.
    gate_acts : Dataset (token, unit)
        Tokens with the input of the first graph. The gates; with ablations every unit.
    windows : Dataset (token, unit)
        Mean activations over windows of four letters. The cells and hidden units.
    suffix_sentences : Dataset (token, unit)
        A few whole sentences with the suffix.
    connectivity : Dataset (lower_unit, upper_unit)
        Weights between units.
    score : mapping
        Character error rate ``cer`` and share of correct words ``words``, 0 to 1.
    samples, tokens, sources : int
        Number of samples, tokens and sources.
    """

    model: torch.nn.Module
    batches: Any
    raw_distances: xr.Dataset
    acts: xr.Dataset
    ambiguous_acts: xr.Dataset
    gate_acts: xr.Dataset
    windows: xr.Dataset
    suffix_sentences: xr.Dataset
    connectivity: xr.Dataset
    score: Mapping[str, float]
    samples: int
    tokens: int
    sources: int

    def without_tokens(self, *names: str) -> NetworkRun:
        """Return a copy in which the named datasets have no tokens, to free their memory."""
        return replace(self, **{name: getattr(self, name).isel(token=[]) for name in names})


@dataclass(frozen=True)
class _Collectors:
    acts: TokenCollector
    ambiguous_acts: TokenCollector
    gate_acts: TokenCollector
    windows: WindowCollector
    suffix_sentences: SentenceCollector
    predictions: PredictionCollector

    def datasets(self) -> dict[str, xr.Dataset]:
        names = ("acts", "ambiguous_acts", "gate_acts", "windows", "suffix_sentences")
        return {name: getattr(self, name).finish() for name in names}


def run_network(
    model: torch.nn.Module,
    task: Any,
    batches: Any,
    advance: Callable[[int], None],
    *,
    with_raw_distances: bool = False,
    with_ablations: bool = False,
) -> NetworkRun:
    """Run a network over batches: once, or twice with raw distances, which need the range of each unit first.

    Parameters
    ----------
    model : Module
        Network of recurrent modules and chains of ``nn.Linear``, whose output units have symbols.
    task : Task
        Task that made the batches.
    batches : iterable of Batch
        Samples; each iteration must yield the same ones.
    advance : callable
        ``advance(n_samples)``, called as samples are done.
    with_raw_distances : bool
        Whether to measure the raw distances of the article.
    with_ablations : bool
        Whether to collect the units and tokens that ablations need.

    Raises
    ------
    OptionError
        If no pair has enough tokens for raw distances.
    """
    collectors = _make_collectors(ambiguous_inputs(batches), with_ablations)
    quantities = [name for name in LSTM_QUANTITIES if name != "c_prev" or with_raw_distances or with_ablations]
    source = stream(model, batches, quantities=quantities, progress=False)
    raw_distances = _consume(CollectingStream(source, tuple(vars(collectors).values()), advance), with_raw_distances)
    datasets, predictions = collectors.datasets(), collectors.predictions
    return NetworkRun(
        model=model,
        batches=batches,
        raw_distances=raw_distances,
        **datasets,
        connectivity=connectivity(model, datasets["acts"]),
        score=score_predictions(task, batches, predictions.samples),
        samples=len(predictions.samples),
        tokens=predictions.tokens,
        sources=len(predictions.sources),
    )


def _make_collectors(ambiguous: list[str], with_ablations: bool) -> _Collectors:
    inputs = ambiguous if with_ablations else sorted({letter for letter, _ in CLAIM_PAIRS})
    return _Collectors(
        acts=TokenCollector(
            lambda chunk: np.isin(chunk["input"].values, inputs),
            lambda chunk: np.isin(chunk["quantity"].values, ("h", "out")),
        ),
        ambiguous_acts=TokenCollector(
            lambda chunk: np.isin(chunk["input"].values, ambiguous), lambda chunk: chunk["quantity"].values == "h"
        ),
        gate_acts=TokenCollector(
            lambda chunk: chunk["input"].values == GRAPH_PAIRS[0][0],
            lambda chunk: np.isin(chunk["quantity"].values, GATES) | with_ablations,
        ),
        windows=WindowCollector(SUFFIX, lambda chunk: (chunk["quantity"].values == "c") | is_hidden_unit(chunk)),
        suffix_sentences=SentenceCollector(
            SUFFIX,
            lambda chunk: np.isin(chunk["quantity"].values, ("h", "c")) | is_hidden_unit(chunk),
            MAX_SENTENCES,
        ),
        predictions=PredictionCollector(),
    )


def _consume(source: CollectingStream, with_raw_distances: bool) -> xr.Dataset:
    """Iterate over a stream once, or measure the raw distances on it, which takes two passes."""
    import xarray as xr

    if not with_raw_distances:
        for _ in source:
            pass
        return xr.Dataset()
    try:
        return measure("hellinger", source, estimator="raw", bins=N_BINS, min_tokens=MIN_TOKENS)
    except OptionError as error:
        raise OptionError(f"{error} Raise --limit, or use a larger corpus.") from error


def ambiguous_inputs(batches: Any) -> list[str]:
    """Return the inputs with at least two outputs that are frequent enough for a pair, and those of the claims."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in batches:
        counts.update(zip(batch.labels["input"].tolist(), batch.labels["output"].tolist(), strict=True))
    totals: Counter[str] = Counter()
    for (letter, _), count in counts.items():
        totals[letter] += count
    frequent = {letter for (letter, _), count in counts.items() if min(count, totals[letter] - count) >= MIN_TOKENS}
    return sorted(frequent | {letter for letter, _ in CLAIM_PAIRS})


def is_hidden_unit(acts: xr.Dataset) -> np.ndarray:
    """Return a boolean array (unit,): true for outputs of dense layers whose units have no symbol."""
    mask: np.ndarray = (acts["quantity"].values == "out") & (acts["symbol"].values == "")
    return mask


def score_predictions(task: Any, batches: Any, predictions: list[list[str]]) -> dict[str, float]:
    """Return the character error rate and the share of correct words over all batches.

    Parameters
    ----------
    task : Task
        Task with a method ``count``, whose results can be added over batches.
    batches : iterable of Batch
        Samples, in the order in which they went through the network.
    predictions : list of list of str
        Predicted symbols of each sample, in the order of the batches.
    """
    total, start = None, 0
    for batch in batches:
        stop = start + len(batch.lengths)
        counts = task.count(predictions[start:stop], batch)
        total, start = counts if total is None else total + counts, stop
    figures: dict[str, float] = total.figures() if total is not None else {}
    return {name: figures[name] for name in ("cer", "words") if name in figures}
