"""The rotated basis: invariants of a rotation, reproducibility by seed, and equal results for all sources."""

import numpy as np
import pytest
import xarray as xr
from helpers.laws import alike

import interp
from interp.measurement.reduce import unit_blocks
from interp.measurement.rotation import unit_groups


@pytest.fixture(scope="module")
def rotated_acts(drawn_acts):
    return interp.rotate_basis(drawn_acts, seed=3)


def each_group(acts):
    names, codes = unit_groups(acts)
    return [np.flatnonzero(codes == number) for number in range(len(names))]


@pytest.mark.parametrize("size", [1, 2, 57])
def test_a_rotation_is_orthogonal_and_follows_the_seed(size):
    matrix = interp.statistics.haar_rotation(size, 4)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), atol=1e-13)
    np.testing.assert_array_equal(matrix, interp.statistics.haar_rotation(size, 4))
    assert size == 1 or (matrix != interp.statistics.haar_rotation(size, 5)).any()


def test_rotations_are_uniform():
    """Moments of the Haar law: entries have mean 0, variance 1/n, and the trace has mean 0 and variance 1."""
    many = np.stack([interp.statistics.haar_rotation(4, seed) for seed in range(4000)])
    assert np.abs(many.mean(axis=0)).max() < 0.04  # 5 standard errors of .5 / sqrt(4000)
    np.testing.assert_allclose((many**2).mean(axis=0), 0.25, atol=0.02)
    trace = np.trace(many, axis1=1, axis2=2)
    assert abs(trace.mean()) < 0.08
    assert abs(trace.var() - 1) < 0.12


def test_norms_and_covariance_within_a_group_stay(drawn_acts, rotated_acts):
    before, after = drawn_acts.activation.values.astype(float), rotated_acts.activation.values.astype(float)
    assert rotated_acts.activation.dtype == np.float32
    for members in each_group(drawn_acts):
        np.testing.assert_allclose(
            np.linalg.norm(after[:, members], axis=1), np.linalg.norm(before[:, members], axis=1), rtol=1e-5
        )
        own, moved = (np.cov(values[:, members].T) for values in (before, after))
        np.testing.assert_allclose(
            np.linalg.eigvalsh(np.atleast_2d(moved)), np.linalg.eigvalsh(np.atleast_2d(own)), atol=1e-6
        )
        assert members.size == 1 or np.abs(after[:, members] - before[:, members]).max() > 0.1


def test_groups_do_not_mix(drawn_acts, rotated_acts):
    changed = drawn_acts.copy(deep=True)
    first = each_group(drawn_acts)[0]
    changed.activation[:, first] = 0
    rotated = interp.rotate_basis(changed, seed=3).activation.values
    assert (rotated[:, first] == 0).all()
    rest = np.setdiff1d(np.arange(drawn_acts.sizes["unit"]), first)
    np.testing.assert_array_equal(rotated[:, rest], rotated_acts.activation.values[:, rest])


def test_the_rotation_of_a_group_does_not_depend_on_other_units(drawn_acts, rotated_acts):
    part = {"direction": "backward", "quantity": "c"}
    alone = interp.rotate_basis(interp.select(drawn_acts, **part), seed=3)
    np.testing.assert_array_equal(alone.activation, interp.select(rotated_acts, **part).activation)


def test_names_and_labels_are_preserved_and_attrs_record_the_rotation(drawn_acts, rotated_acts):
    for name in ("unit", "module", "layer", "direction", "quantity", "index", "input", "source"):
        assert rotated_acts[name].variable.identical(drawn_acts[name].variable), name
    assert (rotated_acts.symbol == "").all()
    assert rotated_acts.attrs == drawn_acts.attrs | {"basis": "rotated", "basis_seed": 3}
    interp.validate(rotated_acts)
    with pytest.raises(interp.OptionError, match="already rotated"):
        interp.rotate_basis(rotated_acts)


