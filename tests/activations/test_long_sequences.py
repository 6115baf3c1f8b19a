"""Capture of a long sequence in time chunks: equal values, bounded memory, or a warning with the reason."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp.activations import long_sequences as long
from interp.activations import session

pytestmark = pytest.mark.usefixtures("engine_mode")


class Series(nn.Module):
    """Two layers of an LSTM and a GRU over a time series, with a linear layer on top."""

    def __init__(self, batch_first=True, bidirectional=False):
        super().__init__()
        self.lstm = nn.LSTM(3, 6, 2, batch_first=batch_first)
        self.gru = nn.GRU(6, 5, batch_first=batch_first, bidirectional=bidirectional)
        self.out = nn.Linear(10 if bidirectional else 5, 2)

    def forward(self, x):
        return self.out(self.gru(self.lstm(x)[0])[0])


class Smooth(Series):
    """The same after a convolution, which looks across steps."""

    def forward(self, x):
        return super().forward(nn.functional.avg_pool1d(x.transpose(1, 2), 5, 1, 2).transpose(1, 2))


@pytest.fixture
def short(monkeypatch):
    """Use time chunks of 100 steps."""
    monkeypatch.setattr(long, "CHUNK_STEPS", 100)
    monkeypatch.setattr(session, "CHUNK_STEPS", 100)


def labelled(x, steps):
    return interp.Batch(x, labels={"hour": list(range(steps))})


@pytest.mark.parametrize("shape", [(730, 3), (1, 730, 3), (730, 1, 3)])
@pytest.mark.parametrize("modules", [None, ["gru"], ["out"]])
def test_chunks_give_the_values_of_the_whole_sequence(monkeypatch, shape, modules):
    torch.manual_seed(0)
    model = Series(batch_first=shape[0] == 1).eval().double()
    batch = labelled(torch.randn(shape, dtype=torch.float64), 730)
    options = {"dtype": "float64", "modules": modules, "progress": False}
    whole = interp.capture(model, batch, **options)
    monkeypatch.setattr(long, "CHUNK_STEPS", 100)
    monkeypatch.setattr(session, "CHUNK_STEPS", 100)
    sizes = [chunk.sizes["token"] for chunk in interp.stream(model, batch, **options)]
    chunked = interp.capture(model, batch, **options)
    assert sizes == [100] * 7 + [30]
    assert chunked.step.values.tolist() == list(range(730))
    assert (chunked["sample"] == 0).all()
    np.testing.assert_allclose(chunked.activation, whole.activation, rtol=0, atol=1e-13)
    assert chunked.drop_vars("activation").equals(whole.drop_vars("activation"))


def test_where_selects_among_all_steps(short):
    model = Series().eval()
    batch = [labelled(torch.randn(1, 450, 3), 450), labelled(torch.randn(1, 450, 3), 450)]
    acts = interp.capture(model, batch, where={"hour": [3, 250, 449]}, progress=False)
    assert acts.step.values.tolist() == [3, 250, 449] * 2
    assert acts["sample"].values.tolist() == [0] * 3 + [1] * 3
    whole = interp.capture(model, batch, progress=False)
    assert np.array_equal(acts.activation, interp.select(whole, hour=[3, 250, 449]).activation)


@pytest.mark.parametrize(
    ("model", "reason"), [(Series(bidirectional=True), "'gru' is bidirectional"), (Smooth(), "looks across steps")]
)
def test_a_sequence_that_can_not_be_split_warns_where_memory_should_stay_bounded(short, tmp_path, model, reason):
    batch = labelled(torch.randn(1, 450, 3), 450)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = interp.capture(model.eval(), batch, progress=False)
    with pytest.warns(UserWarning, match=reason):
        stored = interp.capture(model, batch, store=tmp_path / "acts.zarr", progress=False)
    assert np.array_equal(whole.activation, stored.activation)


def test_a_long_capture_resumes_after_an_interruption(short, tmp_path, monkeypatch):
    from interp.activations import resumable as keeping

    monkeypatch.setattr(keeping, "BLOCK_ROWS", 64)
    model, x = Series().eval(), torch.randn(1, 900, 3)
    forward, calls = nn.Linear.forward, []

    def fail_at_call_9(module, value):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return forward(module, value)

    with monkeypatch.context() as patch:
        patch.setattr(nn.Linear, "forward", fail_at_call_9)
        with pytest.raises(KeyboardInterrupt):
            interp.capture(model, labelled(x, 900), store=tmp_path / "acts.zarr", progress=False)
    stored = interp.capture(model, labelled(x, 900), store=tmp_path / "acts.zarr", progress=False)
    assert np.array_equal(stored.activation, interp.capture(model, labelled(x, 900), progress=False).activation)
