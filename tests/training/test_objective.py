"""Training with penalties: effects on weights, zero weights, invalid penalties, and resuming after interruptions."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from helpers.repeating import Copying, Network
from torch import nn

import interp
from interp.errors import CaptureError, OptionError, PluginError, UnknownNameError, WeightsError
from interp.registry import active_registry

NAMES = {
    "l1": {},
    "dropout": {"rate": 0.3},
    "total-correlation": {},
    "vib": {},
    "information-dropout": {},
    "infogan": {"codes": 3},
    "label-code": {"codes": 3, "label": "letter"},
}


def fresh(*args):
    torch.manual_seed(3)
    return Network(*args)


def weights(model):
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def train(model, penalties=(), task=None, **options):
    return interp.train(model, task or Copying(), **{"seed": 1, "budget": 12, "progress": False, **options},
                        penalties=penalties)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("kind", "layers"), [("LSTM", 1), ("GRU", 2)])
def test_each_penalty_changes_the_weights_and_is_recorded(name, kind, layers):
    plain, changed, again = fresh(kind, layers), fresh(kind, layers), fresh(kind, layers)
    train(plain)
    history = train(changed, [(name, 0.5, NAMES[name])])
    train(again, [(name, 0.5, NAMES[name])])
    assert history.penalty.dims == ("batch", "term")
    assert history.penalty_name.values.tolist() == [name]
    assert np.isfinite(history.penalty).all()
    assert not torch.equal(weights(plain), weights(changed))
    assert torch.equal(weights(changed), weights(again))


@pytest.mark.parametrize("name", NAMES)
def test_a_penalty_of_weight_0_is_not_called_and_changes_no_bit(name, monkeypatch):
    kind = active_registry().get("penalty", name)
    for method in ("setup", "loss", "transform", "parameters"):
        monkeypatch.setattr(kind, method, lambda *_, **__: pytest.fail("it was called"))
    plain, with_it = fresh(), fresh()
    losses = train(plain)
    history = train(with_it, [(name, 0, NAMES[name])])
    assert torch.equal(weights(plain), weights(with_it))
    assert history.identical(losses)


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_run_resumes_with_identical_results(name, tmp_path):
    class Stops(Copying):
        calls = 0

        def loss(self, output, batch):
            self.calls += 1
            if self.calls == 10:
                raise KeyboardInterrupt
            return super().loss(output, batch)

    penalties = [("l1", 0.1), (name, 0.5, NAMES[name])]
    uninterrupted, stopped, resumed = fresh(), fresh(), fresh()
    expected = train(uninterrupted, penalties)
    path = tmp_path / "run.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        train(stopped, penalties, task=Stops(), checkpoint=path, every=4)
    history = train(resumed, penalties, checkpoint=path, every=4)
    assert torch.equal(weights(uninterrupted), weights(resumed))
    assert history.identical(expected)


KILLED = """
import os, signal, sys
sys.path[:0] = [{folder!r}, {common!r}]
import test_objective as t

class Dies(t.Copying):
    calls = 0
    def loss(self, output, batch):
        Dies.calls += 1
        if Dies.calls == {dies}:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(output, batch)

model = t.fresh()
t.train(model, [("infogan", 0.5, {{"codes": 3}}), ("vib", 0.01)], task=Dies(), checkpoint={path!r}, every=3)
t.interp.save_weights(model, {weights!r})
"""


def test_a_killed_run_resumes_with_identical_results(tmp_path, request):
    def run(dies, path, target):
        here, common = request.path.parent, request.path.parents[1]
        script = KILLED.format(folder=str(here), common=str(common), dies=dies, path=str(path), weights=str(target))
        return subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False).returncode

    path, target = tmp_path / "run.checkpoint", tmp_path / "w.safetensors"
    assert run(8, path, target) == -9
    assert path.is_file()
    assert run(-1, path, target) == 0
    whole = fresh()
    train(whole, [("infogan", 0.5, {"codes": 3}), ("vib", 0.01)])
    interp.save_weights(whole, tmp_path / "whole.safetensors")
    assert target.read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_a_checkpoint_with_other_penalties_is_rejected(tmp_path):
    path = tmp_path / "run.checkpoint"
    train(fresh(), [("l1", 0.1)], checkpoint=path)
    for other in ([], [("l1", 0.2)], [("l1", 0.1, {"units": {"module": "out"}})]):
        with pytest.raises(WeightsError, match="another run"):
            train(fresh(), other, checkpoint=path)


def test_after_is_called_at_every_checkpoint():
    snapshots = {}
    model = fresh()
    interp.train(model, Copying(), seed=1, budget=7, every=3, progress=False,
                 after=lambda batches, network: snapshots.update({batches: weights(network).clone()}))  # fmt: skip
    assert list(snapshots) == [3, 6, 7]
    assert torch.equal(snapshots[7], weights(model))
    assert not torch.equal(snapshots[3], snapshots[6])


class Bad(interp.Penalty):
    name = "bad"

    def __init__(self, value):
        self.value = value

    def options(self):
        return {}

    def loss(self, live, labels):
        return self.value if not callable(self.value) else self.value(live)


@pytest.mark.parametrize(
    ("penalties", "error", "text"),
    [
        ([("l2", 0.1)], UnknownNameError, "l1"),
        ([("l1", -0.1)], OptionError, r"weight of the penalty 'l1' must be a number of at least 0; got -0\.1"),
        ([("l1", float("nan"))], OptionError, "'l1' must be a number"),
        (["l1"], OptionError, r"\('total-correlation', 0\.1\)"),
        ([("l1", 0.1, {"unit": "x"})], OptionError, "Did you mean 'units'"),
        ([("l1", 0.1, {"units": ["rnn.0.forward.h.99"]})], UnknownNameError, r"rnn\.0\.forward\.h\.99"),
        ([("l1", 0.1, {"units": {"module": "hiddn"}})], CaptureError, "hiddn"),
        ([("vib", 0.1, {"units": ["out.out.1", "rnn.0.forward.h.1"]})], OptionError, "in one place"),
        ([("infogan", 0.1)], OptionError, "codes=16, and units= are 12"),
        ([("label-code", 0.1, {"codes": 2})], interp.SchemaError, "'output'.*letter"),
        ([("dropout", 1, {"rate": 1})], OptionError, "below 1"),
        ([("vib", 1, {"scale": 0})], OptionError, "above 0"),
        ([(Bad(lambda live: live.values), 1)], PluginError, r"Penalty 'bad'.*scalar.*\(96, 12\)"),
        ([(Bad(3.0), 1)], PluginError, r"Penalty 'bad'.*scalar tensor; got 3\.0"),
        ([(Bad(lambda live: live.values.sum() / 0), 1)], PluginError, r"Penalty 'bad' returned .*inf|nan"),
        ([(object(), 1)], OptionError, "penalties= got"),
    ],
)
def test_invalid_penalties_are_rejected(penalties, error, text):
    model = fresh()
    before = weights(model).clone()
    with pytest.raises(error, match=text):
        train(model, penalties)
    assert torch.equal(before, weights(model))


def test_parameters_of_penalties_have_their_own_gradient_norm():
    class Steep(interp.Penalty):
        name = "steep"

        def setup(self, live, labels):
            self.free = nn.Parameter(torch.zeros(()))

        def parameters(self):
            return [self.free]

        def loss(self, live, labels):
            return 1e6 * self.free

    plain, steep = fresh(), fresh()
    train(plain)
    penalty = Steep()
    train(steep, [(penalty, 1.0)])
    assert torch.equal(weights(plain), weights(steep))
    assert penalty.free < 0
