"""Errors of `capture`: bad batches, models and options are rejected with a message that says what to type."""

import math

import pytest
import torch
from helpers.nets import capture
from torch import nn

import interp

pytestmark = pytest.mark.usefixtures("engine_mode")


class EncoderDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.LSTM(3, 4, batch_first=True), nn.LSTMCell(3, 4)

    def forward(self, x):
        state = tuple(part[0] for part in self.encoder(x)[1])
        for _ in range(3):
            state = self.decoder(x[:, 0], state)
        return state[0]


def test_different_time_axes_are_listed_with_what_to_type():
    model, x = EncoderDecoder().eval(), torch.randn(2, 5, 3)
    with pytest.raises(
        interp.CaptureError, match=r"(?s)3 steps: modules=\['decoder'\].*5 steps: modules=\['encoder'\]"
    ):
        capture(model, x)
    assert capture(model, x, modules=["decoder"]).sizes["token"] == 6
    assert capture(model, x, modules=["encoder"]).sizes["token"] == 10


def bad_batches():
    x = torch.randn(2, 4, 5)
    return {
        "empty tensor": (torch.zeros(0, 4, 5), "without samples"),
        "no steps": (torch.zeros(2, 0, 5), "without samples"),
        "no batches": ([], "batches= is empty"),
        "zero length": (interp.Batch(x, [4, 0]), "Sample 1 .* has length 0"),
        "wrong width": (torch.randn(2, 4, 6), "fails on these inputs.*5.*6"),
        "labels too long": (
            interp.Batch(x, labels={"input": ["abcd", "abcde"]}),
            "sample 1 .* has 5 values; the sample has 4",
        ),
        "flat labels too short": (interp.Batch(x, labels={"input": "abcdefg"}), "'input' has 7 values; expected 8"),
        "reserved label": (interp.Batch(x, labels={"step": [1] * 8}), "'step' is reserved"),
        "too few lengths": (interp.Batch(x, [4, 4, 4]), "2 samples"),
        "too long lengths": (interp.Batch(x, [4, 9]), "9 tokens"),
        "not a batch": ([("x", "y")], "Wrap what your loader yields"),
        "not batches": (3, "got int"),
        "bad predictions": (interp.Batch(x, decode=lambda output: [1]), "'predicted' has 1 values"),
    }


@pytest.mark.parametrize("name", bad_batches())
def test_bad_batches_are_clear_errors(tagger, name):
    batches, message = bad_batches()[name]
    with pytest.raises(interp.CaptureError, match=message):
        capture(tagger, batches)


def test_models_that_can_not_be_read_are_rejected(tagger):
    with pytest.raises(interp.CaptureError, match=r"model\.eval\(\)"):
        capture(nn.Sequential(nn.LSTM(3, 4, 2, dropout=0.5)), torch.randn(5, 2, 3))
    with pytest.raises(interp.CaptureError, match=r"'1'.*model\.eval\(\)"):
        capture(nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5)), torch.randn(5, 2, 3))
    with torch.no_grad():
        tagger.lstm.weight_hh_l0[0, 0] = math.nan
    with pytest.raises(interp.CaptureError, match=r"'lstm\.weight_hh_l0' have NaN"):
        capture(tagger, torch.randn(2, 4, 5))
    with pytest.raises(interp.CaptureError, match="got str"):
        capture("armenian-bilstm", torch.randn(2, 4, 5))
    with pytest.raises(interp.CaptureError, match="Nothing to read"):
        capture(nn.Sequential(nn.ReLU()), torch.randn(2, 4, 5))


def test_invalid_options_are_rejected(tagger):
    for options in ({"batch_size": 0}, {"dtype": "int8"}, {"verify": "some"}):
        with pytest.raises(interp.OptionError, match=next(iter(options))):
            capture(tagger, torch.randn(2, 4, 5), **options)


def test_verification_detects_a_module_with_another_formula(tagger):
    tagger.lstm.register_forward_pre_hook(lambda module, args: None)
    own = tagger.lstm.forward
    tagger.lstm.forward = lambda x, hx=None: (own(x, hx)[0] * 1.01, own(x, hx)[1])
    with pytest.raises(interp.CaptureError, match="from 'lstm' differ from those that the module itself computes"):
        capture(tagger, torch.randn(2, 4, 5))


def test_check_all_compares_every_row(tagger):
    x = torch.randn(40, 4, 5)
    assert capture(tagger, x, verify="all").attrs["verification_rows"] == 160
    assert capture(tagger, x).attrs["verification_rows"] < 160