def test_units_of_a_group_become_contiguous(drawn_acts, rotated_acts):
    mixed = drawn_acts.isel(unit=np.random.default_rng(0).permutation(drawn_acts.sizes["unit"]))
    rotated = interp.rotate_basis(mixed, seed=3)
    _, codes = unit_groups(rotated)
    assert (np.diff(codes) >= 0).all()
    members = interp.select(rotated, module="lstm", direction="forward", quantity="h")
    assert (
        members.sizes["unit"]
        == interp.select(rotated_acts, module="lstm", direction="forward", quantity="h").sizes["unit"]
    )


class Stream:
    def __init__(self, acts):
        self.acts = acts

    def __iter__(self):
        for samples in np.array_split(np.unique(self.acts["sample"].values), 7):
            yield interp.select(self.acts, sample=samples)


OPTIONS = {"hellinger": {"estimator": "raw", "min_tokens": 50, "bins": 40}, "moments": {}, "histogram": {"bins": 10}}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", ["memory", "stream", "dask", "zarr", "blocks"])
def test_every_kind_of_source_gives_the_same_rotation(drawn_acts, rotated_acts, name, kind, tmp_path, monkeypatch):
    source = drawn_acts
    if kind == "stream":
        source = Stream(drawn_acts)
    elif kind == "dask":
        source = drawn_acts.chunk({"token": 700, "unit": 10})
    elif kind == "zarr":
        source = interp.open(interp.save(drawn_acts, tmp_path / "a.zarr"))
    elif kind == "blocks":
        monkeypatch.setattr("interp.measurement.reduce.MAX_BLOCK_UNITS", 40)
        monkeypatch.setattr("interp.measurement.reduce.MAX_CHUNK_VALUES", 40 * 500)
    result = interp.measure(name, source, basis="rotated", basis_seed=3, **OPTIONS[name])
    expected = interp.measure(name, rotated_acts.compute(), **OPTIONS[name])
    alike(result, expected)
    assert result.attrs == expected.attrs
    assert result.attrs["basis_seed"] == 3
    if kind == "zarr":
        assert not source.variables["activation"]._in_memory


in_memory_flags = []


@interp.probe()
def size(acts):
    """Mean |activation|."""
    in_memory_flags.append(acts.activation.variable._in_memory)
    return abs(acts.activation).mean("token").to_dataset(name="size")


def test_function_probes(drawn_acts, rotated_acts):
    result = interp.measure(size, drawn_acts, basis="rotated", basis_seed=3)
    np.testing.assert_allclose(result["size"], np.abs(rotated_acts.activation.values).mean(axis=0), rtol=1e-5)
    lazy = interp.measure(size, drawn_acts.chunk(), basis="rotated", basis_seed=3)
    assert in_memory_flags == [True, False]
    np.testing.assert_allclose(lazy["size"], result["size"], rtol=1e-5)
    assert lazy["size"].variable._in_memory
    assert "random orthogonal matrix (seed 3)" in interp.methods_text(result)


def test_the_default_basis_is_units_and_unknown_ones_are_rejected(drawn_acts):
    plain = interp.measure("moments", drawn_acts)
    assert plain.identical(interp.measure("moments", drawn_acts, basis="units", basis_seed=9))
    assert "basis" not in plain.attrs
    with pytest.raises(interp.OptionError, match="'units' or 'rotated'; got 'pca'"):
        interp.measure("moments", drawn_acts, basis="pca")


def test_several_datasets_get_the_same_rotation(drawn_acts):
    result = interp.measure("moments", [drawn_acts, drawn_acts], basis="rotated")
    np.testing.assert_array_equal(result["mean"][0], result["mean"][1])
    assert result.attrs["basis"] == "rotated"


def test_blocks_of_units_follow_the_chunks(drawn_acts):
    def widths(chunks):
        acts = xr.Dataset({"activation": (("token", "unit"), np.zeros((3, sum(chunks)), np.float32))})
        return [block.stop - block.start for block in unit_blocks(acts.chunk(unit=tuple(chunks)))]

    assert widths([228] * 4) == [228] * 4
    assert widths([100, 100, 100, 20]) == [200, 120]
    assert widths([600, 20]) == [256, 256, 88, 20]
    assert widths([20, 600]) == [20, 256, 256, 88]
    in_memory = xr.Dataset({"activation": ("unit", np.zeros(2500))})
    assert [block.stop - block.start for block in unit_blocks(in_memory)] == [1024, 1024, 452]
