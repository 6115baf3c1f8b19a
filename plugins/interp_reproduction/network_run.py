"""One network over some samples: the article's distances of every unit, and the activations that all else needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, measure, stream
from interp import wiring as wire
from interp_reproduction.keepers import Predictions, Rows, Sentences, Watched, Windows
from interp_reproduction.settings import BINS, GRAPHS, MINIMUM, NEEDED, QUANTITIES, SUFFIX

if TYPE_CHECKING:
    import torch
    import xarray as xr

GATES = ("i", "f", "g", "o")
SENTENCES = 12  # shown as cell strips


@dataclass(frozen=True)
class Run:
    """What one network did.

    Attributes
    ----------
    model : Module
        The network.
    batches : iterable of Batch
        What went through it.
    dist : Dataset (unit, pair)
        Hellinger distances in the article's mode, for every unit and every pair with enough tokens; empty where they
        were not asked for.
    acts : Dataset (token, unit)
        The tokens whose input a claim names, or that can become several things; the h, hidden and output units.
    spread : Dataset (token, unit)
        The tokens whose input can become several things; the h.
    inner : Dataset (token, unit)
        The tokens with the input of the first graph; every unit, or the gates where nothing is ablated.
    windows : Dataset (token, unit)
        Mean activations over windows of four letters; the cells and hidden units.
    strips : Dataset (token, unit)
        A few whole sentences with the suffix.
    wiring : Dataset (lower_unit, upper_unit)
        What feeds what.
    score : mapping
        ``cer`` and ``words``, 0 to 1.
    samples, tokens, sources : int
        What went through it.
    """

    model: torch.nn.Module
    batches: Any
    dist: xr.Dataset
    acts: xr.Dataset
    spread: xr.Dataset
    inner: xr.Dataset
    windows: xr.Dataset
    strips: xr.Dataset
    wiring: xr.Dataset
    score: Mapping[str, float]
    samples: int
    tokens: int
    sources: int

    def lighter(self, *names: str) -> Run:
        """Return it without the tokens of some of its datasets, which take much memory."""
        return replace(self, **{name: getattr(self, name).isel(token=[]) for name in names})


def run(
    model: torch.nn.Module,
    task: Any,
    batches: Any,
    tell: Callable[[int], None],
    *,
    article: bool = False,
    full: bool = False,
) -> Run:
    """Run a network over batches: once, or twice for the article's distances, which need the ranges first.

    Parameters
    ----------
    model : Module
        Made of recurrent modules and chains of ``nn.Linear``; its output units have symbols.
    task : Task
        Made the batches.
    batches : iterable of Batch
        Can be iterated again, the same each time.
    tell : callable
        ``tell(samples)`` as the work goes on.
    article : bool
        Measure the article's distances.
    full : bool
        Keep what ablations need: all units at more tokens.

    Raises
    ------
    OptionError
        Where no pair has enough tokens for them.
    """
    letters = several(batches)
    named = letters if full else sorted({given for given, _ in NEEDED})
    acts = Rows(lambda chunk: np.isin(chunk["input"].values, named), lambda chunk: ~_cells(chunk))
    spread = Rows(lambda chunk: np.isin(chunk["input"].values, letters), lambda chunk: chunk["quantity"].values == "h")
    inner = Rows(
        lambda chunk: chunk["input"].values == GRAPHS[0][0],
        lambda chunk: np.ones(chunk.sizes["unit"], bool) if full else np.isin(chunk["quantity"].values, GATES),
    )
    means = Windows(SUFFIX, lambda chunk: (chunk["quantity"].values == "c") | hidden(chunk))
    shown = Sentences(SUFFIX, lambda chunk: np.isin(chunk["quantity"].values, ("h", "c")) | hidden(chunk), SENTENCES)
    said = Predictions()
    read = QUANTITIES if article or full else tuple(name for name in QUANTITIES if name != "c_prev")
    source = stream(model, batches, quantities=list(read), progress=False)
    dist = _passed(Watched(source, (acts, spread, inner, means, shown, said), tell), article)
    kept = acts.finish()
    return Run(
        model=model,
        batches=batches,
        dist=dist,
        acts=kept,
        spread=spread.finish(),
        inner=inner.finish(),
        windows=means.finish(),
        strips=shown.finish(),
        wiring=wire(model, kept),
        score=score(task, batches, said.samples),
        samples=len(said.samples),
        tokens=said.tokens,
        sources=len(said.sources),
    )


def _passed(source: Watched, article: bool) -> xr.Dataset:
    """Let a stream go by, twice where the article's distances are asked for."""
    import xarray as xr

    if not article:
        for _ in source:
            pass
        return xr.Dataset()
    try:
        return measure("hellinger", source, mode="article", bins=BINS, minimum=MINIMUM)
    except OptionError as error:
        raise OptionError(f"{error} Raise --limit, or give a larger corpus.") from error


def several(batches: Any) -> list[str]:
    """Return the inputs that become several things, often enough for a pair; those of the claims always."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in batches:
        counts.update(zip(batch.labels["input"].tolist(), batch.labels["output"].tolist(), strict=True))
    whole: Counter[str] = Counter()
    for (given, _), count in counts.items():
        whole[given] += count
    enough = {given for (given, _), count in counts.items() if min(count, whole[given] - count) >= MINIMUM}
    return sorted(enough | {given for given, _ in NEEDED})


def _cells(chunk: xr.Dataset) -> np.ndarray:
    inner: np.ndarray = ~np.isin(chunk["quantity"].values, ("h", "out"))
    return inner


def hidden(acts: xr.Dataset) -> np.ndarray:
    """Return which units are hidden ones: outputs of dense layers that stand for no symbol."""
    mask: np.ndarray = (acts["quantity"].values == "out") & (acts["symbol"].values == "")
    return mask


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
