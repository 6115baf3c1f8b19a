"""One network over some samples: distances for every unit, and the few activations that claims and figures need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, UnknownNameError, halves, measure, pick, stream
from interp import wiring as wire
from interp_reproduction.keepers import Predictions, Rows, Sentences, Watched, Windows
from interp_reproduction.settings import BINS, MINIMUM, NEEDED, QUANTITIES, SUFFIX, arrow

if TYPE_CHECKING:
    import torch
    import xarray as xr

SENTENCES = 12  # shown as cell strips


@dataclass(frozen=True)
class Run:
    """What one network did.

    Attributes
    ----------
    model : Module
        The network.
    dist : Dataset (unit, pair)
        Hellinger distances in the article's mode, for every unit and every pair with enough tokens.
    acts : Dataset (token, unit)
        The tokens whose input a claim names; the h, hidden and output units.
    windows : Dataset (token, unit)
        Mean activations over windows of four letters; the cells and hidden units.
    strips : Dataset (token, unit)
        A few whole sentences with the suffix.
    wiring : Dataset (lower_unit, upper_unit)
        What feeds what.
    chosen, measured : Dataset (unit, pair) or None
        Distances of the h units on the even-hash and on the odd-hash half of the sources.
    score : mapping
        ``cer`` and ``words``, 0 to 1.
    samples, tokens, sources : int
        What the distances rest on.
    """

    model: torch.nn.Module
    dist: xr.Dataset
    acts: xr.Dataset
    windows: xr.Dataset
    strips: xr.Dataset
    wiring: xr.Dataset
    chosen: xr.Dataset | None
    measured: xr.Dataset | None
    score: Mapping[str, float]
    samples: int
    tokens: int
    sources: int


def run(model: torch.nn.Module, task: Any, batches: Any, tell: Callable[[int], None]) -> Run:
    """Run a network over batches, twice: for the ranges of its units, and for the counts.

    Parameters
    ----------
    model : Module
        Made of recurrent modules and chains of ``nn.Linear``; its output units have symbols.
    task : Task
        Made the batches.
    batches : iterable of Batch
        Can be iterated again, the same each time.
    tell : callable
        ``tell(samples)`` as the work goes on, two times each sample.

    Raises
    ------
    OptionError
        Where no pair has enough tokens.
    """
    inputs = sorted({letter for letter, _ in NEEDED})
    acts = Rows(lambda chunk: np.isin(chunk["input"].values, inputs), lambda chunk: ~_cells(chunk))
    means = Windows(SUFFIX, lambda chunk: (chunk["quantity"].values == "c") | _hidden(chunk))
    shown = Sentences(SUFFIX, lambda chunk: np.isin(chunk["quantity"].values, ("h", "c")) | _hidden(chunk), SENTENCES)
    said = Predictions()
    source = stream(model, batches, quantities=list(QUANTITIES), progress=False)
    dist = _distances(Watched(source, (acts, means, shown, said), tell))
    kept = acts.finish()
    chosen, measured = (_half(half) for half in halves(pick(kept, quantity="h")))
    return Run(
        model=model,
        dist=dist,
        acts=kept,
        windows=means.finish(),
        strips=shown.finish(),
        wiring=wire(model, kept),
        chosen=chosen,
        measured=measured,
        score=score(task, batches, said.samples),
        samples=len(said.samples),
        tokens=said.tokens,
        sources=len(said.sources),
    )


def _distances(source: Watched) -> xr.Dataset:
    try:
        return measure("hellinger", source, mode="article", bins=BINS, minimum=MINIMUM)
    except OptionError as error:
        raise OptionError(f"{error} Raise --limit, or give a larger corpus.") from error


def _cells(chunk: xr.Dataset) -> np.ndarray:
    inner: np.ndarray = ~np.isin(chunk["quantity"].values, ("h", "out"))
    return inner


def _hidden(chunk: xr.Dataset) -> np.ndarray:
    hidden: np.ndarray = (chunk["quantity"].values == "out") & (chunk["symbol"].values == "")
    return hidden


def _half(acts: xr.Dataset) -> xr.Dataset | None:
    """Return the distances of one half of the sources, for those pairs that have enough tokens there."""
    there = {arrow(pair) for pair in NEEDED if _occurs(acts, pair)}
    try:
        return measure("hellinger", acts, mode="article", bins=BINS, minimum=MINIMUM, pairs=sorted(there))
    except (OptionError, UnknownNameError):  # not one pair has enough tokens
        return None


def _occurs(acts: xr.Dataset, pair: tuple[str, str]) -> bool:
    return bool(((acts["input"].values == pair[0]) & (acts["output"].values == pair[1])).any())


def score(task: Any, batches: Any, predicted: list[list[str]]) -> dict[str, float]:
    """Return the character error rate and the share of words right over all batches.

    Parameters
    ----------
    task : Task
        With ``count``, whose results add up over batches.
    batches : iterable of Batch
        As they went through the network.
    predicted : list of list of str
        Of each sample, in the order of the batches.
    """
    total, start = None, 0
    for batch in batches:
        stop = start + len(batch.lengths)
        counts = task.count(predicted[start:stop], batch)
        total, start = counts if total is None else total + counts, stop
    figures: dict[str, float] = total.figures() if total is not None else {}
    return {name: figures[name] for name in ("cer", "words") if name in figures}
