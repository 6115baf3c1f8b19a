"""The rotated basis: what a rotation keeps, same seed same numbers, every kind of source alike."""

import numpy as np
import pytest
import xarray as xr
from laws import alike

import interp
from interp.basis import groups
from interp.reducers import unit_blocks


@pytest.fixture(scope="module")
def turned(drawn_acts):
    return interp.rotate(drawn_acts, seed=3)


def each_group(acts):
    names, codes = groups(acts)
    return [np.flatnonzero(codes == number) for number in range(len(names))]


@pytest.mark.parametrize("size", [1, 2, 57])
def test_a_rotation_is_orthogonal_and_follows_the_seed(size):
    matrix = interp.random_rotation(size, 4)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), atol=1e-13)
    np.testing.assert_array_equal(matrix, interp.random_rotation(size, 4))
    assert size == 1 or (matrix != interp.random_rotation(size, 5)).any()


def test_rotations_are_uniform():
    """Moments of the Haar law: entries have mean 0, variance 1/n, and the trace has mean 0 and variance 1."""
    many = np.stack([interp.random_rotation(4, seed) for seed in range(4000)])
    assert np.abs(many.mean(axis=0)).max() < 0.04  # 5 standard errors of .5 / sqrt(4000)
    np.testing.assert_allclose((many**2).mean(axis=0), 0.25, atol=0.02)
    trace = np.trace(many, axis1=1, axis2=2)
    assert abs(trace.mean()) < 0.08
    assert abs(trace.var() - 1) < 0.12


def test_norms_and_covariance_within_a_group_stay(drawn_acts, turned):
    before, after = drawn_acts.activation.values.astype(float), turned.activation.values.astype(float)
    assert turned.activation.dtype == np.float32
    for members in each_group(drawn_acts):
        np.testing.assert_allclose(
            np.linalg.norm(after[:, members], axis=1), np.linalg.norm(before[:, members], axis=1), rtol=1e-5
        )
        own, moved = (np.cov(values[:, members].T) for values in (before, after))
        np.testing.assert_allclose(
            np.linalg.eigvalsh(np.atleast_2d(moved)), np.linalg.eigvalsh(np.atleast_2d(own)), atol=1e-6
        )
        assert members.size == 1 or np.abs(after[:, members] - before[:, members]).max() > 0.1


def test_groups_do_not_mix(drawn_acts, turned):
    changed = drawn_acts.copy(deep=True)
    first = each_group(drawn_acts)[0]
    changed.activation[:, first] = 0
    again = interp.rotate(changed, seed=3).activation.values
    assert (again[:, first] == 0).all()
    rest = np.setdiff1d(np.arange(drawn_acts.sizes["unit"]), first)
    np.testing.assert_array_equal(again[:, rest], turned.activation.values[:, rest])


def test_a_group_turns_alike_whatever_else_is_captured(drawn_acts, turned):
    part = {"direction": "backward", "quantity": "c"}
    alone = interp.rotate(interp.pick(drawn_acts, **part), seed=3)
    np.testing.assert_array_equal(alone.activation, interp.pick(turned, **part).activation)


def test_names_and_labels_stay_and_attrs_tell(drawn_acts, turned):
    for name in ("unit", "module", "layer", "direction", "quantity", "index", "input", "source"):
        assert turned[name].variable.identical(drawn_acts[name].variable), name
    assert (turned.symbol == "").all()
    assert turned.attrs == drawn_acts.attrs | {"basis": "rotated", "basis_seed": 3}
    interp.validate(turned)
    with pytest.raises(interp.OptionError, match="rotated already"):
        interp.rotate(turned)


def test_units_of_a_group_that_stand_apart_come_together(drawn_acts, turned):
    mixed = drawn_acts.isel(unit=np.random.default_rng(0).permutation(drawn_acts.sizes["unit"]))
    found = interp.rotate(mixed, seed=3)
    _, codes = groups(found)
    assert (np.diff(codes) >= 0).all()
    members = interp.pick(found, module="lstm", direction="forward", quantity="h")
    assert members.sizes["unit"] == interp.pick(turned, module="lstm", direction="forward", quantity="h").sizes["unit"]


