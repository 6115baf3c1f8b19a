"""Windows of a long store, and the order of pairs and units."""

import numpy as np
import pytest

import interp
from interp import OptionError
from interp_dashboard.data import DashboardData


@pytest.fixture(scope="module")
def stored(drawn_acts, tmp_path_factory):
    """Synthetic capture on disk, opened lazily."""
    return interp.open(interp.save(drawn_acts, tmp_path_factory.mktemp("store") / "acts.zarr"))


@pytest.mark.parametrize("size", [80, 400, 1000, 10**6])
def test_windows_have_every_sample_once_and_complete(drawn_acts, size):
    data = DashboardData(drawn_acts.isel(token=slice(2000)), window=size)
    parts = [data.window(number) for number in range(data.n_windows)]
    rows = np.concatenate([part["activation"].values for part in parts])
    np.testing.assert_array_equal(rows, data.acts["activation"].values)
    samples = [set(part["sample"].values.tolist()) for part in parts]
    assert sum(map(len, samples)) == len(set().union(*samples))


def test_a_sample_longer_than_its_window_continues_in_the_next(drawn_acts):
    acts = drawn_acts.isel(token=slice(1000)).assign_coords(sample=("token", np.zeros(1000, "int32")))
    data = DashboardData(acts, window=300)
    steps = {step for number in range(data.n_windows) for step in range(data.window(number).sizes["token"])}
    assert data.window(0).sizes["token"] == 600
    assert all(data.window(number).sizes["token"] for number in range(data.n_windows))
    assert len(steps) == 600


def test_window_of_a_sample(stored):
    data = DashboardData(stored, window=500)
    for sample in (0, 1, 57, 199):
        assert sample in data.window(data.window_of(sample))["sample"].values
    with pytest.raises(OptionError, match="no sample 200"):
        data.window_of(200)


def test_there_is_no_window_beyond_the_last(stored):
    with pytest.raises(OptionError, match="no window 1"):
        DashboardData(stored).window(1)


def test_pairs_are_sorted_by_distance_and_the_best_unit_is_not_an_output(drawn_acts, drawn_dist):
    data = DashboardData(drawn_acts, [drawn_dist])
    strongest = drawn_dist.distance.max("unit").to_series().sort_values(ascending=False)
    assert data.pairs == strongest.index.tolist()
    inner = drawn_dist.sel(pair="t=>ծ").distance[(drawn_dist.symbol == "").values]
    assert data.best_unit("t=>ծ") == str(inner.unit.values[inner.values.argmax()])
    assert DashboardData(drawn_acts).best_unit("") == "lstm.0.forward.h.0"
