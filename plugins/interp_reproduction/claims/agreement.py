"""Agreement of measures of unit importance: rank correlations of distance, classifier, ablation and attribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import measure, select, split_by_source
from interp_reproduction.claims.evidence import LAYERS, MINIMA, unit_mask
from interp_reproduction.settings import GRAPH_PAIRS, pair_name

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from interp_reproduction.claims.evidence import Evidence
    from interp_reproduction.network_run import NetworkRun

MAX_TOKENS = 60  # attributed tokens per pair, one per source
ATTRIBUTION_OPTIONS: dict[str, Any] = {
    "n_baselines": 3,
    "n_steps": 16,
}  # the attributions sum to the change of the output with an error below .1 %

Measure = Callable[["NetworkRun", "Evidence", str], "xr.Dataset"]


def layer_units(acts: xr.Dataset, layer: str) -> list[str]:
    """Return the names of the units of a layer of `LAYERS`."""
    return [str(name) for name in acts["unit"].values[unit_mask(acts, *LAYERS[layer])]]


def measured_pairs(evidence: Evidence) -> list[str]:
    """Return the names of the graphs' pairs that have enough tokens."""
    return [pair_name(pair) for pair in GRAPH_PAIRS if evidence.has(pair)]


def hellinger_distances(network: NetworkRun, evidence: Evidence, layer: str) -> xr.Dataset:
    """Return the debiased distance of each unit, on the second half of the sources."""
    return evidence.measured[["distance"]].sel(unit=layer_units(network.acts, layer), pair=measured_pairs(evidence))


def classifier_weights(network: NetworkRun, evidence: Evidence, layer: str) -> xr.Dataset:
    """Return the weight of each unit in a linear classifier that reads its layer, fitted on the first half."""
    letters = sorted({letter for letter, _ in GRAPH_PAIRS})
    acts = select(network.acts, input=letters, unit=layer_units(network.acts, layer))
    pairs = measured_pairs(evidence)
    return measure("classifier", acts, pairs=pairs, n_controls=0, seed=evidence.seed, **MINIMA)[["weight"]]


def ablation_effects(network: NetworkRun, evidence: Evidence, layer: str) -> xr.Dataset:
    """Return the effect of ablating each unit alone, on the second half of the sources."""
    import xarray as xr

    letters, units = sorted({letter for letter, _ in GRAPH_PAIRS}), layer_units(network.acts, layer)
    pairs, odd = measured_pairs(evidence), split_by_source(select(network.acts, input=letters))[1]
    result = measure("ablation-effect", odd, model=network.model, groups={unit: [unit] for unit in units}, pairs=pairs,
                     n_controls=0, full_output=False, seed=evidence.seed)  # fmt: skip
    effect = np.empty((len(units), len(pairs)))
    rows = [units.index(group) for group in result["group"].values]
    columns = [pairs.index(pair) for pair in result["pair"].values]
    effect[rows, columns] = result["effect"].values
    return xr.Dataset({"effect": (("unit", "pair"), effect)}, {"unit": units, "pair": pairs})


def unit_attributions(network: NetworkRun, evidence: Evidence, layer: str) -> xr.Dataset:
    """Return the mean attribution of the log-odds to each unit, at tokens of the second half, one per source."""
    import xarray as xr

    pairs, units = measured_pairs(evidence), layer_units(network.acts, layer)
    means = [mean_conductance(network, pair.split("=>"), units) for pair in pairs]
    return xr.concat(means, xr.Variable("pair", pairs)).to_dataset(name="mean")


def mean_conductance(network: NetworkRun, pair: Sequence[str], units: list[str]) -> xr.DataArray:
    """Return the mean conductance (unit,) of units at tokens of a pair, in nats."""
    letter, symbol = pair
    odd = split_by_source(select(network.acts, input=letter))[1]
    target = select(odd, output=symbol)
    first_of_source = np.unique(target["source"].values, return_index=True)[1]
    tokens, outputs = target.isel(token=first_of_source[:MAX_TOKENS]), sorted(set(odd["output"].values.tolist()))
    result = measure("unit-attribution", tokens, model=network.model, batches=network.batches, units=units,
                     contrast_with=outputs, scope="readout", **ATTRIBUTION_OPTIONS)  # fmt: skip
    return result["mean"].drop_vars("offset").reset_coords(drop=True).reindex(unit=units)


MEASURES: dict[str, Measure] = {
    "hellinger": hellinger_distances,
    "classifier": classifier_weights,
    "ablation": ablation_effects,
    "attribution": unit_attributions,
}
"""Measures that are compared: functions of a network run, its evidence and a layer of `LAYERS` that return a dataset
with dims ``unit`` and ``pair``."""


def measure_agreement(network: NetworkRun, evidence: Evidence, layer: str) -> pd.DataFrame:
    """Return the rank correlations over the units of a layer, one row per two measures and pair."""
    import pandas as pd

    from interp_summaries import agreement

    result = agreement({name: function(network, evidence, layer) for name, function in MEASURES.items()})
    names = list(MEASURES)
    rows = [
        {"layer": layer, "pair": pair, "measure_a": first, "measure_b": second,
         "correlation": float(result["correlation"].sel(pair=pair, measure_a=first, measure_b=second)),
         "n": int(result["n"].sel(pair=pair, measure_a=first, measure_b=second))}
        for pair in result["pair"].values.tolist()
        for position, first in enumerate(names)
        for second in names[position + 1 :]
    ]  # fmt: skip
    return pd.DataFrame(rows)
