"""Models of many kinds: computed weights, compiled, dict inputs, outputs without a time axis."""

import numpy as np
import pytest
import torch
from helpers.nets import Tagger, capture, values
from torch import nn
from torch.nn.utils import parametrizations

import interp

pytestmark = pytest.mark.usefixtures("engine_mode")


@pytest.mark.parametrize("norm", ["weight_norm", "parametrized", "spectral"])
def test_computed_weights(norm):
    torch.manual_seed(0)
    rnn = nn.LSTM(3, 4, batch_first=True)
    if norm == "weight_norm":
        rnn = torch.nn.utils.weight_norm(rnn, "weight_hh_l0")
    elif norm == "parametrized":
        parametrizations.weight_norm(rnn, "weight_hh_l0")
    else:
        parametrizations.orthogonal(rnn, "weight_hh_l0")
    rnn.eval()
    x = torch.randn(2, 5, 3)
    np.testing.assert_allclose(values(capture(rnn, x), quantity="h"), rnn(x)[0].detach().reshape(10, 4), atol=1e-6)


def test_a_compiled_model_is_read_eagerly(tagger):
    compiled = torch.compile(tagger, backend="eager")
    x = torch.randn(2, 3, 5)
    acts = capture(compiled, x)
    assert np.array_equal(acts.activation, capture(tagger, x).activation)
    inner = Tagger().eval()
    inner.lstm = torch.compile(inner.lstm, backend="eager")
    assert acts.unit.values.tolist() == capture(inner, x).unit.values.tolist()


def test_dict_inputs_go_through_call(tagger):
    x = torch.randn(2, 3, 5)
    batch = interp.Batch({"x": x}, call=lambda model, batch: model(**batch.inputs))
    assert np.array_equal(capture(tagger, batch).activation, capture(tagger, x).activation)
    with pytest.raises(interp.CaptureError, match="needs call="):
        capture(tagger, interp.Batch({"x": x}))


def test_modules_without_a_time_axis_are_skipped_and_named():
    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.gru(x)[1][0])

    acts = capture(Classifier().eval(), torch.randn(2, 5, 3))
    assert set(acts["module"].values) == {"gru"}
    assert acts.attrs["skipped_modules"] == "head"
    with pytest.raises(interp.CaptureError, match="'head' has no time axis"):
        capture(Classifier().eval(), torch.randn(2, 5, 3), modules=["head"])
