"""Batches, labels and micro-batches, without a recurrent module."""

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import interp
from interp.activations.batching import can_split, iter_batches, join_outputs, narrow_samples, split_batch
from interp.labels import TokenLabels, flatten_label, join_labels

LENGTHS = np.array([2, 3])


@pytest.mark.parametrize(
    ("values", "flat"),
    [
        (["ab", "cde"], list("abcde")),
        ([["a", "b"], ["c", "d", "ու"]], ["a", "b", "c", "d", "ու"]),
        (list("abcde"), list("abcde")),
        ("abcde", list("abcde")),
        ([7, 8], [7, 7, 8, 8, 8]),
        ([0.5, 1.5, 2.5, 3.5, 4.5], [0.5, 1.5, 2.5, 3.5, 4.5]),
        (np.arange(5), list(range(5))),
        (torch.tensor([7, 8]), [7, 7, 8, 8, 8]),
        ([torch.tensor([1, 2]), torch.tensor([3, 4, 5])], [1, 2, 3, 4, 5]),
        (np.array(["a", "b", "c", "d", "e"], dtype=object), list("abcde")),
    ],
)
def test_labels_become_one_value_per_token(values, flat):
    result = flatten_label("x", values, LENGTHS)
    assert result.tolist() == flat
    assert result.dtype != object


def test_words_as_labels_of_samples_of_one_token():
    assert flatten_label("word", ["ab", "cde"], np.array([1, 1])).tolist() == ["ab", "cde"]


@pytest.mark.parametrize("values", [list("abcd"), ["ab", "cd"], ["a"], [[1, 2], [3]], []])
def test_labels_that_do_not_fit_are_rejected(values):
    with pytest.raises(interp.CaptureError, match="Label 'x'"):
        flatten_label("x", values, LENGTHS)


def test_labels_without_lengths_are_split_into_equal_samples():
    labels = TokenLabels({"x": "abcdef"}, 3, None)
    assert labels.for_samples(np.array([2]), 1, 2)["x"].tolist() == ["c", "d"]


def test_a_label_of_some_batches_only_is_rejected():
    with pytest.raises(interp.CaptureError, match="Some batches have the label 'b'"):
        join_labels([{"a": np.zeros(1)}, {"a": np.zeros(1), "b": np.zeros(1)}])


def test_longer_strings_of_a_later_batch_are_kept():
    assert join_labels([{"x": np.array(["a"])}, {"x": np.array(["ու"])}])["x"].tolist() == ["a", "ու"]


def test_a_batch_is_split_with_its_states_and_lengths():
    x, h, lengths = torch.randn(5, 4, 3), torch.randn(2, 5, 7), torch.tensor([4, 3, 4, 1, 2])
    batch = interp.Batch((x, (h, h), lengths, "option"), lengths)
    micro_batches = list(split_batch(batch, 2, 0))
    assert [(piece.start, piece.stop) for piece in micro_batches] == [(0, 2), (2, 4), (4, 5)]
    inputs = micro_batches[1].inputs
    assert torch.equal(inputs[0], x[2:4])
    assert torch.equal(inputs[1][0], h[:, 2:4])
    assert torch.equal(inputs[2], lengths[2:4])
    assert inputs[3] == "option"
    assert micro_batches[1].lengths.tolist() == [4, 1]


def test_a_batch_with_an_ambiguous_sample_dim_is_not_split():
    square = torch.randn(4, 4, 3)
    assert can_split((square,), 4, 0)
    assert not can_split((square, torch.randn(4, 4, 2)), 4, 0)
    assert len(list(split_batch(interp.Batch((square, torch.randn(4, 4, 2)), [4] * 4), 2, 0))) == 1
    assert narrow_samples((square,), 1, 3, 4, 1)[0].shape == (4, 2, 3)


def test_packed_sequences_are_split_in_the_callers_order():
    parts = [torch.full((n, 1), float(n)) for n in (2, 4, 1, 3)]
    piece = list(split_batch(interp.Batch(pack_sequence(parts, enforce_sorted=False)), 2, None))[1]
    assert isinstance(piece.inputs, PackedSequence)
    assert piece.lengths.tolist() == [1, 3]


def test_a_batch_with_call_is_not_split():
    batch = interp.Batch({"x": torch.randn(9, 2, 1)}, [2] * 9, call=lambda model, batch: None)
    assert len(list(split_batch(batch, 2, 0))) == 1


def test_outputs_are_joined_with_their_padding():
    a, b = torch.ones(2, 3, 1), torch.ones(1, 2, 1)
    joined = join_outputs([a, b], [2, 1])
    assert joined.shape == (3, 3, 1)
    assert joined.sum() == 8
    both = join_outputs([(a, {"k": a}), (b, {"k": b})], [2, 1])
    assert torch.equal(both[1]["k"], joined)
    assert join_outputs([a.transpose(0, 1), b.transpose(0, 1)], [2, 1]).shape == (3, 3, 1)
    with pytest.raises(interp.CaptureError, match="can't be joined"):
        join_outputs(["a", "b"], [2, 1])


def test_a_batch_a_tensor_and_an_iterable_are_equivalent():
    x = torch.randn(2, 3, 1)
    for batches in (x, interp.Batch(x), [x], iter([interp.Batch(x)])):
        (batch,) = iter_batches(batches)
        assert batch.inputs is x
