"""The numbers of a report as CSV files and Zarr stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import pick, save
from interp_reproduction.causes import LAYERS
from interp_reproduction.evidence import distances, of_kind
from interp_reproduction.numbers import best, flat_floor, participation, top_mean
from interp_reproduction.settings import BINS, NEEDED, QUANTITIES, TOP, arrow
from interp_reproduction.suffix import areas

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from interp_reproduction.causes import Ablated
    from interp_reproduction.claims import Row, Runs
    from interp_reproduction.evidence import Evidence
    from interp_reproduction.figures import Figure


def write_tables(folder: Path, runs: Runs, rows: Sequence[Row], ablated: Ablated | None = None) -> None:
    """Write verdicts, their numbers, what units know, the article's distances, the suffix; ablations if there are."""
    tables = {
        "verdicts": verdict_table(rows),
        "claims": claim_table(rows),
        "honest-units": honest_table(runs.trained),
        "knowledge": knowledge_table(runs),
        "pairs": pair_table(runs.figures.dist),
        "best-units": unit_table(runs.figures.dist),
        "suffix": suffix_table(runs),
    }
    if ablated is not None:
        tables |= {"ablations": ablated.effects, "curves": ablated.curves, "agreement": ablated.agreement}
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)


def each_evidence(runs: Runs) -> Iterator[tuple[str, Evidence]]:
    """Yield the trained network and the untrained ones, by name."""
    yield "trained", runs.trained
    for number, evidence in enumerate(runs.untrained, 1):
        yield f"untrained-{number}", evidence


def verdict_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return a row for each claim: its words, its figures as the page says them, n, the verdict."""
    import pandas as pd

    records = [
        {
            "claim": row.claim.key,
            "words": row.claim.words,
            "trained": row.trained.text,
            "untrained": row.mean.text,
            **({"ablation": row.cause.text} if row.cause is not None else {}),
            "n": row.trained.n,
            "verdict": row.verdict,
        }
        for row in rows
    ]
    return pd.DataFrame(records)


def claim_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return a row for each claim, network and number."""
    import pandas as pd

    records = [
        (row.claim.key, run, name, value, found.holds, found.n, row.verdict)
        for row in rows
        for run, found in row.findings.items()
        for name, value in (found.numbers or {"": np.nan}).items()
    ]
    return pd.DataFrame(records, columns=["claim", "network", "number", "value", "holds", "n", "verdict"])


def honest_table(evidence: Evidence) -> pd.DataFrame:
    """Return, for each pair that claims name and each layer, the ten units chosen, and what the other half says."""
    import pandas as pd

    records = []
    for pair in (pair for pair in NEEDED if evidence.has(pair)):
        for layer, kind in LAYERS.items():
            one = evidence.measured.sel(pair=arrow(pair)).isel(unit=np.flatnonzero(of_kind(evidence.measured, *kind)))
            first = distances(evidence.chosen, pair, *kind)
            for place, at in enumerate(best(first, TOP).tolist(), 1):
                row = {"pair": arrow(pair), "layer": layer, "rank": place, "unit": str(one["unit"].values[at])}
                row |= {"H chosen": first[at], "H": float(one["distance"][at])}
                records.append(row | {name: one[name].values[at] for name in ("low", "high", "auc", "p", "q", "knows")})
    return pd.DataFrame(records)


def knowledge_table(runs: Runs) -> pd.DataFrame:
    """Return, for each pair and network, how many h know it, their participation ratio, and what its n could show."""
    import pandas as pd

    records = []
    for name, evidence in (*each_evidence(runs), ("rotated", runs.rotated)):
        known = evidence.known
        for at in range(known.sizes["pair"]):
            one = known.isel(pair=at)
            told = {"network": name, "pair": str(one["pair"].values), "units": known.sizes["unit"]}
            told |= {key: int(one[key]) for key in ("n_with", "sources_with", "n_without", "sources_without")}
            told |= {"know": int(one["knows"].sum()), "p_max": float(one["p_max"]), "smallest": float(one["smallest"])}
            shares = np.maximum(one["distance"].values, 0) ** 2
            records.append(told | {"participation": float(participation(shares))})
    return pd.DataFrame(records)


