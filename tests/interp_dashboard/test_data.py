"""A long store read a window at a time."""

import numpy as np
import pytest
import xarray as xr

import interp
from interp import OptionError
from interp_dashboard.cached import Columns, cached
from interp_dashboard.material import Material


@pytest.fixture(scope="module")
def stored(drawn_acts, tmp_path_factory):
    """The made-up capture on disk, opened lazily."""
    return interp.open(interp.save(drawn_acts, tmp_path_factory.mktemp("store") / "acts.zarr"))


@pytest.mark.parametrize("size", [80, 400, 1000, 10**6])
def test_windows_have_every_sample_once_and_whole(drawn_acts, size):
    material = Material(drawn_acts.isel(token=slice(2000)), window=size)
    parts = [material.window(number) for number in range(material.windows)]
    rows = np.concatenate([part["activation"].values for part in parts])
    np.testing.assert_array_equal(rows, material.acts["activation"].values)
    samples = [set(part["sample"].values.tolist()) for part in parts]
    assert sum(map(len, samples)) == len(set().union(*samples))


def test_a_sample_longer_than_its_window_goes_on_in_the_next(drawn_acts):
    one = drawn_acts.isel(token=slice(1000)).assign_coords(sample=("token", np.zeros(1000, "int32")))
    material = Material(one, window=300)
    seen = {step for number in range(material.windows) for step in range(material.window(number).sizes["token"])}
    assert material.window(0).sizes["token"] == 600
    assert all(material.window(number).sizes["token"] for number in range(material.windows))
    assert len(seen) == 600


def test_a_sample_is_found_in_its_window(stored):
    material = Material(stored, window=500)
    for sample in (0, 1, 57, 199):
        assert sample in material.window(material.find(sample))["sample"].values
    with pytest.raises(OptionError, match="no sample 200"):
        material.find(200)


def test_there_is_no_window_beyond_the_last(stored):
    with pytest.raises(OptionError, match="no window 1"):
        Material(stored).window(1)


def test_columns_are_read_once_and_only_those_asked_for(stored):
    part = stored.isel(token=slice(100, 400))
    columns = Columns(part["activation"])
    lazy = xr.DataArray(xr.Variable(("token", "unit"), xr.core.indexing.LazilyIndexedArray(columns)))
    picked = lazy.isel(unit=[3, 40], token=[7, 2])
    assert not columns.known.any()
    np.testing.assert_array_equal(picked.values, part["activation"].values[[7, 2]][:, [3, 40]])
    assert np.flatnonzero(columns.known).tolist() == [0, 2]
    columns.matrix = None  # what is known needs no store
    np.testing.assert_array_equal(lazy.isel(unit=5).values, part["activation"].values[:, 5])


def test_a_window_is_a_dataset_like_any(stored):
    held = cached(stored.isel(token=slice(300)))
    interp.validate(held)
    xr.testing.assert_identical(held.load(), stored.isel(token=slice(300)).load())


def test_pairs_come_strongest_first_and_the_best_unit_is_no_output(drawn_acts, drawn_dist):
    material = Material(drawn_acts, [drawn_dist])
    strongest = drawn_dist.distance.max("unit").to_series().sort_values(ascending=False)
    assert material.pairs == strongest.index.tolist()
    inner = drawn_dist.sel(pair="t=>ծ").distance[(drawn_dist.symbol == "").values]
    assert material.best("t=>ծ") == str(inner.unit.values[inner.values.argmax()])
    assert Material(drawn_acts).best("") == "lstm.0.forward.h.0"
