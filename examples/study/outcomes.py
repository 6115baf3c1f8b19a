"""Primary outcome and error rate of one network on held-out text."""

from __future__ import annotations

from collections.abc import Iterable
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import capture, measure, select, split_by_source
from interp_reproduction.network_run import score_predictions
from study.protocol import MODULE, PAIRS

if TYPE_CHECKING:
    import torch
    import xarray as xr

MIN_TOKENS, MIN_SOURCES = 100, 50  # on each side of a pair, in each half
QUANTITIES = ["h", "out"]  # an ablation recomputes the logits from the inputs of the layer


def measure_outcomes(model: torch.nn.Module, task: Any, batches: Any, seed: int = 0) -> dict[str, Any]:
    """Return the outcomes of a network.

    Parameters
    ----------
    model : Module
        Network of the study.
    task : Task
        Task that made the batches.
    batches : iterable of Batch
        Held-out text; can be iterated repeatedly.
    seed : int
        Random seed of the probes.

    Returns
    -------
    dict
        ``cer`` and ``words`` (0 to 1); ``k80`` (number of units by pair, all of them if fewer never have 80 %);
        ``log_k80``, their mean logarithm: the primary outcome.
    """
    inputs = sorted({pair.partition("=>")[0] for pair in PAIRS})
    acts = capture(model, batches, quantities=QUANTITIES, where={"input": inputs}, progress=False)
    k80 = {pair: measure_k80(acts, model, pair, seed) for pair in PAIRS}
    scores = score_predictions(task, batches, predict(model, task, batches))
    return {**scores, "k80": k80, "log_k80": mean_log(k80.values())}


def predict(model: torch.nn.Module, task: Any, batches: Any) -> list[list[str]]:
    """Return the predicted symbols of a network, one list per sample."""
    import torch

    model.eval()
    with torch.no_grad():
        return [symbols for batch in batches for symbols in task.decode(model(*batch.inputs), batch)]


def measure_k80(acts: xr.Dataset, model: torch.nn.Module, pair: str, seed: int) -> int:
    """Return the smallest number of units, ranked on one half of the sources, with 80 % of the effect on the other."""
    even, odd = split_by_source(select(acts, input=pair.partition("=>")[0]))
    names = rank_units(select(even, module=MODULE), pair, seed)
    curve = measure("ablation-curve", odd, model=model, ranking=names, pair=pair, n_random_orders=0, seed=seed)
    k80 = int(curve["k80"])
    return k80 if k80 > 0 else len(names)


def rank_units(acts: xr.Dataset, pair: str, seed: int) -> list[str]:
    """Return the units by their debiased distance for a pair, largest first."""
    minima: dict[str, Any] = {"min_tokens": MIN_TOKENS, "min_sources": MIN_SOURCES}
    dist = measure("hellinger", acts, pairs=[pair], seed=seed, **minima)["distance"].sel(pair=pair)
    order = np.argsort(-np.nan_to_num(dist.values, nan=-1.0), kind="stable")
    return [str(name) for name in dist["unit"].values[order]]


def mean_log(counts: Iterable[int]) -> float:
    """Return the mean logarithm of some counts."""
    return float(np.mean([log(count) for count in counts]))