def pair_table(dist: xr.Dataset) -> pd.DataFrame:
    """Return a row for each pair: n, the best forward, backward and hidden unit, means of the top ten, flat floor."""
    import pandas as pd

    return pd.DataFrame([_pair(dist, at) for at in range(dist.sizes["pair"])])


def _pair(dist: xr.Dataset, at: int) -> dict[str, Any]:
    one = dist.isel(pair=at)
    told: dict[str, Any] = {"pair": str(one["pair"].values)}
    told |= {name: int(one[name]) for name in ("n_with", "sources_with", "n_without", "sources_without")}
    for kind, (quantity, direction) in {"forward": ("h", "forward"), "backward": ("h", "backward"),
                                        "hidden": ("out", None)}.items():  # fmt: skip
        wanted = of_kind(dist, direction, quantity)
        if wanted.any():
            values, names = one["distance"].values[wanted], dist["unit"].values[wanted]
            first = best(values, 1)[0]
            told |= {f"best {kind}": str(names[first]), f"H {kind}": float(values[first])}
            told[f"top {TOP} {kind}"] = top_mean(values, TOP)
    return told | {"flat floor": flat_floor(told["n_with"], told["n_without"], BINS)}


def unit_table(dist: xr.Dataset) -> pd.DataFrame:
    """Return, for each pair and direction, its top ten neurons with the article's distance of every quantity."""
    import pandas as pd

    records = []
    for given, becomes in zip(dist["pair_input"].values.tolist(), dist["pair_output"].values.tolist(), strict=True):
        for direction in ("forward", "backward"):
            columns = {name: distances(dist, (given, becomes), direction, name) for name in QUANTITIES}
            for place, index in enumerate(best(columns["h"], TOP).tolist()):
                row = {"pair": f"{given}=>{becomes}", "direction": direction, "rank": place + 1, "index": index}
                records.append(row | {f"H {name}": values[index] for name, values in columns.items()})
    return pd.DataFrame(records)


def suffix_table(runs: Runs) -> pd.DataFrame:
    """Return the AUC of each cell and hidden unit for the suffix, in all networks; NaN where it does not occur."""
    import pandas as pd

    table = pd.DataFrame({"unit": runs.trained.windows["unit"].values})
    for name, evidence in each_evidence(runs):
        table[f"auc {name}"] = _areas(evidence.windows)
    return table


def _areas(windows: xr.Dataset) -> np.ndarray:
    inside = windows["suffix"].values.astype(bool)
    known = inside.any() and not inside.all()
    return areas(windows) if known else np.full(windows.sizes["unit"], np.nan)


def write_data(folder: Path, runs: Runs, figures: Sequence[Figure]) -> None:
    """Write the article's and the honest distances, and the activations that the figures show."""
    save(runs.figures.dist, folder / "distance-article.zarr")
    for name, evidence in (*each_evidence(runs), ("rotated", runs.rotated)):
        for part in ("chosen", "measured", "known"):
            result: xr.Dataset = getattr(evidence, part)
            if result.sizes["pair"]:
                save(result, folder / f"honest-{part}-{name}.zarr")
    shown = sorted({unit for figure in figures for unit in shown_units(figure)})
    acts = pick(runs.figures.acts, input=sorted({given for given, _ in NEEDED}))
    save(acts.isel(unit=np.flatnonzero(np.isin(acts["unit"].values, shown))), folder / "activations.zarr")
    if runs.figures.strips.sizes["token"]:
        save(pick(runs.figures.strips, unit=shown), folder / "strips.zarr")


def shown_units(figure: Figure) -> list[str]:
    """Return the names of the units that a figure shows."""
    found: list[str] = []
    for data in figure.view.data.values() if figure.view is not None else ():
        table: Any = data
        columns = table.coords if hasattr(table, "coords") else table.columns
        if "unit" in columns:
            found += [str(unit) for unit in table["unit"].to_numpy().tolist()]
    return found
