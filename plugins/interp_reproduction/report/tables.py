"""Tables of a report as CSV files, and its datasets as Zarr stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import save, select
from interp.statistics import participation_ratio
from interp_reproduction.claims.evidence import LAYERS, distances, unit_mask
from interp_reproduction.claims.suffix_claim import suffix_auc
from interp_reproduction.estimators import sampling_floor, top_indices, top_mean
from interp_reproduction.settings import CLAIM_PAIRS, LSTM_QUANTITIES, N_BINS, N_TOP, pair_name

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from interp_reproduction.claims.ablations import AblationTables
    from interp_reproduction.claims.evidence import Evidence
    from interp_reproduction.claims.judge import JudgedClaim, ReportNetworks
    from interp_reproduction.report.figures import Figure


def write_tables(
    folder: Path, networks: ReportNetworks, claims: Sequence[JudgedClaim], ablations: AblationTables | None = None
) -> None:
    """Write verdicts, numbers of the claims, selective units, raw distances, the suffix, and ablations if there are."""
    tables = {
        "verdicts": verdict_table(claims),
        "claims": claim_table(claims),
        "debiased-units": debiased_table(networks.trained),
        "selectivity": selectivity_table(networks),
        "pairs": pair_table(networks.run.raw_distances),
        "best-units": unit_table(networks.run.raw_distances),
        "suffix": suffix_table(networks),
    }
    if ablations is not None:
        tables |= {"ablations": ablations.effects, "curves": ablations.curves, "agreement": ablations.agreement}
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)


def iter_evidence(networks: ReportNetworks) -> Iterator[tuple[str, Evidence]]:
    """Yield the trained network and the untrained ones, by name."""
    yield "trained", networks.trained
    for number, evidence in enumerate(networks.untrained, 1):
        yield f"untrained-{number}", evidence


def verdict_table(claims: Sequence[JudgedClaim]) -> pd.DataFrame:
    """Return one row per claim: its text, its figures as on the page, n, and the verdict."""
    import pandas as pd

    records = [
        {
            "claim": claim.claim.key,
            "words": claim.claim.text,
            "trained": claim.trained.text,
            "untrained": claim.mean.text,
            **({"ablation": claim.ablation.text} if claim.ablation is not None else {}),
            "n": claim.trained.n,
            "verdict": claim.verdict,
        }
        for claim in claims
    ]
    return pd.DataFrame(records)


def claim_table(claims: Sequence[JudgedClaim]) -> pd.DataFrame:
    """Return one row per claim, network and number."""
    import pandas as pd

    records = [
        (claim.claim.key, network, name, value, finding.holds, finding.n, claim.verdict)
        for claim in claims
        for network, finding in claim.findings.items()
        for name, value in (finding.numbers or {"": np.nan}).items()
    ]
    return pd.DataFrame(records, columns=["claim", "network", "number", "value", "holds", "n", "verdict"])


def debiased_table(evidence: Evidence) -> pd.DataFrame:
    """Return the ten selected units per pair and layer, with their distances on both halves of the sources."""
    import pandas as pd

    columns = ("ci_low", "ci_high", "auc", "p", "q", "selective")
    records = []
    for pair in (pair for pair in CLAIM_PAIRS if evidence.has(pair)):
        for layer, kind in LAYERS.items():
            mask = np.flatnonzero(unit_mask(evidence.measured, *kind))
            one = evidence.measured.sel(pair=pair_name(pair)).isel(unit=mask)
            selection = distances(evidence.selection, pair, *kind)
            for place, unit in enumerate(top_indices(selection, N_TOP).tolist(), 1):
                row = {"pair": pair_name(pair), "layer": layer, "rank": place, "unit": str(one["unit"].values[unit])}
                row |= {"H selection": selection[unit], "H": float(one["distance"][unit])}
                records.append(row | {name: one[name].values[unit] for name in columns})
    return pd.DataFrame(records)


def selectivity_table(networks: ReportNetworks) -> pd.DataFrame:
    """Return, per network and pair, the number of selective h, the participation ratio and the detectable distance."""
    import pandas as pd

    records = []
    for name, evidence in (*iter_evidence(networks), ("rotated", networks.rotated)):
        dist = evidence.all_pairs
        for k in range(dist.sizes["pair"]):
            one = dist.isel(pair=k)
            row = {"network": name, "pair": str(one["pair"].values), "units": dist.sizes["unit"]}
            row |= {key: int(one[key]) for key in ("n_target", "sources_target", "n_rest", "sources_rest")}
            row |= {"n_selective": int(one["selective"].sum())}
            row |= {key: float(one[key]) for key in ("p_maxstat", "detectable_distance")}
            squared = np.maximum(one["distance"].values, 0) ** 2
            records.append(row | {"participation": float(participation_ratio(squared))})
    return pd.DataFrame(records)


def pair_table(dist: xr.Dataset) -> pd.DataFrame:
    """Return one row per pair: n, the best forward, backward and hidden unit, means of the top ten, sampling floor."""
    import pandas as pd

    return pd.DataFrame([_pair_record(dist, k) for k in range(dist.sizes["pair"])])


def _pair_record(dist: xr.Dataset, k: int) -> dict[str, Any]:
    one = dist.isel(pair=k)
    record: dict[str, Any] = {"pair": str(one["pair"].values)}
    record |= {name: int(one[name]) for name in ("n_target", "sources_target", "n_rest", "sources_rest")}
    for kind, (quantity, direction) in {"forward": ("h", "forward"), "backward": ("h", "backward"),
                                        "hidden": ("out", None)}.items():  # fmt: skip
        mask = unit_mask(dist, direction, quantity)
        if mask.any():
            values, names = one["distance"].values[mask], dist["unit"].values[mask]
            first = top_indices(values, 1)[0]
            record |= {f"best {kind}": str(names[first]), f"H {kind}": float(values[first])}
            record[f"top {N_TOP} {kind}"] = top_mean(values, N_TOP)
    return record | {"sampling floor": sampling_floor(record["n_target"], record["n_rest"], N_BINS)}


def unit_table(dist: xr.Dataset) -> pd.DataFrame:
    """Return the top ten neurons per pair and direction, with the raw distance of every quantity."""
    import pandas as pd

    records = []
    for pair in zip(dist["pair_input"].values.tolist(), dist["pair_output"].values.tolist(), strict=True):
        for direction in ("forward", "backward"):
            columns = {name: distances(dist, pair, direction, name) for name in LSTM_QUANTITIES}
            for place, index in enumerate(top_indices(columns["h"], N_TOP).tolist(), 1):
                row = {"pair": pair_name(pair), "direction": direction, "rank": place, "index": index}
                records.append(row | {f"H {name}": values[index] for name, values in columns.items()})
    return pd.DataFrame(records)


def suffix_table(networks: ReportNetworks) -> pd.DataFrame:
    """Return the AUC of each cell and hidden unit for the suffix, in all networks; NaN if it does not occur."""
    import pandas as pd

    table = pd.DataFrame({"unit": networks.trained.windows["unit"].values})
    for name, evidence in iter_evidence(networks):
        table[f"auc {name}"] = _suffix_auc_or_nan(evidence.windows)
    return table


def _suffix_auc_or_nan(windows: xr.Dataset) -> np.ndarray:
    is_suffix = windows["suffix"].values.astype(bool)
    has_both = is_suffix.any() and not is_suffix.all()
    return suffix_auc(windows) if has_both else np.full(windows.sizes["unit"], np.nan)


def write_datasets(folder: Path, networks: ReportNetworks, figures: Sequence[Figure]) -> None:
    """Write the raw and the debiased distances, and the activations that the figures show."""
    save(networks.run.raw_distances, folder / "distance-raw.zarr")
    for name, evidence in (*iter_evidence(networks), ("rotated", networks.rotated)):
        for part in ("selection", "measured", "all_pairs"):
            result: xr.Dataset = getattr(evidence, part)
            if result.sizes["pair"]:
                save(result, folder / f"distance-{part.replace('_', '-')}-{name}.zarr")
    units = sorted({unit for figure in figures for unit in figure_units(figure)})
    acts = select(networks.run.acts, input=sorted({letter for letter, _ in CLAIM_PAIRS}))
    save(acts.isel(unit=np.flatnonzero(np.isin(acts["unit"].values, units))), folder / "activations.zarr")
    if networks.run.suffix_sentences.sizes["token"]:
        save(select(networks.run.suffix_sentences, unit=units), folder / "strips.zarr")


def figure_units(figure: Figure) -> list[str]:
    """Return the names of the units that a figure shows."""
    units: list[str] = []
    for data in figure.view.data.values() if figure.view is not None else ():
        table: Any = data
        columns = table.coords if hasattr(table, "coords") else table.columns
        if "unit" in columns:
            units += [str(unit) for unit in table["unit"].to_numpy().tolist()]
    return units
