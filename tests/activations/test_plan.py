"""Selection in a capture: tokens by label, quantities, units and modules by name."""

import numpy as np
import pytest
import torch
from helpers.nets import GATES, capture, values

import interp

pytestmark = pytest.mark.usefixtures("engine_mode")


def test_where_keeps_matching_tokens_and_their_values(tagger, ragged):
    whole = capture(tagger, ragged)
    part = capture(tagger, ragged, where={"input": ["a", "l"]})
    assert set(part["input"].values) == {"a", "l"}
    assert np.array_equal(part.activation, interp.select(whole, input=["a", "l"]).activation)
    assert part["predicted"].values.tolist() == interp.select(whole, input=["a", "l"])["predicted"].values.tolist()


def test_where_takes_a_function_of_all_labels(tagger, ragged):
    acts = capture(tagger, ragged, where=lambda labels: (labels["step"] == 0) & (labels["sample"] != 2))
    assert acts["input"].values.tolist() == list("aagh")


def test_where_without_a_match_or_with_an_unknown_label(tagger, ragged):
    with pytest.raises(interp.CaptureError, match="matches none of the 23 tokens"):
        capture(tagger, ragged, where={"input": "!"})
    with pytest.raises(interp.UnknownNameError, match=r"'inputs'.*Did you mean 'input'"):
        capture(tagger, ragged, where={"inputs": "a"})


def test_a_list_of_quantities_is_exact_and_keeps_out(tagger):
    acts = capture(tagger, torch.randn(2, 3, 5), quantities=["c_prev", "f"])
    assert list(dict.fromkeys(acts["quantity"].values)) == ["f", "c_prev", "out"]
    with pytest.raises(interp.UnknownNameError, match="No quantity named 'z'"):
        capture(tagger, torch.randn(2, 3, 5), quantities=["z"])


def test_c_prev_is_the_cell_one_step_earlier(tagger):
    acts = capture(tagger, torch.randn(1, 4, 5), quantities=["c", "c_prev"])
    forward = interp.select(acts, direction="forward")
    assert np.array_equal(values(forward, quantity="c")[:-1], values(forward, quantity="c_prev")[1:])
    assert not values(forward, quantity="c_prev")[0].any()


@pytest.mark.parametrize(
    "names", [["lstm.0.backward.g.2", "output.out.0", "lstm.0.forward.h.1"], ["lstm.0.forward.c_prev.3"]]
)
def test_units_by_name(tagger, ragged, names):
    acts = capture(tagger, ragged, units=names)
    whole = capture(tagger, ragged, quantities=[*GATES, "c_prev"])
    assert set(acts.unit.values) == set(names)
    assert np.array_equal(acts.activation, whole.activation.sel(unit=acts.unit.values))


def test_units_by_labels_and_by_dataset(tagger, ragged):
    by_label = capture(tagger, ragged, units={"quantity": "i", "index": [0, 2]})
    assert by_label.unit.values.tolist() == [f"lstm.0.{side}.i.{k}" for side in ("forward", "backward") for k in (0, 2)]
    assert np.array_equal(capture(tagger, ragged, units=by_label).activation, by_label.activation)
    with pytest.raises(interp.UnknownNameError, match=r"Did you mean .*'lstm\.0\.forward\.h\.1'"):
        capture(tagger, ragged, units=["lstm.0.forward.h.l"])


def test_modules_by_name(tagger, ragged):
    assert set(capture(tagger, ragged, modules=["hidden"])["module"].values) == {"hidden"}
    with pytest.raises(interp.UnknownNameError, match=r"No module named 'hiddn'\. Did you mean 'hidden'"):
        capture(tagger, ragged, modules=["hiddn"])


def test_micro_batches_without_a_matching_token_are_not_run(tagger, ragged):
    plain = interp.Batch(ragged.inputs, ragged.lengths, ragged.labels)
    calls = []
    tagger.register_forward_hook(lambda *_: calls.append(1))
    acts = capture(tagger, plain, where={"input": "x"}, batch_size=1)
    assert len(calls) == 2  # the trial forward, and the sample with an x
    assert acts["sample"].values.tolist() == [2]
