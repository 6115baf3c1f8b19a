"""Stores of schema 1, written before the names of version 2, open with the new names and the same values."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

import interp
from interp.errors import SchemaError

STORES = Path(__file__).parents[1] / "fixtures/schema-1"


@pytest.mark.parametrize("name", sorted(path.name for path in STORES.iterdir()))
def test_schema_1_opens_as_schema_2(name):
    dataset = interp.open(STORES / name)
    assert dataset.attrs["schema_version"] == 2
    stored = zarr.open_group(STORES / name, mode="r")
    assert stored.attrs["schema_version"] == 1


def test_attrs_of_activations_have_the_new_names():
    acts = interp.open(STORES / "activations")
    assert interp.validate(acts) is acts
    assert acts.attrs["verification_rows"] == 144
    assert acts.attrs["verification_max_error"] < 1e-6
    assert json.loads(acts.attrs["connectivity"])[0]["module"] == "hidden"
    assert not {"wiring", "checked_rows", "max_abs_error"} & set(acts.attrs)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("hellinger", "low", "ci_low"),
        ("hellinger", "knows", "selective"),
        ("hellinger", "smallest", "detectable_distance"),
        ("hellinger", "n_with", "n_target"),
        ("hellinger", "without", "estimate_leave_out"),
        ("hellinger-article", "sources_without", "sources_rest"),
        ("saturation", "above", "frac_saturated_high"),
    ],
)
def test_variables_of_results_have_the_new_names_and_the_old_values(name, old, new):
    result = interp.open(STORES / name)
    stored = zarr.open_group(STORES / name, mode="r")
    assert old not in result.variables
    np.testing.assert_array_equal(result[new].values, np.asarray(stored[old]))


def test_options_of_hellinger_have_the_new_names():
    options = json.loads(interp.open(STORES / "hellinger-article").attrs["options"])
    assert options["estimator"] == "raw"
    assert options["min_tokens"] == 1


def test_upgraded_results_can_be_measured_and_drawn():
    dist = interp.open(STORES / "hellinger")
    fresh = interp.measure("hellinger", interp.open(STORES / "activations"), min_tokens=1, min_sources=1,
                           n_permutations=10, return_jackknife=True, progress=False)  # fmt: skip
    assert set(fresh.variables) == set(dist.variables)
    np.testing.assert_array_equal(fresh.distance.values, dist.distance.values)


def test_a_newer_schema_is_rejected_with_the_command_to_upgrade(tmp_path):
    acts = interp.open(STORES / "activations").load()
    path = interp.save(acts, tmp_path / "acts.zarr")
    shutil.copytree(path, tmp_path / "newer.zarr")
    group = tmp_path / "newer.zarr/zarr.json"
    node = json.loads(group.read_text())
    node["attributes"]["schema_version"] = 3
    group.write_text(json.dumps(node))
    (tmp_path / "newer.zarr/checksums.json").unlink()
    with pytest.raises(SchemaError, match=r"version 3 .* up to version 2.*pip install --upgrade interp"):
        interp.open(tmp_path / "newer.zarr")
