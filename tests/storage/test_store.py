"""Zarr stores: lossless round trips, lazy reading, overwriting, and upgrades of older stores."""

import json

import numpy as np
import pytest
import xarray as xr
import zarr

import interp
from interp.schema import SCHEMA_VERSION
from interp.storage import checksums, encoding
from interp.storage import store as storage


@pytest.fixture(scope="module")
def results(drawn_acts):
    return {name: interp.measure(name, drawn_acts) for name in ("range", "moments", "histogram", "labels")} | {
        "hellinger": interp.measure("hellinger", drawn_acts, min_tokens=50),
        "several": interp.measure("range", [drawn_acts, drawn_acts]),
    }


def kinds(dataset):
    return {
        name: "str" if variable.dtype.kind == "U" else variable.dtype for name, variable in dataset.variables.items()
    }


def test_activations_round_trip(drawn_acts, tmp_path):
    path = interp.save(drawn_acts, tmp_path / "deep" / "acts.zarr")
    reopened = interp.open(path)
    assert list(reopened.variables) == list(drawn_acts.variables)
    assert not reopened.variables["activation"]._in_memory, "data is lazy"
    assert reopened.activation.dtype == np.float32
    assert reopened.identical(drawn_acts)
    assert interp.validate(reopened).output.dtype == drawn_acts.output.dtype


@pytest.mark.parametrize("name", ["range", "moments", "histogram", "labels", "hellinger", "several"])
def test_results_round_trip(results, name, tmp_path):
    interp.save(results[name], tmp_path / "result.zarr")
    reopened = interp.open(tmp_path / "result.zarr")
    assert reopened.identical(results[name])
    assert list(reopened.variables) == list(results[name].variables)
    assert kinds(reopened) == kinds(results[name])
    assert interp.methods_text(reopened) == interp.methods_text(results[name])


def test_opened_stores_can_be_measured(drawn_acts, tmp_path, monkeypatch):
    reopened = interp.open(interp.save(drawn_acts, tmp_path / "acts.zarr"))
    monkeypatch.setattr("interp.measurement.reduce.MAX_CHUNK_VALUES", 100_000)
    monkeypatch.setattr("interp.measurement.reduce.MAX_BLOCK_UNITS", 100)
    result = interp.measure("hellinger", reopened, min_tokens=50)
    assert not reopened.variables["activation"]._in_memory, "the data is read in chunks"
    monkeypatch.undo()
    assert result.identical(interp.measure("hellinger", drawn_acts, min_tokens=50))
    assert reopened.identical(drawn_acts)


def test_saving_twice_gives_the_same_bytes(drawn_acts, tmp_path):
    def file_bytes(path):
        return {file.relative_to(path): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}

    first, second = (interp.save(drawn_acts, tmp_path / name) for name in "ab")
    assert file_bytes(first) == file_bytes(second)
    again = interp.save(interp.open(first), tmp_path / "c")
    assert file_bytes(first) == file_bytes(again)


def test_layout(drawn_acts, tmp_path):
    rows = np.arange(40_000) % drawn_acts.sizes["token"]
    units = np.arange(600) % drawn_acts.sizes["unit"]
    wide = drawn_acts.isel(token=rows, unit=units)
    wide = wide.assign_coords(unit=[f"unit.{i}" for i in range(600)])
    group = zarr.open_group(interp.save(wide, tmp_path / "wide.zarr"), mode="r")
    assert group.metadata.zarr_format == 3
    assert group["activation"].chunks == (32_768, 16)
    assert group["activation"].shards == (32_768, 512)
    assert group["output"].dtype == np.int32
    assert "ու" in group["output"].attrs["vocabulary"]
    assert interp.open(tmp_path / "wide.zarr").isel(unit=550).identical(wide.isel(unit=550))


@pytest.mark.parametrize("sizes", [(0, 5), (5, 0), (0, 0), (1, 1), (3, 17)])
def test_small_and_empty_datasets(drawn_acts, sizes, tmp_path):
    small = drawn_acts.isel(token=slice(sizes[0]), unit=slice(sizes[1]))
    assert interp.open(interp.save(small, tmp_path / "small.zarr")).identical(small)


def test_nan_infinity_and_other_types(tmp_path):
    odd = xr.Dataset(
        {
            "x": ("k", [np.nan, np.inf, -0.0]),
            "flag": ("k", [True, False, True]),
            "word": ("k", np.array(["", "ու", "a b"], object)),
            "half": ("k", np.arange(3, dtype=np.float16)),
            "one": "ու",
            "small": np.int8(3),
        },
        attrs={"schema": "interp.result", "schema_version": SCHEMA_VERSION, "text": "ծ"},
    )
    reopened = interp.open(interp.save(odd, tmp_path / "odd.zarr"))
    assert reopened.identical(odd)
    assert np.signbit(reopened.x.values[2])


