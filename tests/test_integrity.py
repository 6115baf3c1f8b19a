"""A store that is damaged says so, when it is opened or when it is read: no number comes out that did not go in."""

import shutil
from contextlib import suppress

import numpy as np
import pytest
import xarray as xr
from laws import small

import interp
from interp import SchemaError, integrity
from interp.capturing import keeping

ACTS = small(5, samples=30, units=9)


class StoppedError(Exception):
    """Ends a capture before it is complete."""


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A saved store, and a capture that was stopped after two blocks."""
    folder = tmp_path_factory.mktemp("stores")
    interp.save(ACTS, folder / "saved.zarr")
    task = interp.load_task("transliteration")

    def batches():
        yield from task.batches("demo", limit=192)
        raise StoppedError

    patch = pytest.MonkeyPatch()
    patch.setattr(keeping, "BLOCK", 4096)
    model = interp.load_model("armenian-bilstm")
    with patch.context(), pytest.raises(StoppedError):
        interp.capture(model, batches(), modules=["hidden"], units={"index": range(5)}, store=folder / "begun.zarr")
    return folder


def read(path):
    """Return everything that a store holds, as it is read."""
    held = interp.open(path)
    return {name: variable.values for name, variable in held.variables.items()}, held.attrs


def everything(store):
    return [path for path in sorted(store.rglob("*")) if path.is_file()]


def damages(data):
    """Yield names and bytes that are not the right ones."""
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
def test_no_damage_of_any_file_gives_other_numbers(name, stores, tmp_path):
    wanted, attrs = read(stores / name)
    store = tmp_path / "store"
    shutil.copytree(stores / name, store)
    silent, noticed = [], 0
    for file in everything(store):
        right = file.read_bytes()
        for damage, data in damages(right):
            file.unlink() if data is None else file.write_bytes(data)
            found = told = None
            with suppress(SchemaError):
                found, told = read(store)
            noticed += found is None
            if found is not None and not (same(found, wanted) and told == attrs):
                silent.append((file.relative_to(store).as_posix(), damage))
            file.write_bytes(right)
    assert not silent
    assert noticed > 100


def same(found, wanted):
    return found.keys() == wanted.keys() and all(np.array_equal(found[key], held) for key, held in wanted.items())


def test_the_list_of_sums_is_of_every_file_and_of_the_right_bytes(stores):
    store = stores / "saved.zarr"
    listed = integrity.sealed(store)
    assert set(listed) == {path.relative_to(store).as_posix() for path in everything(store)} - {integrity.SUMS}
    assert list(integrity.faults(store, all_bytes=True)) == []


def test_older_stores_without_a_list_open(stores, tmp_path):
    shutil.copytree(stores / "saved.zarr", tmp_path / "old.zarr")
    (tmp_path / "old.zarr" / integrity.SUMS).unlink()
    xr.testing.assert_identical(interp.open(tmp_path / "old.zarr").load(), interp.open(stores / "saved.zarr").load())


def test_an_error_tells_what_is_wrong_and_what_to_do(stores, tmp_path):
    store = tmp_path / "a.zarr"
    shutil.copytree(stores / "saved.zarr", store)
    (store / "activation" / "c" / "0" / "0").unlink()
    with pytest.raises(
        SchemaError, match=r"a\.zarr is damaged: activation/c/0/0 is missing\. `interp doctor .*a\.zarr`"
    ):
        interp.open(store)
