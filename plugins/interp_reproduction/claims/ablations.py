"""Are the units that claims name used? Ablations of them, held against random groups of the same layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import halves, measure
from interp_reproduction.evidence import distances, of_kind
from interp_reproduction.layers import BEST, DIRECTIONS, OTHERS, best_of_all
from interp_reproduction.numbers import best, holm
from interp_reproduction.settings import CONTROLS, GRAPHS, TOP, arrow
from interp_reproduction.suffix import chosen_cell

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from interp_reproduction.evidence import Evidence
    from interp_reproduction.runs import Run

LAYERS = {"hidden": (None, "out"), "backward h": ("backward", "h"), "forward h": ("forward", "h")}
CURVES = {"h": (None, "h"), "hidden": (None, "out")}
GATES = "gifo"
KINDS = ("uniform", "matched")
COLUMNS = ("effect", "low", "high", "specificity", "specificity_low", "specificity_high", "others", "elsewhere",
           "log_p", "log_p_ablated", "accuracy", "accuracy_ablated", "tokens", "sources")  # fmt: skip


@dataclass(frozen=True)
class Ablated:
    """What ablations showed.

    Attributes
    ----------
    effects : DataFrame
        A row for each ablated group and pair: ``units`` names the group; effects in nats of log-odds; p against random
        groups, ``p_uniform_holm`` and ``p_matched_holm`` adjusted for all rows.
    curves : DataFrame
        A row for each pair, layer and basis: how many units, in the order ranked, have 80 % of the effect of them all.
    agreement : DataFrame
        A row for each layer, pair and two measures: the rank correlation over units.
    """

    effects: pd.DataFrame
    curves: pd.DataFrame
    agreement: pd.DataFrame


def steps(run: Run, evidence: Evidence, rotated: Evidence) -> Iterator[Callable[[], pd.DataFrame]]:
    """Yield a function for each piece of the work on groups: it returns rows of ``effects`` or of ``curves``.

    Groups are chosen on the even-hash half of the sources, effects measured on the odd-hash one.

    Parameters
    ----------
    run : Run
        The trained network.
    evidence, rotated : Evidence
        Of it, and of it in a random basis.
    """
    odd, inner = halves(run.acts)[1], halves(run.inner)[1]
    ablate = partial(effects, model=run.model, seed=evidence.seed)
    there = [pair for pair in GRAPHS if evidence.has(pair)]
    for layer in LAYERS:
        for pair in there:
            yield partial(ablate, odd, f"top {TOP} {layer}", top(evidence, pair, layer), [pair])
    if evidence.has(GRAPHS[0]):
        for gate in GATES:
            yield partial(ablate, inner, f"{gate} of the {2 * TOP} neurons shown", shown(evidence, gate), GRAPHS[:1])
    if evidence.has(BEST, *OTHERS):
        best_unit = str(evidence.chosen["unit"].values[of_kind(evidence.chosen, "forward")][best_of_all(evidence)])
        yield partial(ablate, odd, "the forward h of C5", [best_unit], [BEST, *OTHERS])
    if evidence.has(GRAPHS[2]) and suffixes(evidence):
        cells, _, at = chosen_cell(evidence)
        yield partial(ablate, inner, "the cell of C6", [str(cells["unit"].values[at])], [GRAPHS[2]])
    for pair in there:
        for layer in CURVES:
            for basis, ranked in (("units", evidence), ("rotated", rotated)):
                yield partial(curve, odd, run.model, pair, layer, basis, ranked)


def suffixes(evidence: Evidence) -> bool:
    """Return whether the suffix stands in both halves of the sources."""
    return all(half["suffix"].values.any() and not half["suffix"].values.all() for half in halves(evidence.windows))


def top(evidence: Evidence, pair: tuple[str, str], layer: str) -> list[str]:
    """Return the names of the ten units of a layer with the largest honest distance."""
    return order(evidence, pair, LAYERS[layer])[:TOP]


def order(evidence: Evidence, pair: tuple[str, str], kind: tuple[str | None, str]) -> list[str]:
    """Return the names of all units of a kind (direction or None, quantity), best first."""
    names = evidence.chosen["unit"].values[of_kind(evidence.chosen, *kind)]
    return [str(name) for name in names[best(distances(evidence.chosen, pair, *kind), names.size)]]


def shown(evidence: Evidence, gate: str) -> list[str]:
    """Return the names of one gate of the neurons that the first graph shows."""
    names = [name for direction in DIRECTIONS for name in top(evidence, GRAPHS[0], f"{direction} h")]
    return [name.replace(".h.", f".{gate}.") for name in names]


def effects(
    acts: xr.Dataset, said: str, units: Sequence[str], pairs: Sequence[tuple[str, str]], *, model: Any, seed: int
) -> pd.DataFrame:
    """Return rows of the table of effects: one group on some pairs."""
    import pandas as pd

    found = measure("ablation-effect", acts, model=model, groups={said: list(units)}, pairs=list(map(arrow, pairs)),
                    controls=CONTROLS, seed=seed)  # fmt: skip
    told: dict[str, Any] = {"units": said, "pair": found["pair"].values, "size": len(units)}
    told |= {name: found[name].values for name in COLUMNS if name in found}
    told |= {f"p_{kind}": found["p"].sel(kind=kind).values for kind in KINDS}
    return pd.DataFrame(told)


def adjusted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table of effects with p adjusted for all its rows."""
    return rows.assign(**{f"p_{kind}_holm": holm(rows[f"p_{kind}"]) for kind in KINDS})


def curve(
    acts: xr.Dataset, model: Any, pair: tuple[str, str], layer: str, basis: str, ranked: Evidence
) -> pd.DataFrame:
    """Return a row of the table of curves."""
    import pandas as pd

    names = order(ranked, pair, CURVES[layer])
    seed = ranked.seed if basis == "rotated" else None
    found = measure("ablation-curve", acts, model=model, ranking=names, pair=arrow(pair), orders=0, rotated=seed,
                    seed=ranked.seed)  # fmt: skip
    row = {"pair": arrow(pair), "layer": layer, "basis": basis, "units": len(names)}
    return pd.DataFrame([row | {"k80": int(found["k80"]), "whole": float(found["whole"])}])


def median_k80(curves: pd.DataFrame, layer: str, basis: str = "units") -> tuple[float, int]:
    """Return the median of k80 over pairs, and of how many units."""
    rows = curves[(curves["layer"] == layer) & (curves["basis"] == basis) & (curves["k80"] >= 0)]
    return (float(np.median(rows["k80"])), int(rows["units"].iloc[0])) if len(rows) else (float("nan"), 0)


def joined(parts: Sequence[pd.DataFrame]) -> Mapping[str, pd.DataFrame]:
    """Return the rows of `steps` as two tables."""
    import pandas as pd

    tables = {}
    for name, column in (("effects", "effect"), ("curves", "k80")):
        mine = [part for part in parts if column in part]
        tables[name] = pd.concat(mine, ignore_index=True) if mine else pd.DataFrame()
    if len(tables["effects"]):
        tables["effects"] = adjusted(tables["effects"])
    return tables
