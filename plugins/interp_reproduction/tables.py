"""The numbers of a report as CSV files and Zarr stores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import pick, save
from interp_reproduction.findings import distances
from interp_reproduction.numbers import best, flat_floor, top_mean
from interp_reproduction.settings import BINS, QUANTITIES, TOP
from interp_reproduction.suffix import areas

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from interp_reproduction.claims import Row, Runs
    from interp_reproduction.figures import Figure
    from interp_reproduction.runs import Run

RUNS = ("figures", "trained", "untrained")


def write_tables(folder: Path, runs: Runs, rows: Sequence[Row]) -> None:
    """Write verdicts, their numbers, pairs, the best units of each pair, and the suffix statistic of each unit."""
    verdict_table(rows).to_csv(folder / "verdicts.csv", index=False)
    claim_table(rows).to_csv(folder / "claims.csv", index=False)
    pair_table(runs.figures.dist).to_csv(folder / "pairs.csv", index=False)
    unit_table(runs.figures.dist).to_csv(folder / "best-units.csv", index=False)
    suffix_table(runs).to_csv(folder / "suffix.csv", index=False)


def verdict_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return a row for each claim: its words, its figure on each run as the page says it, n, the verdict."""
    import pandas as pd

    records = [
        {
            "claim": row.claim.key,
            "words": row.claim.words,
            **{run: found.text for run, found in row.findings.items()},
            "n": row.figures.n,
            "verdict": row.verdict,
        }
        for row in rows
    ]
    return pd.DataFrame(records)


def claim_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return a row for each claim, run and number."""
    import pandas as pd

    records = [
        (row.claim.key, run, name, value, found.holds, found.n, row.verdict)
        for row in rows
        for run, found in row.findings.items()
        for name, value in (found.numbers or {"": np.nan}).items()
    ]
    return pd.DataFrame(records, columns=["claim", "run", "number", "value", "holds", "n", "verdict"])


def pair_table(dist: xr.Dataset) -> pd.DataFrame:
    """Return a row for each pair: n, the best forward, backward and hidden unit, means of the top ten, flat floor."""
    import pandas as pd

    return pd.DataFrame([_pair(dist, at) for at in range(dist.sizes["pair"])])


def _pair(dist: xr.Dataset, at: int) -> dict[str, Any]:
    one = dist.isel(pair=at)
    told: dict[str, Any] = {"pair": str(one["pair"].values)}
    told |= {name: int(one[name]) for name in ("n_with", "sources_with", "n_without", "sources_without")}
    kinds = {"forward": ("h", "forward"), "backward": ("h", "backward"), "hidden": ("out", "")}
    for kind, (quantity, direction) in kinds.items():
        wanted = (dist["quantity"].values == quantity) & (dist["direction"].values == direction)
        wanted &= dist["symbol"].values == ""
        if wanted.any():
            values, names = one["distance"].values[wanted], dist["unit"].values[wanted]
            first = best(values, 1)[0]
            told |= {f"best {kind}": str(names[first]), f"H {kind}": float(values[first])}
            told[f"top {TOP} {kind}"] = top_mean(values, TOP)
    return told | {"flat floor": flat_floor(told["n_with"], told["n_without"], BINS)}


def unit_table(dist: xr.Dataset) -> pd.DataFrame:
    """Return, for each pair and direction, its top ten neurons with the distance of every quantity."""
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
    """Return the AUC of each cell and hidden unit for the suffix, in all runs; NaN where it does not occur."""
    import pandas as pd

    table = pd.DataFrame({"unit": runs.figures.windows["unit"].values})
    for name in RUNS:
        table[f"auc {name}"] = _areas(getattr(runs, name))
    return table


def _areas(run: Run) -> np.ndarray:
    inside = run.windows["suffix"].values.astype(bool)
    known = inside.any() and not inside.all()
    return areas(run.windows) if known else np.full(run.windows.sizes["unit"], np.nan)


def write_data(folder: Path, runs: Runs, figures: Sequence[Figure]) -> None:
    """Write the distances of all runs, and the activations that the figures show."""
    for name in RUNS:
        if name == "figures" or getattr(runs, name) is not runs.figures:
            save(getattr(runs, name).dist, folder / f"distance-{name}.zarr")
    shown = sorted({unit for figure in figures for unit in shown_units(figure)})
    there = np.isin(runs.figures.acts["unit"].values, shown)
    save(runs.figures.acts.isel(unit=np.flatnonzero(there)), folder / "activations.zarr")
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
