"""Ablations of groups of units, compared with random groups of the same layer, and ablation curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from interp import measure, split_by_source
from interp.statistics import holm
from interp_reproduction.claims.evidence import LAYERS, ranked_units, top_units
from interp_reproduction.settings import GRAPH_PAIRS, N_CONTROLS, N_TOP, pair_name

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from interp_reproduction.claims.evidence import Evidence
    from interp_reproduction.network_run import NetworkRun

CURVE_LAYERS = {"h": (None, "h"), "hidden": (None, "out")}
CONTROLS = ("uniform", "matched")
EFFECT_COLUMNS = ("effect", "ci_low", "ci_high", "specificity", "specificity_ci_low", "specificity_ci_high",
                  "effect_other_outputs", "effect_other_inputs",
                  "log_p", "log_p_ablated", "accuracy", "accuracy_ablated", "tokens", "sources")  # fmt: skip


@dataclass(frozen=True)
class AblationGroup:
    """Group of units that is ablated together.

    Attributes
    ----------
    name : str
        Name in the tables.
    units : tuple of str
        Names of the units.
    pairs : tuple of (str, str)
        Pairs on which the effect is measured.
    acts : {"acts", "gate_acts"}
        Dataset of `NetworkRun` that has these units.
    """

    name: str
    units: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    acts: str = "acts"


@dataclass(frozen=True)
class AblationTables:
    """Results of all ablations of a report.

    Attributes
    ----------
    effects : DataFrame
        One row per ablated group and pair: ``group`` is its name; effects are in nats of log-odds; ``p_uniform`` and
        ``p_matched`` come from random groups, ``p_uniform_holm`` and ``p_matched_holm`` are adjusted for all rows.
    curves : DataFrame
        One row per pair, layer and basis: ``k80`` is the number of units, in ranked order, that have 80 % of the effect
        of the whole layer.
    agreement : DataFrame
        One row per layer, pair and two measures: the rank correlation over units.
    """

    effects: pd.DataFrame
    curves: pd.DataFrame
    agreement: pd.DataFrame


def top_group(evidence: Evidence, layer: str, pair: tuple[str, str]) -> AblationGroup:
    """Return the group of the ten units of a layer with the largest selection distance for a pair."""
    return AblationGroup(f"top {N_TOP} {layer}", tuple(top_units(evidence, pair, layer)), (pair,))


def layer_groups(evidence: Evidence) -> list[AblationGroup]:
    """Return the top groups of each layer for each pair of a graph that has enough tokens."""
    pairs = [pair for pair in GRAPH_PAIRS if evidence.has(pair)]
    return [top_group(evidence, layer, pair) for layer in LAYERS for pair in pairs]


def ablation_steps(
    network: NetworkRun, evidence: Evidence, rotated: Evidence, groups: Iterable[AblationGroup]
) -> Iterator[Callable[[], pd.DataFrame]]:
    """Yield one function per ablation, which returns rows of ``effects`` or of ``curves``.

    Units are selected on the even-hash half of the sources, effects are measured on the odd-hash half.

    Parameters
    ----------
    network : NetworkRun
        The trained network.
    evidence, rotated : Evidence
        Evidence of its units and of its units in a random basis.
    groups : iterable of AblationGroup
        Groups to ablate. Of groups with equal names and pairs only the first is ablated.
    """
    odd = {name: split_by_source(getattr(network, name))[1] for name in ("acts", "gate_acts")}
    unique: dict[tuple[Any, ...], AblationGroup] = {}
    for group in groups:
        unique.setdefault((group.name, group.pairs), group)
    for group in unique.values():
        yield partial(ablation_effects, odd[group.acts], group, model=network.model, seed=evidence.seed)
    for pair in (pair for pair in GRAPH_PAIRS if evidence.has(pair)):
        for layer in CURVE_LAYERS:
            for basis, ranking in (("units", evidence), ("rotated", rotated)):
                yield partial(ablation_curve, odd["acts"], network.model, pair, layer, basis, ranking)


def ablation_effects(acts: xr.Dataset, group: AblationGroup, *, model: Any, seed: int) -> pd.DataFrame:
    """Ablate one group; return one row of the table of effects per pair."""
    import pandas as pd

    pairs = [pair_name(pair) for pair in group.pairs]
    result = measure("ablation-effect", acts, model=model, groups={group.name: list(group.units)}, pairs=pairs,
                     n_controls=N_CONTROLS, seed=seed)  # fmt: skip
    columns: dict[str, Any] = {"group": group.name, "pair": result["pair"].values, "size": len(group.units)}
    columns |= {name: result[name].values for name in EFFECT_COLUMNS if name in result}
    columns |= {f"p_{control}": result["p"].sel(control=control).values for control in CONTROLS}
    return pd.DataFrame(columns)


def with_adjusted_p(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the table of effects with p-values adjusted for all its rows."""
    return effects.assign(**{f"p_{control}_holm": holm(effects[f"p_{control}"]) for control in CONTROLS})


def ablation_curve(
    acts: xr.Dataset, model: Any, pair: tuple[str, str], layer: str, basis: str, ranking: Evidence
) -> pd.DataFrame:
    """Ablate more and more units of a layer in ranked order; return one row of the table of curves."""
    import pandas as pd

    names = ranked_units(ranking, pair, CURVE_LAYERS[layer])
    seed = ranking.seed if basis == "rotated" else None
    result = measure("ablation-curve", acts, model=model, ranking=names, pair=pair_name(pair), n_random_orders=0,
                     rotated=seed, seed=ranking.seed)  # fmt: skip
    row = {"pair": pair_name(pair), "layer": layer, "basis": basis, "units": len(names)}
    return pd.DataFrame([row | {"k80": int(result["k80"]), "whole": float(result["whole"])}])


def concat_tables(parts: Sequence[pd.DataFrame]) -> Mapping[str, pd.DataFrame]:
    """Return the rows of all steps as two tables, ``effects`` and ``curves``."""
    import pandas as pd

    tables = {}
    for name, column in (("effects", "effect"), ("curves", "k80")):
        rows = [part for part in parts if column in part]
        tables[name] = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
    if len(tables["effects"]):
        tables["effects"] = with_adjusted_p(tables["effects"])
    return tables
