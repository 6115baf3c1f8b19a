"""A capture by workers is the capture of one process: the same rows, labels and bits, after any interruption."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from tiny import Failing, Tiny, cut_small, some_batches

import interp
from interp import CaptureError, OptionError, SchemaError, integrity
from interp.capture import Captured
from interp.capturing.session import Options
from interp.doctor import examine, repair
from interp.scaling import spread


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Shards and blocks of so few rows that there are several of each, and that they don't end together."""
    cut_small(monkeypatch, samples=5, rows=16, units=4)


BATCHES = some_batches()
MODEL = Tiny().eval()


def spread_out(store, engine, batches=BATCHES, **options):
    return spread.Spread(Captured(MODEL, batches, Options(**options)), Path(store), engine).run(list)


def alike(found, wanted):
    assert found.sizes == wanted.sizes
    assert list(found.coords) == list(wanted.coords)
    for name, held in wanted.variables.items():
        np.testing.assert_array_equal(found[name].values, held.values, err_msg=name)
        assert found[name].dtype == held.dtype
    checked = {"checked_rows": 0, "max_abs_error": 0}  # each shard has a first batch, which is checked
    assert found.attrs | checked == wanted.attrs | checked


@pytest.mark.parametrize("options", [{}, {"where": {"input": "a"}}, {"dtype": "float64"}, {"batch_size": 2}])
def test_the_store_is_that_of_one_process(options, tmp_path):
    found = spread_out(tmp_path / "a.zarr", Failing(), **options)
    alike(found, interp.capture(MODEL, BATCHES, store=tmp_path / "b.zarr", progress=False, **options))
    assert list(integrity.faults(tmp_path / "a.zarr", all_bytes=True)) == []
    assert {path.name for path in (tmp_path / "a.zarr").iterdir() if path.name.startswith(".")} == set()


def test_after_an_interruption_at_any_call_nothing_recorded_is_done_again(tmp_path):
    whole = Failing()
    wanted = spread_out(tmp_path / "whole.zarr", whole).load()
    assert len(whole.calls) > 10
    for last in range(len(whole.calls)):
        store, first, second = tmp_path / f"{last}.zarr", Failing(last), Failing()
        with pytest.raises(KeyboardInterrupt):
            spread_out(store, first)
        assert store.exists() == (last > 0), "nothing is left of nothing"
        if last:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                begun = interp.open(store)
            alike_so_far = wanted.activation.values[: begun.sizes["token"]]
            np.testing.assert_array_equal(begun.activation.values, alike_so_far)
        found = spread_out(store, second)
        alike(found, wanted)
        assert found.attrs == wanted.attrs
        assert sorted(first.calls + second.calls) == sorted(whole.calls)
        shutil.rmtree(store)


def test_what_was_begun_on_a_cluster_goes_on_without_one_and_a_finished_one_is_opened(tmp_path):
    store = tmp_path / "a.zarr"
    with pytest.raises(KeyboardInterrupt):
        spread_out(store, Failing(5))
    found = interp.capture(MODEL, BATCHES, store=store, progress=False)
    alike(found, interp.capture(MODEL, BATCHES, progress=False))
    again = Failing()
    alike(spread_out(store, again), found)
    assert again.calls == []
    alike(interp.capture(MODEL, BATCHES, store=store, progress=False), found)


def test_another_call_other_batches_and_other_stores_are_refused(tmp_path):
    store = tmp_path / "a.zarr"
    with pytest.raises(KeyboardInterrupt):
        spread_out(store, Failing(5))
    with pytest.raises(OptionError, match=r"another call of capture; it differs in dtype="):
        spread_out(store, Failing(), dtype="float64")
    with pytest.raises(OptionError, match="was begun with other batches"):
        spread_out(store, Failing(), batches=some_batches(1))
    (tmp_path / "mine").mkdir()
    with pytest.raises(OptionError, match="no store of interp"):
        spread_out(tmp_path / "mine", Failing())
    with pytest.raises(OptionError, match="client= needs store="):
        interp.capture(MODEL, BATCHES, client=object())


def test_two_at_once_is_an_error_that_says_so(tmp_path):
    store = tmp_path / "a.zarr"

    class Second(Failing):
        def submit(self, function, *args):
            if len(self.calls) == 3:
                with pytest.raises(OptionError, match="Another capture is writing"):
                    spread_out(store, Failing())
            return super().submit(function, *args)

    alike(spread_out(store, Second()), interp.capture(MODEL, BATCHES, progress=False))


def test_where_nothing_matches_nothing_is_left(tmp_path):
    with pytest.raises(CaptureError, match=r"matches none of the \d\d+ tokens"):
        spread_out(tmp_path / "a.zarr", Failing(), where={"input": "z"})
    with pytest.raises(CaptureError, match="batches= is empty"):
        spread_out(tmp_path / "a.zarr", Failing(), batches=[])
    assert list(tmp_path.iterdir()) == []


def test_labels_that_are_strings_in_one_shard_and_numbers_in_another_are_refused(tmp_path):
    odd = interp.Batch(BATCHES[-1].inputs, BATCHES[-1].lengths, {"input": [1] * sum(BATCHES[-1].lengths)})
    with pytest.raises(CaptureError, match="have strings as label 'input' and some numbers"):
        spread_out(tmp_path / "a.zarr", Failing(), batches=[*BATCHES, odd])


def begun_with_parts(store):
    """Begin a capture, and stop where the matrix of a shard waits; return that."""
    for last in range(2, 12):
        with pytest.raises(KeyboardInterrupt):
            spread_out(store, Failing(last))
        waiting = [path for path in sorted((store / ".parts").glob("*.matrix")) if path.stat().st_size]
        if waiting:
            return waiting[-1]
        shutil.rmtree(store)
    raise AssertionError("no part has waited")


@pytest.mark.parametrize("damage", ["flipped", "cut off", "missing"])
@pytest.mark.parametrize("repaired", [False, True])
@pytest.mark.filterwarnings("ignore:.*is not finished")
def test_a_part_that_waits_and_is_damaged_never_reaches_the_store(damage, repaired, tmp_path):
    wanted = spread_out(tmp_path / "whole.zarr", Failing())
    store = tmp_path / "a.zarr"
    part = begun_with_parts(store)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "missing":
        part.unlink()
    else:
        part.write_bytes(data if damage == "flipped" else data[: len(data) // 2])
    if damage != "missing":
        assert [fault.file for fault in examine(store)] == [f".parts/{part.name}"]
    if repaired:
        repair(store)
    else:
        with pytest.raises(SchemaError, match=rf"{part.name} is damaged .* counts no more"):
            spread_out(store, Failing())
    if repaired and damage == "missing":
        with pytest.raises(SchemaError, match="is damaged"):
            spread_out(store, Failing())
    alike(spread_out(store, Failing()), wanted)
    assert not examine(store)
