"""Upgrades of stored datasets to the newest version of their schema: pure functions, one per schema and version."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from interp.schema import ACTIVATIONS, RESULT

if TYPE_CHECKING:
    import xarray as xr

Names = Mapping[str, str]

ATTRS: Names = MappingProxyType(
    {
        "checked_rows": "verification_rows",
        "left_out": "skipped_modules",
        "max_abs_error": "verification_max_error",
        "wiring": "connectivity",
    }
)
VARIABLE_ATTRS: Names = MappingProxyType({"across": "depends_on_all", "precision": "tolerance"})
ATTRIBUTION = {"baselines": "n_baselines", "delta": "convergence_delta", "rest": "residual", "value": "target_value"}
# Variables, coords and dims of version 1 by probe. Probes of other packages keep their names.
VARIABLES: Mapping[str, Names] = MappingProxyType(
    {
        "ablation-curve": {},
        "ablation-effect": {
            "control": "control_effect",
            "elsewhere": "effect_other_inputs",
            "kind": "control",
            "others": "effect_other_outputs",
        },
        "activation-patching": {},
        "attribution": ATTRIBUTION,
        "hellinger": {
            "knows": "selective",
            "n_with": "n_target",
            "n_without": "n_rest",
            "p_max": "p_maxstat",
            "smallest": "detectable_distance",
            "sources_with": "sources_target",
            "sources_without": "sources_rest",
            "whole": "estimate_full",
            "without": "estimate_leave_out",
        },
        "hypothesis": {
            "agree": "n_agreeing",
            "here": "match_text",
            "on": "active",
            "places": "n_places",
            "right": "is_match",
        },
        "labels": {"seen": "occurrence", "seen_row": "occurrence_row", "seen_source": "occurrence_source"},
        "saturation": {"above": "frac_saturated_high", "below": "frac_saturated_low"},
        "unit-attribution": ATTRIBUTION,
    }
)
OPTIONS: Names = MappingProxyType(
    {
        "draws": "n_permutations",
        "given": "strata",
        "keep_groups": "return_jackknife",
        "least": "min_distance",
        "level": "alpha",
        "minimum": "min_tokens",
        "minimum_sources": "min_sources",
        "mode": "estimator",
    }
)
ESTIMATORS: Names = MappingProxyType({"article": "raw", "honest": "debiased"})


def rename_attrs(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset of version 1 with the names of version 2 for its attrs and those of its variables."""
    renamed = dataset.copy(deep=False)
    renamed.attrs = {ATTRS.get(name, name): value for name, value in dataset.attrs.items()}
    for variable in renamed.variables.values():
        variable.attrs = {VARIABLE_ATTRS.get(name, name): value for name, value in variable.attrs.items()}
    return renamed


def rename_result(dataset: xr.Dataset) -> xr.Dataset:
    """Return a result of version 1 with the names of version 2 for variables, coords, dims and options."""
    renamed = rename_attrs(dataset)
    probe = str(renamed.attrs.get("probe"))
    if probe not in VARIABLES:
        return renamed
    if probe == "hellinger":
        options = {OPTIONS.get(name, name): value for name, value in json.loads(renamed.attrs["options"]).items()}
        options |= {name: ESTIMATORS.get(value, value) for name, value in options.items() if name == "estimator"}
        renamed.attrs["options"] = json.dumps(options, ensure_ascii=False)
    names = {**interval_names(renamed), **VARIABLES[probe]}
    return renamed.rename({old: new for old, new in names.items() if old in {*renamed.variables, *renamed.dims}})


def interval_names(dataset: xr.Dataset) -> dict[str, str]:
    """Return the new names of the ends of intervals: ``low`` is ``ci_low``, ``effect_high`` is ``effect_ci_high``."""
    names = [str(name) for name in dataset.variables]
    ends = {name: name.rpartition("_")[::2] for name in names if name.rpartition("_")[2] in ("low", "high")}
    return {
        name: f"{stem}_ci_{end}" if stem else f"ci_{end}"
        for name, (stem, end) in ends.items()
        if not stem.endswith("random")  # percentiles of random orders, not an interval
    }


UPGRADES: Mapping[tuple[str, int], Callable[[xr.Dataset], xr.Dataset]] = MappingProxyType(
    {(ACTIVATIONS, 1): rename_attrs, (RESULT, 1): rename_result}
)
