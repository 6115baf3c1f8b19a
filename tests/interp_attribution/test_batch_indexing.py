"""Selection of samples from nested inputs, labels per sample, and the layout of looked-up codes."""

import numpy as np
import pytest
import torch

import interp
from interp.adapters import first_tensor
from interp_attribution.batch_indexing import (
    BatchSamples,
    as_batch_list,
    labels_by_sample,
    lookup_layout,
    pack_samples,
    unpack_samples,
)

LENGTHS = torch.tensor([4, 2, 2])
CODES = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0], [7, 8, 0, 0]])


def test_samples_are_selected_from_nested_inputs():
    x, index = torch.arange(24.0).reshape(3, 4, 2), torch.tensor([2, 0, 2])
    packed = pack_samples(x, LENGTHS, enforce_sorted=False)
    inputs = {"x": x, "others": [torch.arange(3), [4, 2, 2], torch.ones(5), packed, "text"]}
    assert first_tensor(inputs) is x
    selected = BatchSamples(inputs, x, 3, 0).select(index, "replaced")
    assert selected["x"] == "replaced"
    column, lengths, constant, repacked, text = selected["others"]
    assert column.tolist() == [2, 0, 2]
    assert lengths == [2, 4, 2]
    assert constant.tolist() == [1] * 5
    assert text == "text"
    samples, counts = unpack_samples(repacked)
    assert counts.tolist() == [2, 4, 2]
    assert torch.equal(samples[1], x[0])


def test_an_input_with_two_possible_sample_dims_raises_an_error():
    x = torch.ones(3, 4, 2)
    with pytest.raises(interp.OptionError, match="different number of samples"):
        BatchSamples((x, torch.ones(3, 3)), x, 3, 0).select(torch.tensor([0]), x)


def test_two_packed_sequences_must_store_their_order():
    with pytest.raises(interp.OptionError, match="enforce_sorted=False"):
        pack_samples(torch.ones(2, 3, 1), torch.tensor([1, 3]))


@pytest.mark.parametrize(
    ("data", "layout"),
    [
        (CODES, ("batch", 4)),
        (CODES.t(), ("time", 4)),
        (pack_samples(CODES, LENGTHS).data, ("packed", True)),
        (CODES[:, 1], ("step", 1)),
        (CODES + 1, None),
    ],
)
def test_layout_of_codes(data, layout):
    assert lookup_layout(data, CODES, LENGTHS, step=1) == layout


def test_labels_by_sample_take_flat_nested_and_single_values():
    lengths = np.array([2, 1])
    assert labels_by_sample(["a", "b", "c"], lengths) == [["a", "b"], ["c"]]
    assert labels_by_sample(["ab", "c"], lengths) == [["a", "b"], ["c"]]
    assert labels_by_sample([7, 8], lengths) == [[7, 7], [8]]


def test_batches_of_other_types_raise_an_error():
    assert len(as_batch_list(torch.ones(2, 3, 1))) == 1
    with pytest.raises(interp.OptionError, match="got str"):
        as_batch_list(["x"])
