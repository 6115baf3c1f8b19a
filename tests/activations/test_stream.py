"""Streams yield the values of a capture in chunks of whole samples."""

import numpy as np
import pytest
import torch
from helpers.nets import capture

import interp
from interp.base import ActivationStream

pytestmark = pytest.mark.usefixtures("engine_mode")


def test_a_stream_yields_whole_samples_and_is_re_iterable(tagger, ragged):
    source = interp.stream(tagger, [ragged, torch.randn(3, 4, 5)], batch_size=2, dtype="float64")
    assert isinstance(source, ActivationStream)
    whole = capture(tagger, [interp.Batch(ragged.inputs, ragged.lengths), torch.randn(3, 4, 5)], batch_size=2)
    first = list(interp.stream(tagger, interp.Batch(ragged.inputs, ragged.lengths), batch_size=2, dtype="float64"))
    assert [np.unique(chunk["sample"].values).tolist() for chunk in first] == [[0, 1], [2, 3], [4]]
    rows = np.concatenate([chunk.activation.values for chunk in first])
    assert np.array_equal(rows, whole.activation.values[: len(rows)])
    assert all(interp.validate(chunk) is chunk for chunk in first)
    again = [chunk.activation.values for chunk in source]
    assert all(np.array_equal(a, b.activation.values) for a, b in zip(again, source, strict=True))


def test_a_stream_skips_micro_batches_without_a_match_and_rejects_iterators(tagger, ragged):
    chunks = list(
        interp.stream(
            tagger, interp.Batch(ragged.inputs, ragged.lengths, ragged.labels), where={"input": "x"}, batch_size=2
        )
    )
    assert [chunk.sizes["token"] for chunk in chunks] == [1]
    with pytest.raises(interp.CaptureError, match="re-iterable"):
        interp.stream(tagger, iter([ragged]))
