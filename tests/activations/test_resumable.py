"""Captures into a store: equal to captures in memory, resumable after a kill, rejected for another call."""

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
from interp.activations import resumable as keeping

SCRIPT = """
import sys, time
import interp
interp.capture  # import before timing starts
from interp.activations import resumable as keeping
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
    """Return a small recurrent model with a linear head."""

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
    """Return batches with a label of one character, or of two characters in the last batch."""
    result = []
    for number in range(count):
        draw = torch.Generator().manual_seed(number)
        letters = [late if number == count - 1 else "ա"] * 12
        labels = {"letter": letters, "number": list(range(12))}
        result.append(interp.Batch(torch.randn(3, 4, 3, generator=draw), labels=labels, decode=decode))
    return result


def decode(output):
    """Return the most likely class of each token, as text."""
    return [[f"c{k}" for k in row] for row in output.argmax(-1).tolist()]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(keeping, "BLOCK_ROWS", 32)


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
        {"verify": "all", "batch_size": 2},
        {"quantities": ["c_prev", "h"], "modules": ["rnn"]},
    ],
)
def test_stored_captures_equal_captures_in_memory(tmp_path, options):
    expected = interp.capture(network(), batches(), **options)
    actual = interp.capture(network(), batches(), store=tmp_path / "acts.zarr", **options)
    xr.testing.assert_identical(actual.load(), expected)
    assert [actual[name].dtype.kind for name in actual.coords] == [
        expected[name].dtype.kind for name in expected.coords
    ]


def test_late_labels_of_two_characters_are_stored(stored):
    assert interp.open(stored).letter.values[-12:].tolist() == ["ու"] * 12


@pytest.mark.parametrize("seed", range(2))
def test_killed_captures_resume_and_end_the_same(tmp_path, seed):
    path, draw = tmp_path / "acts.zarr", random.Random(seed)
    for _ in range(3):
        command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[1]), str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(draw.uniform(0.1, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    actual = interp.capture(network(), iter(batches()), store=path)
    xr.testing.assert_identical(actual.load(), interp.capture(network(), batches()))


class CutError(Exception):
    """Ends a capture."""


def interrupt(path, after):
    """Start a capture that is interrupted after some batches."""

    def some():
        yield from batches()[:after]
        raise CutError

    with pytest.raises(CutError):
        interp.capture(network(), some(), store=path)


def test_unfinished_stores_open_with_a_warning_and_resume(tmp_path):
    path = tmp_path / "acts.zarr"
    interrupt(path, 30)
    with pytest.warns(UserWarning, match="not finished: 352 tokens"):
        unfinished = interp.open(path).load()
    expected = interp.capture(network(), batches())
    np.testing.assert_array_equal(unfinished.activation, expected.activation[:352])
    assert unfinished.letter.values.tolist() == expected.letter.values[:352].tolist()
    model, runs = network(), []
    model.head.register_forward_hook(lambda *_: runs.append(1))
    actual = interp.capture(model, batches(), store=path)
    assert len(runs) <= 1 + 40 - 29  # the planning forward, and the batches from the boundary of the last block on
    xr.testing.assert_identical(actual.load(), expected)


def test_errors_before_the_first_block_leave_no_store(tmp_path):
    interrupt(tmp_path / "acts.zarr", 2)
    assert list(tmp_path.iterdir()) == []


def test_finished_stores_run_nothing(stored):
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
def test_stores_of_another_call_are_rejected(tmp_path, change, named, finished):
    path, options = tmp_path / "acts.zarr", dict(change)
    if finished:
        interp.capture(network(), batches(), store=path)
    else:
        interrupt(path, 30)
    model, other_batches = network(options.pop("model", 0)), batches(options.pop("batches", 40), late="x")
    with pytest.raises(interp.OptionError, match=named):
        interp.capture(model, other_batches, store=path, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert interp.open(path).sizes["token"] == (480 if finished else 352)


def test_other_directories_are_not_changed(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(interp.OptionError, match="is not an interp store"):
        interp.capture(network(), batches(), store=tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_labels_of_many_chunks(stored, tmp_path, monkeypatch):
    """Labels are written a few blocks at a time; a word may occur in only one of them."""
    monkeypatch.setattr("interp.storage.writer.LABEL_CHUNK", 64)
    monkeypatch.setattr("interp.storage.encoding.LABEL_CHUNK", 64)
    acts = interp.capture(network(), batches(), store=tmp_path / "chunks.zarr")
    assert acts.sizes["token"] > 5 * 64
    assert acts.identical(interp.open(stored))
    assert acts.letter.values[-1] == "ու"


@pytest.mark.parametrize("store", [True, False])
def test_labels_of_two_types_are_rejected(store, tmp_path):
    mixed = [interp.Batch(batch.inputs, labels={"letter": letters}) for batch, letters in
             zip(batches(2), (["ա"] * 12, list(range(12))), strict=True)]  # fmt: skip
    with pytest.raises(interp.CaptureError, match="'letter'"):
        interp.capture(network(), mixed, store=tmp_path / "acts.zarr" if store else None)
    assert not list(tmp_path.iterdir())
