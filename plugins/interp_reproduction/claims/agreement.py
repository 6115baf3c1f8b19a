"""Do measures of the same units agree on which matter? Distance, classifier, ablation, attribution, unit by unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import halves, measure, pick
from interp_reproduction.causes import LAYERS
from interp_reproduction.evidence import ENOUGH, of_kind
from interp_reproduction.settings import GRAPHS, arrow

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from interp_reproduction.evidence import Evidence
    from interp_reproduction.runs import Run

EXPLAINED = 60  # tokens of a pair, one a source
NODES: dict[str, Any] = {
    "sentences": 3,
    "n_steps": 16,
}  # misses the change of the output by under .1 %

Measure = Callable[["Run", "Evidence", str], "xr.Dataset"]


def units_of(acts: xr.Dataset, layer: str) -> list[str]:
    """Return the names of the units of a layer."""
    return [str(name) for name in acts["unit"].values[of_kind(acts, *LAYERS[layer])]]


def pairs_of(evidence: Evidence) -> list[str]:
    """Return the pairs of the article that have enough tokens."""
    return [arrow(pair) for pair in GRAPHS if evidence.has(pair)]


def distance(run: Run, evidence: Evidence, layer: str) -> xr.Dataset:
    """Return the honest distance of each unit, on the second half of the sources."""
    return evidence.measured[["distance"]].sel(unit=units_of(run.acts, layer), pair=pairs_of(evidence))


def weights(run: Run, evidence: Evidence, layer: str) -> xr.Dataset:
    """Return the weight of each unit in a linear classifier that reads its layer, fitted on the first half."""
    letters = sorted({given for given, _ in GRAPHS})
    acts = pick(run.acts, input=letters, unit=units_of(run.acts, layer))
    found = measure("classifier", acts, pairs=pairs_of(evidence), controls=0, seed=evidence.seed, **ENOUGH)
    return found[["weight"]]


def ablation(run: Run, evidence: Evidence, layer: str) -> xr.Dataset:
    """Return the effect of ablating each unit alone, on the second half of the sources."""
    import xarray as xr

    letters, units, pairs = sorted({given for given, _ in GRAPHS}), units_of(run.acts, layer), pairs_of(evidence)
    odd = halves(pick(run.acts, input=letters))[1]
    found = measure("ablation-effect", odd, model=run.model, groups={unit: [unit] for unit in units}, pairs=pairs,
                    controls=0, details=False, seed=evidence.seed)  # fmt: skip
    effect = np.empty((len(units), len(pairs)))
    effect[[units.index(one) for one in found["group"].values], [pairs.index(one) for one in found["pair"].values]] = (
        found["effect"].values
    )
    return xr.Dataset({"effect": (("unit", "pair"), effect)}, {"unit": units, "pair": pairs})


def attribution(run: Run, evidence: Evidence, layer: str) -> xr.Dataset:
    """Return what each unit gives to the log-odds at tokens of the pair, one a source of the second half."""
    import xarray as xr

    pairs = pairs_of(evidence)
    found = [conductance(run, pair.split("=>"), units_of(run.acts, layer)) for pair in pairs]
    return xr.concat(found, xr.Variable("pair", pairs)).to_dataset(name="mean")


def conductance(run: Run, pair: Sequence[str], units: list[str]) -> xr.DataArray:
    """Return the mean conductance (unit,) of some units at tokens of a pair, in nats."""
    given, becomes = pair
    odd = halves(pick(run.acts, input=given))[1]
    firsts = np.unique(pick(odd, output=becomes)["source"].values, return_index=True)[1]
    tokens = pick(odd, output=becomes).isel(token=firsts[:EXPLAINED])
    against = sorted(set(odd["output"].values.tolist()))
    found = measure("unit-attribution", tokens, model=run.model, batches=run.batches, units=units, against=against,
                    seen_by="output", **NODES)  # fmt: skip
    return found["mean"].drop_vars("offset").reset_coords(drop=True).reindex(unit=units)


MEASURES: dict[str, Measure] = {
    "hellinger": distance,
    "classifier": weights,
    "ablation": ablation,
    "attribution": attribution,
}
"""What is held against each other: a function of a run, its evidence and a layer of `LAYERS` that returns a dataset
with dims ``unit`` and ``pair``."""


def agreement(run: Run, evidence: Evidence, layer: str) -> pd.DataFrame:
    """Return the rank correlations of all measures over the units of a layer, a row for two measures and a pair."""
    from interp_summaries import agreement as agree

    found = agree({name: of(run, evidence, layer) for name, of in MEASURES.items()})
    names = list(MEASURES)
    rows = [
        {"layer": layer, "pair": pair, "measure": first, "measure_2": second,
         "correlation": float(found["correlation"].sel(pair=pair, measure=first, measure_2=second)),
         "n": int(found["n"].sel(pair=pair, measure=first, measure_2=second))}
        for pair in found["pair"].values.tolist()
        for place, first in enumerate(names)
        for second in names[place + 1 :]
    ]  # fmt: skip
    return _frame(rows)


def _frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows)
