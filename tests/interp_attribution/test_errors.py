"""What is said of options, units, tokens and models that don't fit."""

import pytest
import torch
from edited import batch, net
from torch import nn

import interp


def told(probe="attribution", model=None, samples=None, change=None, **options):
    model, samples = model or net(), batch() if samples is None else samples
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    acts = acts if change is None else change(acts)
    options = {"target": 1, "baseline": "zero", "batches": samples, **options}
    return interp.measure(probe, acts, model=model, **options)


ALONE = interp.Batch(batch().inputs, batch().lengths, {"source": [1, 1, 1, 1]})


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"method": "IntegratedGradient"}, interp.UnknownNameError, "Did you mean 'IntegratedGradients'"),
        ({"method": "LayerConductance"}, interp.UnknownNameError, "no method 'LayerConductance' for inputs"),
        ({"options": {"nsteps": 3}}, interp.OptionError, "no option 'nsteps'. Options: .*n_steps"),
        ({"method": "LRP"}, interp.OptionError, "Captum's LRP can't explain this model"),
        ({"batches": None}, interp.OptionError, "model=, batches="),
        ({"batches": [3]}, interp.OptionError, "got int"),
        ({"baseline": "noise"}, interp.OptionError, "sentences, zero, space"),
        ({"baseline": "space"}, interp.OptionError, "a space"),
        ({"baseline": "sentences", "batches": ALONE}, interp.OptionError, "No sentence of another source"),
        ({"sentences": 0}, interp.OptionError, "at least 1"),
        ({"target": 5}, interp.OptionError, "output 5; the model has 5, from 0"),
        ({"target": -1}, interp.OptionError, "from 0"),
        ({"target": "input"}, interp.OptionError, "model.symbols"),
        ({"against": "abc"}, interp.OptionError, "two outputs at least"),
        ({"output": lambda out: out[0]}, interp.OptionError, r"has shape \(6, 5\) for \d+ samples"),
        ({"embedding": "rnn"}, None, ""),
        ({"method": "GradientShap", "sensitivity": 2}, interp.OptionError, "draws anew"),
    ],
)
def test_options_that_do_not_fit(options, kind, text):
    if kind is None:
        assert "attribution" in told(**options)
        return
    with pytest.raises(kind, match=text):
        told(**options)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"units": ["rnn.0.forward.q.1"]}, interp.UnknownNameError, "No unit named 'rnn.0.forward.q.1'"),
        ({"units": {"module": "lstm"}}, interp.CaptureError, "matches none of the"),
        ({"units": "rnn.0.forward.h.99"}, interp.UnknownNameError, "rnn.0.forward.h.99"),
        ({"offset": 6}, interp.OptionError, "no token has such a step; their steps are 0 to 5"),
        ({"offset": [0, 0]}, interp.OptionError, "several different ones"),
        ({"offset": 0.5}, interp.OptionError, "number of steps"),
        ({"n_steps": 1}, interp.OptionError, "at least 2"),
        ({"seen_by": "all"}, interp.OptionError, "seen_by="),
    ],
)
def test_units_and_steps_that_are_not_there(options, kind, text):
    with pytest.raises(kind, match=text):
        told("unit-attribution", **options)


def test_tokens_of_other_batches():
    with pytest.raises(interp.OptionError, match="batches= has 4 samples"):
        told(change=lambda acts: acts.assign_coords(sample=acts["sample"] + 1))
    with pytest.raises(interp.OptionError, match="step 7 of a sample that has 3 steps"):
        told(change=lambda acts: acts.assign_coords(step=acts["step"] + 7))
    with pytest.raises(interp.OptionError, match="no token to explain"):
        told(change=lambda acts: acts.isel(token=slice(0)))
    with pytest.raises(interp.OptionError, match="5 lengths"):
        told(batches=interp.Batch(torch.zeros(4, 6, 3), [1, 2, 3, 4, 5]))
    with pytest.raises(interp.OptionError, match=r"shape \(4, 6, 3, 2\)"):
        told(batches=torch.zeros(4, 6, 3, 2))


class Own(nn.Module):
    """A recurrent layer that no adapter reads."""

    def __init__(self):
        super().__init__()
        self.inner, self.hidden_size = nn.Linear(7, 4), 4

    def forward(self, x, state=None):
        h, outs = x.new_zeros(len(x), 4), []
        for step in range(x.shape[1]):
            h = self.inner(torch.cat([x[:, step], h], -1)).tanh()
            outs.append(h)
        return torch.stack(outs, 1), h


class OwnRNN(Own):
    pass


class Unread(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.dense = OwnRNN(), nn.Linear(4, 5)

    def forward(self, x):
        return self.dense(self.rnn(x)[0])


def test_a_module_that_cannot_be_read():
    model, samples = Unread().double().eval(), batch(packed=False)
    acts = interp.capture(model, samples, modules=["dense"], progress=False, dtype="float64")
    options = {"model": model, "batches": samples, "target": 1, "baseline": "zero"}
    with pytest.raises(interp.CaptureError, match=r"gates of 'rnn' can't be edited"):
        interp.measure("unit-attribution", acts, units=["rnn.0.forward.h.1"], **options)
    assert abs(interp.measure("attribution", acts, **options).delta).max() < 1e-8  # its inputs can


def test_letters_without_rows():
    class Blind(nn.Module):
        def __init__(self, several):
            super().__init__()
            self.one, self.lstm = nn.Embedding(5, 3), nn.LSTM(3, 4, batch_first=True)
            self.two = nn.Embedding(5, 3) if several else None

        def forward(self, x):
            return self.lstm(self.one(x.clamp(max=2)))[0]

    codes = torch.tensor([[0, 1, 4], [3, 2, 0]])
    for several, options, text in [
        (False, {}, "does not depend on its letters"),
        (True, {}, "several embeddings: one, two"),
        (True, {"embedding": "three"}, "no module 'three'"),
        (True, {"embedding": "two"}, "does not depend on its letters"),
    ]:
        with pytest.raises(interp.InterpError, match=text):
            told(model=Blind(several).eval(), samples=codes, **options)
