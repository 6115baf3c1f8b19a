"""Damage to a store is detected when it is opened or read; wrong values are never returned."""

import shutil
from contextlib import suppress

import numpy as np
import pytest
import xarray as xr
from helpers.laws import small

import interp
from interp import SchemaError
from interp.activations import resumable as keeping
from interp.storage import checksums as integrity

ACTS = small(5, samples=30, units=9)


class StoppedError(Exception):
    """Ends a capture before it is complete."""


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Write a saved store, and a capture that is interrupted after two blocks."""
    folder = tmp_path_factory.mktemp("stores")
    interp.save(ACTS, folder / "saved.zarr")
    task = interp.load_task("transliteration")

    def batches():
        yield from task.batches("demo", limit=192)
        raise StoppedError

    patch = pytest.MonkeyPatch()
    patch.setattr(keeping, "BLOCK_ROWS", 4096)
    model = interp.load_model("armenian-bilstm")
    with patch.context(), pytest.raises(StoppedError):
        interp.capture(model, batches(), modules=["hidden"], units={"index": range(5)}, store=folder / "begun.zarr")
    return folder


def read(path):
    """Return all variables and attrs of a store."""
    dataset = interp.open(path)
    return {name: variable.values for name, variable in dataset.variables.items()}, dataset.attrs


def all_files(store):
    return [path for path in sorted(store.rglob("*")) if path.is_file()]


def damages(data):
    """Yield kinds of damage with the damaged content."""
    yield "missing", None
    for size in {0, 1, len(data) // 3, len(data) - 1} - {len(data)}:
        yield f"cut off at {size}", data[:size]
    draw = np.random.default_rng(len(data))
    for at in {0, len(data) - 1, *draw.integers(len(data), size=6).tolist()}:
        changed = bytearray(data)
        changed[at] ^= 1 << int(draw.integers(8))
        yield f"flipped at {at}", bytes(changed)
    yield "longer", data + b"\0"


@pytest.mark.filterwarnings("ignore:.*is not finished")
@pytest.mark.parametrize("name", ["saved.zarr", "begun.zarr"])
def test_damage_to_any_file_is_detected(name, stores, tmp_path):
    expected, attrs = read(stores / name)
    store = tmp_path / "store"
    shutil.copytree(stores / name, store)
    undetected, n_detected = [], 0
    for file in all_files(store):
        original = file.read_bytes()
        for damage, data in damages(original):
            file.unlink() if data is None else file.write_bytes(data)
            values = read_attrs = None
            with suppress(SchemaError):
                values, read_attrs = read(store)
            n_detected += values is None
            if values is not None and not (same(values, expected) and read_attrs == attrs):
                undetected.append((file.relative_to(store).as_posix(), damage))
            file.write_bytes(original)
    assert not undetected
    assert n_detected > 100


def same(actual, expected):
    return actual.keys() == expected.keys() and all(
        np.array_equal(actual[key], values) for key, values in expected.items()
    )


def test_checksums_cover_every_file(stores):
    store = stores / "saved.zarr"
    sums = integrity.read_checksums(store)
    assert set(sums) == {path.relative_to(store).as_posix() for path in all_files(store)} - {integrity.CHECKSUMS_FILE}
    assert list(integrity.find_faults(store, all_bytes=True)) == []


def test_stores_without_checksums_open(stores, tmp_path):
    shutil.copytree(stores / "saved.zarr", tmp_path / "old.zarr")
    (tmp_path / "old.zarr" / integrity.CHECKSUMS_FILE).unlink()
    xr.testing.assert_identical(interp.open(tmp_path / "old.zarr").load(), interp.open(stores / "saved.zarr").load())


def test_errors_name_the_damage_and_the_remedy(stores, tmp_path):
    store = tmp_path / "a.zarr"
    shutil.copytree(stores / "saved.zarr", store)
    (store / "activation" / "c" / "0" / "0").unlink()
    with pytest.raises(
        SchemaError, match=r"a\.zarr is damaged: activation/c/0/0 is missing\. Run `interp doctor .*a\.zarr`"
    ):
        interp.open(store)
