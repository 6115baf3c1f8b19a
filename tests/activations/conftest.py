"""Fixtures of the capture tests: both modes of the engine, a small tagger, and samples of different lengths."""

import pytest
import torch
from helpers.nets import Tagger

import interp
from interp.recurrence import engine as recurrence


@pytest.fixture(autouse=True, params=["stepping", "compiled"])
def engine_mode(request, monkeypatch):
    """Run every test in both modes of the engine."""
    if request.param == "stepping":
        monkeypatch.setattr(recurrence.DirectionPass, "compiled", lambda _: None)


@pytest.fixture
def tagger():
    torch.manual_seed(0)
    return Tagger().eval()


@pytest.fixture
def ragged():
    """Return a batch of five samples of different lengths, with labels."""
    torch.manual_seed(1)
    lengths = [3, 7, 1, 7, 5]
    words = ["abc", "abcdefg", "x", "gfedcba", "hello"]
    labels = {
        "input": list("".join(words)),
        "output": [list(word.upper()) for word in words],
        "source": [7, 8, 7, 9, 9],
    }

    def decode(output):
        return [["abc"[k] for k in row[:n]] for row, n in zip(output.argmax(-1).tolist(), lengths, strict=True)]

    return interp.Batch((torch.randn(5, 7, 5), torch.tensor(lengths)), lengths, labels, decode=decode)
