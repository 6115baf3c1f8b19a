"""Tables and stores of a report."""

import pandas as pd
import pytest

import interp

NETWORKS = ("trained", "untrained-1", "untrained-2", "untrained-3", "rotated")


def test_the_tables_have_the_numbers(report, marker):
    pairs = pd.read_csv(report / "tables/pairs.csv")
    assert {"t=>ծ", "s=>_", "t=>թ", "h=>_"} <= set(pairs["pair"])
    assert (pairs[["n_target", "n_rest"]] >= 300).all(axis=None)
    claims = pd.read_csv(report / "tables/claims.csv")
    c1 = claims[(claims["claim"] == "C1") & (claims["network"] == "trained")]
    numbers = marker["claims"]["C1"]["trained"]
    assert c1["value"].tolist() == pytest.approx([numbers[f"t=>ծ{end}"] for end in ("", " ci_low", " ci_high")])
    selectivity = pd.read_csv(report / "tables/selectivity.csv")
    assert set(selectivity["network"]) == set(NETWORKS)
    assert selectivity["n_selective"].between(0, selectivity["units"]).all()


def test_the_stores_open(report):
    raw = interp.open(report / "data/distance-raw.zarr")
    assert raw["distance"].dims == ("unit", "pair")
    assert set(raw["quantity"].values.tolist()) == {"h", "c", "i", "f", "g", "o", "c_prev", "out"}
    for network in NETWORKS:
        for part in ("selection", "measured", "all-pairs"):
            dist = interp.open(report / f"data/distance-{part}-{network}.zarr")
            assert {"distance", "ci_low", "ci_high", "q", "selective"} <= set(dist.data_vars)
    acts = interp.open(report / "data/activations.zarr")
    assert set(acts["input"].values.tolist()) == {"t", "s", "h"}
