"""Cache of the columns of a lazy store."""

import numpy as np
import pytest
import xarray as xr

import interp
from interp_dashboard.column_cache import CachedColumns, cache_columns


@pytest.fixture(scope="module")
def stored(drawn_acts, tmp_path_factory):
    """Synthetic capture on disk, opened lazily."""
    return interp.open(interp.save(drawn_acts, tmp_path_factory.mktemp("store") / "acts.zarr"))


def test_columns_are_read_once_and_only_on_access(stored):
    part = stored.isel(token=slice(100, 400))
    columns = CachedColumns(part["activation"])
    lazy = xr.DataArray(xr.Variable(("token", "unit"), xr.core.indexing.LazilyIndexedArray(columns)))
    selection = lazy.isel(unit=[3, 40], token=[7, 2])
    assert not columns.is_read.any()
    np.testing.assert_array_equal(selection.values, part["activation"].values[[7, 2]][:, [3, 40]])
    assert np.flatnonzero(columns.is_read).tolist() == [0, 2]
    columns.matrix = None  # columns that were read need no store
    np.testing.assert_array_equal(lazy.isel(unit=5).values, part["activation"].values[:, 5])


def test_a_window_is_a_valid_dataset(stored):
    window = cache_columns(stored.isel(token=slice(300)))
    interp.validate(window)
    xr.testing.assert_identical(window.load(), stored.isel(token=slice(300)).load())
