"""The captured matrix: its rows, columns, labels and attributes."""

import json
from typing import ClassVar

import numpy as np
import pytest
import torch
import xarray as xr
from helpers.nets import GATES, Tagger, capture, values
from torch import nn

import interp

pytestmark = pytest.mark.usefixtures("engine_mode")


def test_units_are_ordered_by_call_layer_direction_quantity_index():
    acts = capture(Tagger(2).eval(), torch.randn(2, 3, 5))
    blocks = list(
        dict.fromkeys(
            zip(*(acts[n].values.tolist() for n in ("module", "layer", "direction", "quantity")), strict=True)
        )
    )
    sides = [("lstm", layer, side, q) for layer in (0, 1) for side in ("forward", "backward") for q in GATES]
    assert blocks == [*sides, ("hidden", 0, "", "out"), ("output", 0, "", "out")]
    assert acts.unit.values[[0, 4, -1]].tolist() == ["lstm.0.forward.h.0", "lstm.0.forward.c.0", "output.out.2"]
    assert acts.symbol.values[-3:].tolist() == ["a", "b", "ու"]


def test_rows_are_tokens_in_order_without_padding(tagger, ragged):
    acts = capture(tagger, ragged)
    lengths = ragged.lengths
    assert acts["sample"].values.tolist() == np.repeat(range(5), lengths).tolist()
    assert acts["step"].values.tolist() == [t for n in lengths for t in range(n)]
    assert acts["source"].values.tolist() == np.repeat([7, 8, 7, 9, 9], lengths).tolist()
    assert "".join(acts["input"].values) == "abcabcdefgxgfedcbahello"
    assert [label.upper() for label in acts["input"].values] == acts["output"].values.tolist()
    with torch.no_grad():
        out = tagger(*ragged.inputs)
    rows = np.concatenate([out[s, :n] for s, n in enumerate(lengths)])
    np.testing.assert_allclose(values(acts, module="output"), rows, atol=1e-6)
    assert acts["predicted"].values.tolist() == [("a", "b", "c")[k] for k in rows.argmax(1)]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_splitting_a_batch_changes_nothing(tagger, ragged, batch_size):
    whole, split = capture(tagger, ragged), capture(tagger, ragged, batch_size=batch_size)
    np.testing.assert_allclose(split.activation, whole.activation, atol=1e-6)
    for name, coord in whole.coords.items():
        assert (split[name].values == coord.values).all(), name


def test_samples_are_numbered_across_batches_and_sources_default_to_them(tagger):
    acts = capture(tagger, [torch.randn(2, 3, 5), torch.randn(1, 4, 5)])
    assert acts["sample"].values.tolist() == [0] * 3 + [1] * 3 + [2] * 4
    assert (acts["source"].values == acts["sample"].values).all()


def test_a_backward_row_is_at_its_original_step():
    torch.manual_seed(0)
    rnn = nn.RNN(1, 1, bidirectional=True, batch_first=True).eval()
    x = torch.zeros(1, 4, 1)
    x[0, 3] = 5
    change = [capture(rnn, [v])["activation"].values[:, 1] for v in (x, torch.zeros(1, 4, 1))]
    assert abs(change[0][3] - change[1][3]) > abs(change[0][0] - change[1][0]) > 0


def test_three_layers_packed_unsorted_keep_the_callers_order(ragged):
    torch.manual_seed(2)
    model = Tagger(3).eval()
    acts = capture(model, ragged)
    for sample, length in enumerate(ragged.lengths):
        alone = capture(model, ragged.inputs[0][sample : sample + 1, :length])
        np.testing.assert_allclose(values(acts, sample=sample), alone.activation, atol=1e-6)
    assert "".join(interp.select(acts, sample=4)["input"].values) == "hello"


def test_attrs_describe_model_and_batches(tagger, ragged):
    class Batches(list):
        attrs: ClassVar = {"task": "toy", "seed": 3, "odd": object()}

    acts = capture(tagger, Batches([ragged]))
    assert (acts.attrs["model"], acts.attrs["task"], acts.attrs["seed"]) == ("Tagger", "toy", 3)
    assert len(acts.attrs["model_sha256"]) == 64
    assert acts.attrs["verification_rows"] > 0
    assert acts.attrs["verification_max_error"] < 1e-6
    tagger.name = "mine"
    before = acts.attrs["model_sha256"]
    with torch.no_grad():
        tagger.hidden.bias[0] += 1
    acts = capture(tagger, ragged)
    assert acts.attrs["model"] == "mine"
    assert acts.attrs["model_sha256"] != before


def test_the_next_module_reads_the_captured_values_bit_for_bit(tagger):
    inputs = []
    tagger.hidden.register_forward_pre_hook(lambda module, args: inputs.append(args[0].reshape(-1, 8).numpy()))
    acts = capture(tagger, torch.randn(4, 6, 5), dtype="float32")
    assert np.array_equal(values(acts, module="lstm", quantity="h"), inputs[-1])


def test_the_connectivity_is_in_the_attrs(tagger, ragged):
    segments = json.loads(capture(tagger, ragged).attrs["connectivity"])
    assert [(part["module"], part["lower"]) for part in segments] == [
        ("hidden", "lstm.0.forward.h"), ("hidden", "lstm.0.backward.h"),
        ("output", "hidden.out"), ("output", "input of lstm"),
    ]  # fmt: skip


def test_a_capture_follows_the_schema(tagger, ragged):
    acts = capture(tagger, ragged, dtype="float32")
    assert isinstance(acts, xr.Dataset)
    assert acts.activation.dtype == np.float32
    assert interp.validate(acts) is acts