class Stream:
    def __init__(self, acts):
        self.acts = acts

    def __iter__(self):
        for samples in np.array_split(np.unique(self.acts["sample"].values), 7):
            yield interp.pick(self.acts, sample=samples)


OPTIONS = {"hellinger": {"mode": "article", "minimum": 50, "bins": 40}, "moments": {}, "histogram": {"bins": 10}}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", ["memory", "stream", "dask", "zarr", "blocks"])
def test_every_source_is_turned_alike(drawn_acts, turned, name, kind, tmp_path, monkeypatch):
    source = drawn_acts
    if kind == "stream":
        source = Stream(drawn_acts)
    elif kind == "dask":
        source = drawn_acts.chunk({"token": 700, "unit": 10})
    elif kind == "zarr":
        source = interp.open(interp.save(drawn_acts, tmp_path / "a.zarr"))
    elif kind == "blocks":
        monkeypatch.setattr("interp.reducers.BLOCK", 40)
        monkeypatch.setattr("interp.reducers.CHUNK", 40 * 500)
    found = interp.measure(name, source, basis="rotated", basis_seed=3, **OPTIONS[name])
    wanted = interp.measure(name, turned.compute(), **OPTIONS[name])
    alike(found, wanted)
    assert found.attrs == wanted.attrs
    assert found.attrs["basis_seed"] == 3
    if kind == "zarr":
        assert not source.variables["activation"]._in_memory


seen = []


@interp.probe()
def size(acts):
    """Mean |activation|."""
    seen.append(acts.activation.variable._in_memory)
    return abs(acts.activation).mean("token").to_dataset(name="size")


def test_function_probes(drawn_acts, turned):
    found = interp.measure(size, drawn_acts, basis="rotated", basis_seed=3)
    np.testing.assert_allclose(found["size"], np.abs(turned.activation.values).mean(axis=0), rtol=1e-5)
    lazy = interp.measure(size, drawn_acts.chunk(), basis="rotated", basis_seed=3)
    assert seen == [True, False]
    np.testing.assert_allclose(lazy["size"], found["size"], rtol=1e-5)
    assert lazy["size"].variable._in_memory
    assert "random orthogonal matrix (seed 3)" in interp.methods(found)


def test_the_units_basis_is_the_default_and_nothing_else_passes(drawn_acts):
    plain = interp.measure("moments", drawn_acts)
    assert plain.identical(interp.measure("moments", drawn_acts, basis="units", basis_seed=9))
    assert "basis" not in plain.attrs
    with pytest.raises(interp.OptionError, match="'units' or 'rotated'; got 'pca'"):
        interp.measure("moments", drawn_acts, basis="pca")


def test_several_datasets_turn_alike(drawn_acts):
    found = interp.measure("moments", [drawn_acts, drawn_acts], basis="rotated")
    np.testing.assert_array_equal(found["mean"][0], found["mean"][1])
    assert found.attrs["basis"] == "rotated"


def test_blocks_of_units_follow_the_chunks(drawn_acts):
    def widths(chunks):
        made = xr.Dataset({"activation": (("token", "unit"), np.zeros((3, sum(chunks)), np.float32))})
        return [block.stop - block.start for block in unit_blocks(made.chunk(unit=tuple(chunks)))]

    assert widths([228] * 4) == [228] * 4
    assert widths([100, 100, 100, 20]) == [200, 120]
    assert widths([600, 20]) == [256, 256, 88, 20]
    assert widths([20, 600]) == [20, 256, 256, 88]
    in_memory = xr.Dataset({"activation": ("unit", np.zeros(2500))})
    assert [block.stop - block.start for block in unit_blocks(in_memory)] == [1024, 1024, 452]
