"""What is measured of one network on held-out text: its errors, and how many units share a decision."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import capture, halves, measure, pick
from interp_reproduction.runs import score
from interp_reproduction.study.protocol import MODULE, PAIRS

if TYPE_CHECKING:
    import torch
    import xarray as xr

MINIMUM, MINIMUM_SOURCES = 100, 50  # of each side of a pair in each half
QUANTITIES = ["h", "out"]  # an ablation works the logits out again, from what feeds the layer


def outcomes(model: torch.nn.Module, task: Any, batches: Any, seed: int = 0) -> dict[str, Any]:
    """Return the outcomes of a network.

    Parameters
    ----------
    model : Module
    task : Task
    batches : iterable of Batch
        Held-out text; can be iterated again.
    seed : int
        Of what probes draw.

    Returns
    -------
    dict
        ``cer`` and ``words`` (0 to 1); ``k80`` (pair to number of units, the number of all where fewer never had 80 %);
        ``log_k80``, their mean logarithm: the primary outcome.
    """
    inputs = sorted({pair.partition("=>")[0] for pair in PAIRS})
    acts = capture(model, batches, quantities=QUANTITIES, where={"input": inputs}, progress=False)
    k80 = {pair: needed(acts, model, pair, seed) for pair in PAIRS}
    return {**score(task, batches, predicted(model, task, batches)), "k80": k80, "log_k80": mean_log(k80.values())}


def predicted(model: torch.nn.Module, task: Any, batches: Any) -> list[list[str]]:
    """Return what a network writes, a list for each sample."""
    import torch

    model.eval()
    with torch.no_grad():
        return [symbols for batch in batches for symbols in task.decode(model(*batch.inputs), batch)]


def needed(acts: xr.Dataset, model: torch.nn.Module, pair: str, seed: int) -> int:
    """Return the fewest units, ranked on one half of the sources, with 80 % of the layer's effect on the other half."""
    even, odd = halves(pick(acts, input=pair.partition("=>")[0]))
    names = ranked(pick(even, module=MODULE), pair, seed)
    found = measure("ablation-curve", odd, model=model, ranking=names, pair=pair, orders=0, seed=seed)
    k80 = int(found["k80"])
    return k80 if k80 > 0 else len(names)


def ranked(acts: xr.Dataset, pair: str, seed: int) -> list[str]:
    """Return the units in the order of their honest distance for a pair, best first."""
    enough: dict[str, Any] = {"minimum": MINIMUM, "minimum_sources": MINIMUM_SOURCES}
    found = measure("hellinger", acts, pairs=[pair], seed=seed, **enough)["distance"].sel(pair=pair)
    order = np.argsort(-np.nan_to_num(found.values, nan=-1.0), kind="stable")
    return [str(name) for name in found["unit"].values[order]]


def mean_log(counts: Sequence[int] | Any) -> float:
    """Return the mean logarithm of some counts."""
    return float(np.mean([log(count) for count in counts]))
