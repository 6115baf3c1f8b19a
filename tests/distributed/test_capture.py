"""Distributed capture: identical to the capture of one process, after any interruption."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny import Failing, Tiny, cut_small, some_batches

import interp
from interp import CaptureError, OptionError, SchemaError
from interp.activations.session import CaptureOptions
from interp.activations.stream import CapturedStream
from interp.distributed import capture as spread
from interp.distributed.recovery import check_store, repair_store
from interp.storage import checksums as integrity


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Make shards and blocks so small that there are several of each, with different ends."""
    cut_small(monkeypatch, samples=5, rows=16, units=4)


BATCHES = some_batches()
MODEL = Tiny().eval()


def capture_in_shards(store, engine, batches=BATCHES, **options):
    return spread.DistributedCapture(
        CapturedStream(MODEL, batches, CaptureOptions(**options)), Path(store), engine
    ).run(list)


def alike(actual, expected):
    assert actual.sizes == expected.sizes
    assert list(actual.coords) == list(expected.coords)
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(actual[name].values, variable.values, err_msg=name)
        assert actual[name].dtype == variable.dtype
    ignored = {"verification_rows": 0, "verification_max_error": 0}  # the first batch of each shard is verified
    assert actual.attrs | ignored == expected.attrs | ignored


@pytest.mark.parametrize("options", [{}, {"where": {"input": "a"}}, {"dtype": "float64"}, {"batch_size": 2}])
def test_store_equals_that_of_one_process(options, tmp_path):
    actual = capture_in_shards(tmp_path / "a.zarr", Failing(), **options)
    alike(actual, interp.capture(MODEL, BATCHES, store=tmp_path / "b.zarr", progress=False, **options))
    assert list(integrity.find_faults(tmp_path / "a.zarr", all_bytes=True)) == []
    assert {path.name for path in (tmp_path / "a.zarr").iterdir() if path.name.startswith(".")} == set()


def test_interrupted_captures_resume_without_repeating_calls(tmp_path):
    complete = Failing()
    expected = capture_in_shards(tmp_path / "complete.zarr", complete).load()
    assert len(complete.calls) > 10
    for last in range(len(complete.calls)):
        store, first, second = tmp_path / f"{last}.zarr", Failing(last), Failing()
        with pytest.raises(KeyboardInterrupt):
            capture_in_shards(store, first)
        assert store.exists() == (last > 0), "an empty store is removed"
        if last:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                unfinished = interp.open(store)
            expected_rows = expected.activation.values[: unfinished.sizes["token"]]
            np.testing.assert_array_equal(unfinished.activation.values, expected_rows)
        actual = capture_in_shards(store, second)
        alike(actual, expected)
        assert actual.attrs == expected.attrs
        assert sorted(first.calls + second.calls) == sorted(complete.calls)
        shutil.rmtree(store)


def test_distributed_captures_resume_locally_and_finished_ones_open(tmp_path):
    store = tmp_path / "a.zarr"
    with pytest.raises(KeyboardInterrupt):
        capture_in_shards(store, Failing(5))
    actual = interp.capture(MODEL, BATCHES, store=store, progress=False)
    alike(actual, interp.capture(MODEL, BATCHES, progress=False))
    again = Failing()
    alike(capture_in_shards(store, again), actual)
    assert again.calls == []
    alike(interp.capture(MODEL, BATCHES, store=store, progress=False), actual)


def test_other_calls_batches_and_stores_are_rejected(tmp_path):
    store = tmp_path / "a.zarr"
    with pytest.raises(KeyboardInterrupt):
        capture_in_shards(store, Failing(5))
    with pytest.raises(OptionError, match=r"created by a different capture call\. Differences: dtype="):
        capture_in_shards(store, Failing(), dtype="float64")
    with pytest.raises(OptionError, match="was created from other batches"):
        capture_in_shards(store, Failing(), batches=some_batches(1))
    (tmp_path / "mine").mkdir()
    with pytest.raises(OptionError, match="is not an interp store"):
        capture_in_shards(tmp_path / "mine", Failing())
    with pytest.raises(OptionError, match="client= needs store="):
        interp.capture(MODEL, BATCHES, client=object())


def test_concurrent_captures_are_an_error(tmp_path):
    store = tmp_path / "a.zarr"

    class Second(Failing):
        def submit(self, function, *args):
            if len(self.calls) == 3:
                with pytest.raises(OptionError, match="Another capture is writing"):
                    capture_in_shards(store, Failing())
            return super().submit(function, *args)

    alike(capture_in_shards(store, Second()), interp.capture(MODEL, BATCHES, progress=False))


def test_captures_without_tokens_leave_no_store(tmp_path):
    with pytest.raises(CaptureError, match=r"matches none of the \d\d+ tokens"):
        capture_in_shards(tmp_path / "a.zarr", Failing(), where={"input": "z"})
    with pytest.raises(CaptureError, match="batches= is empty"):
        capture_in_shards(tmp_path / "a.zarr", Failing(), batches=[])
    assert list(tmp_path.iterdir()) == []


def test_labels_of_two_types_are_rejected(tmp_path):
    odd = interp.Batch(BATCHES[-1].inputs, BATCHES[-1].lengths, {"input": [1] * sum(BATCHES[-1].lengths)})
    with pytest.raises(CaptureError, match="Label 'input' is text in some batches and numbers in others"):
        capture_in_shards(tmp_path / "a.zarr", Failing(), batches=[*BATCHES, odd])


def interrupt_with_waiting_shard(store):
    """Start a capture, stop it while a captured shard is not in the store yet, and return the shard's matrix."""
    for last in range(2, 12):
        with pytest.raises(KeyboardInterrupt):
            capture_in_shards(store, Failing(last))
        waiting = [path for path in sorted((store / ".parts").glob("*.matrix")) if path.stat().st_size]
        if waiting:
            return waiting[-1]
        shutil.rmtree(store)
    raise AssertionError("no captured shard was left")


@pytest.mark.parametrize("damage", ["flipped", "cut off", "missing"])
@pytest.mark.parametrize("with_repair", [False, True])
@pytest.mark.filterwarnings("ignore:.*is not finished")
def test_damaged_shards_never_reach_the_store(damage, with_repair, tmp_path):
    expected = capture_in_shards(tmp_path / "whole.zarr", Failing())
    store = tmp_path / "a.zarr"
    part = interrupt_with_waiting_shard(store)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "missing":
        part.unlink()
    else:
        part.write_bytes(data if damage == "flipped" else data[: len(data) // 2])
    if damage != "missing":
        assert [fault.file for fault in check_store(store)] == [f".parts/{part.name}"]
    if with_repair:
        repair_store(store)
    else:
        with pytest.raises(SchemaError, match=rf"{part.name} is corrupt .* was discarded"):
            capture_in_shards(store, Failing())
    if with_repair and damage == "missing":
        with pytest.raises(SchemaError, match="is corrupt"):
            capture_in_shards(store, Failing())
    alike(capture_in_shards(store, Failing()), expected)
    assert not check_store(store)
