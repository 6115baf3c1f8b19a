"""Captures that go to a store: equal to those in memory, resumed after a kill, refused where of another call."""

import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import interp
from interp.capturing import keeping

SCRIPT = """
import sys, time
import interp
interp.capture  # loaded before the clock runs
from interp.capturing import keeping
sys.path.insert(0, sys.argv[1])
from test_store import batches, network
keeping.BLOCK = 32
def slowly():
    for batch in batches():
        time.sleep(0.02)
        yield batch
print("ready", flush=True)
interp.capture(network(), slowly(), store=sys.argv[2], progress=False)
"""


def network(seed=0):
    """Return a small recurrent model with a head."""

    class Tagger(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = torch.nn.LSTM(3, 5, bidirectional=True, batch_first=True)
            self.head = torch.nn.Linear(10, 4)

        def forward(self, x):
            return self.head(self.rnn(x)[0])

    torch.manual_seed(seed)
    return Tagger().eval()


def batches(count=40, late="ու"):
    """Return batches with a label of one character each, and of two in the last one."""
    made = []
    for number in range(count):
        draw = torch.Generator().manual_seed(number)
        letters = [late if number == count - 1 else "ա"] * 12
        labels = {"letter": letters, "number": list(range(12))}
        made.append(interp.Batch(torch.randn(3, 4, 3, generator=draw), labels=labels, decode=decode))
    return made


def decode(output):
    """Return the likeliest class of each token, as text."""
    return [[f"c{k}" for k in row] for row in output.argmax(-1).tolist()]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(keeping, "BLOCK", 32)


@pytest.fixture
def stored(tmp_path):
    """Return a finished store."""
    path = tmp_path / "acts.zarr"
    interp.capture(network(), batches(), store=path)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"where": {"number": [1, 5]}},
        {"units": {"quantity": "i"}, "dtype": "float64"},
        {"check": "all", "batch_size": 2},
        {"quantities": ["c_prev", "h"], "modules": ["rnn"]},
    ],
)
def test_a_store_holds_what_a_capture_in_memory_does(tmp_path, options):
    expected = interp.capture(network(), batches(), **options)
    got = interp.capture(network(), batches(), store=tmp_path / "acts.zarr", **options)
    xr.testing.assert_identical(got.load(), expected)
    assert [got[name].dtype.kind for name in got.coords] == [expected[name].dtype.kind for name in expected.coords]


def test_a_symbol_of_two_characters_that_comes_late_is_kept(stored):
    assert interp.open(stored).letter.values[-12:].tolist() == ["ու"] * 12


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_capture_goes_on_and_ends_the_same(tmp_path, seed):
    path, draw = tmp_path / "acts.zarr", random.Random(seed)
    for _ in range(3):
        command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(draw.uniform(0.1, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    got = interp.capture(network(), iter(batches()), store=path)
    xr.testing.assert_identical(got.load(), interp.capture(network(), batches()))


class CutError(Exception):
    """Stands for whatever ends a capture."""


def begun(path, after):
    """Begin a capture that ends after so many batches."""

    def some():
        yield from batches()[:after]
        raise CutError

    with pytest.raises(CutError):
        interp.capture(network(), some(), store=path)


def test_an_unfinished_store_opens_with_a_warning_and_goes_on_without_running_all_again(tmp_path):
    path = tmp_path / "acts.zarr"
    begun(path, 30)
    with pytest.warns(UserWarning, match="not finished: 352 tokens"):
        part = interp.open(path).load()
    whole = interp.capture(network(), batches())
    np.testing.assert_array_equal(part.activation, whole.activation[:352])
    assert part.letter.values.tolist() == whole.letter.values[:352].tolist()
    model, runs = network(), []
    model.head.register_forward_hook(lambda *_: runs.append(1))
    got = interp.capture(model, batches(), store=path)
    assert len(runs) <= 1 + 40 - 29  # the plan's forward, and the batches from the one with the boundary
    xr.testing.assert_identical(got.load(), whole)


def test_an_error_before_the_first_block_leaves_nothing(tmp_path):
    begun(tmp_path / "acts.zarr", 2)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_store_runs_nothing(stored):
    model, runs = network(), []
    model.head.register_forward_hook(lambda *_: runs.append(1))
    interp.capture(model, batches(), store=stored)
    assert not runs


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"quantities": ["h"]}, "quantities="),
        ({"where": {"number": 3}}, "where="),
        ({"batch_size": 1}, "batch_size="),
        ({"dtype": "float64"}, "dtype="),
        ({"model": 1}, "model_sha256"),
        ({"batches": 20}, "other batches"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_a_store_of_another_call_is_refused_by_name(tmp_path, change, named, finished):
    path, options = tmp_path / "acts.zarr", dict(change)
    if finished:
        interp.capture(network(), batches(), store=path)
    else:
        begun(path, 30)
    model, given = network(options.pop("model", 0)), batches(options.pop("batches", 40), late="x")
    with pytest.raises(interp.OptionError, match=named):
        interp.capture(model, given, store=path, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert interp.open(path).sizes["token"] == (480 if finished else 352)


def test_a_directory_that_is_no_store_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(interp.OptionError, match="no store of interp"):
        interp.capture(network(), batches(), store=tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_labels_of_many_chunks(stored, tmp_path, monkeypatch):
    """The end of a store is written some blocks at a time; a word may be in one of them alone."""
    monkeypatch.setattr("interp.capturing.finishing.LABELS", 64)
    monkeypatch.setattr("interp.storage.LABELS", 64)
    found = interp.capture(network(), batches(), store=tmp_path / "chunks.zarr")
    assert found.sizes["token"] > 5 * 64
    assert found.identical(interp.open(stored))
    assert found.letter.values[-1] == "ու"


@pytest.mark.parametrize("store", [True, False])
def test_a_label_of_two_kinds(store, tmp_path):
    mixed = [interp.Batch(batch.inputs, labels={"letter": letters}) for batch, letters in
             zip(batches(2), (["ա"] * 12, list(range(12))), strict=True)]  # fmt: skip
    with pytest.raises(interp.CaptureError, match="'letter'"):
        interp.capture(network(), mixed, store=tmp_path / "acts.zarr" if store else None)
    assert not list(tmp_path.iterdir())
