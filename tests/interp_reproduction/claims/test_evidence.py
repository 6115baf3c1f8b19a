"""Evidence in the stores of a report."""

import pytest

import interp
from interp_reproduction.claims.evidence import distances, ranked_units, top_units


@pytest.mark.parametrize("network", ["trained", "untrained 1"])
def test_the_gap_of_c1_follows_from_the_stored_distances(report, marker, network):
    name = network.replace(" ", "-")
    selection, measured = (
        interp.open(report / f"data/distance-{part}-{name}.zarr").load() for part in ("selection", "measured")
    )
    means = {}
    for direction in ("forward", "backward"):
        values = [
            interp.select(one, quantity="h", direction=direction)["distance"].sel(pair="t=>ծ")
            for one in (selection, measured)
        ]
        top = values[0].to_series().nlargest(10).index
        means[direction] = float(values[1].sel(unit=top).mean())
    assert marker["claims"]["C1"][network]["t=>ծ"] == pytest.approx(means["backward"] - means["forward"])


def test_the_halves_share_no_source(report):
    parts = [interp.open(report / f"data/distance-{part}-trained.zarr") for part in ("selection", "measured")]
    counts = [int(part["n_target"].sel(pair="t=>ծ")) for part in parts]
    assert sum(counts) == int(interp.open(report / "data/distance-raw.zarr")["n_target"].sel(pair="t=>ծ"))


def test_units_are_ranked_by_their_selection_distance(synthetic):
    synthetic.set("t=>ծ", "lstm.0.backward.h.4", 0.9)
    synthetic.set("t=>ծ", "lstm.0.backward.h.2", 0.8)
    evidence = synthetic.build()
    names = ranked_units(evidence, ("t", "ծ"), ("backward", "h"))
    assert names[:3] == ["lstm.0.backward.h.4", "lstm.0.backward.h.2", "lstm.0.backward.h.0"]
    assert top_units(evidence, ("t", "ծ"), "backward h") == names[:10]
    assert distances(evidence.selection, ("t", "ծ"), quantity="out").size == 20