def test_existing_stores_are_not_overwritten_by_default(results, tmp_path):
    path = interp.save(results["range"], tmp_path / "a.zarr")
    with pytest.raises(interp.OptionError, match="overwrite=True"):
        interp.save(results["moments"], path)
    assert interp.open(path).identical(results["range"])
    interp.save(results["moments"], path, overwrite=True)
    assert interp.open(path).identical(results["moments"])
    assert [one.name for one in tmp_path.iterdir()] == ["a.zarr"]


def test_only_stores_are_replaced(results, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("keep me")
    (tmp_path / "file").write_text("keep me too")
    for name in ("home", "file"):
        with pytest.raises(interp.OptionError, match="is not an interp store"):
            interp.save(results["range"], tmp_path / name, overwrite=True)
    assert (tmp_path / "home" / "letter.txt").read_text() == "keep me"


def test_stores_can_be_overwritten_while_open(drawn_acts, tmp_path):
    path = interp.save(drawn_acts, tmp_path / "a.zarr")
    interp.save(interp.select(interp.open(path), input="t"), path, overwrite=True)
    assert interp.open(path).identical(interp.select(drawn_acts, input="t"))


@pytest.mark.parametrize("existing", [True, False])
def test_failed_writes_leave_nothing_behind(results, tmp_path, monkeypatch, existing):
    path = tmp_path / "a.zarr"
    if existing:
        interp.save(results["range"], path)

    def fail(*_, **__):
        (tmp_path / "seen").write_text("".join(one.name for one in tmp_path.iterdir()))
        raise OSError("disk full")

    monkeypatch.setattr(xr.Dataset, "to_zarr", fail)
    with pytest.raises(OSError, match="disk full"):
        interp.save(results["moments"], path, overwrite=existing)
    monkeypatch.undo()
    (tmp_path / "seen").unlink()
    assert [one.name for one in tmp_path.iterdir()] == (["a.zarr"] if existing else [])
    assert not existing or interp.open(path).identical(results["range"])


def test_other_datasets_are_rejected(drawn_acts, tmp_path):
    with pytest.raises(interp.SchemaError, match=r"interp\.measure"):
        interp.save(drawn_acts.drop_attrs(), tmp_path / "a.zarr")
    with pytest.raises(interp.SchemaError, match="'source'"):
        interp.save(drawn_acts.drop_vars("source"), tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())


def test_other_directories_are_rejected(tmp_path):
    with pytest.raises(interp.SchemaError, match="does not exist"):
        interp.open(tmp_path / "none.zarr")
    xr.Dataset({"x": 1}).to_zarr(tmp_path / "two.zarr", zarr_format=2)
    with pytest.raises(interp.SchemaError, match="version 3"):
        interp.open(tmp_path / "two.zarr")
    xr.Dataset({"x": 1}).to_zarr(tmp_path / "foreign.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(interp.SchemaError, match="schema None"):
        interp.open(tmp_path / "foreign.zarr")


def with_version(path, version):
    meta = json.loads((path / "zarr.json").read_text())
    meta["attributes"] |= {"schema_version": version, "interp_version": "9.0"}
    (path / "zarr.json").write_text(json.dumps(meta))
    checksums.write_checksums(path)


def test_newer_stores_are_rejected(results, tmp_path):
    path = interp.save(results["range"], tmp_path / "a.zarr")
    with_version(path, SCHEMA_VERSION + 1)
    with pytest.raises(interp.SchemaError, match=r"interp 9\.0.*pip install --upgrade interp"):
        interp.open(path)


def test_older_stores_are_upgraded_in_order(results, tmp_path, monkeypatch):
    path = interp.save(results["range"], tmp_path / "a.zarr")
    upgrades = {
        ("interp.result", SCHEMA_VERSION): lambda old: old.rename(minimum="low"),
        ("interp.result", SCHEMA_VERSION + 1): lambda old: old.rename(low="lowest"),
    }
    monkeypatch.setattr(storage, "SCHEMA_VERSION", SCHEMA_VERSION + 2)
    monkeypatch.setattr(storage, "UPGRADES", upgrades)
    new = interp.open(path)
    assert new.attrs["schema_version"] == SCHEMA_VERSION + 2
    np.testing.assert_array_equal(new.lowest, results["range"].minimum)


def test_long_labels_are_lazy(drawn_acts, tmp_path, monkeypatch):
    path = interp.save(drawn_acts, tmp_path / "acts.zarr")
    monkeypatch.setattr(encoding, "LABEL_CHUNK", 100)
    reopened = interp.open(path)
    letters = reopened.coords["input"].variable
    assert not letters._in_memory
    assert not reopened.coords["step"].variable._in_memory
    assert letters.dtype.kind == "U"
    selection = reopened.isel(token=[7, 3, 3, -1])
    np.testing.assert_array_equal(selection.input, drawn_acts.input.values[[7, 3, 3, -1]])
    assert reopened.identical(drawn_acts)
    assert interp.measure("labels", reopened).identical(interp.measure("labels", drawn_acts))
