"""Training with penalties: what they add, what they must not change, and going on after a stop."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from repeating import Copying, Network
from torch import nn

import interp
from interp.errors import CaptureError, OptionError, PluginError, UnknownNameError, WeightsError

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
def test_each_changes_the_weights_and_tells_what_it_was(name, kind, layers):
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
def test_at_weight_0_training_is_the_same_to_the_bit_and_nothing_is_called(name, monkeypatch):
    kind = interp.find("penalty", name)
    for method in ("prepare", "loss", "edit", "parameters"):
        monkeypatch.setattr(kind, method, lambda *_, **__: pytest.fail("it was called"))
    plain, with_it = fresh(), fresh()
    losses = train(plain)
    history = train(with_it, [(name, 0, NAMES[name])])
    assert torch.equal(weights(plain), weights(with_it))
    assert history.identical(losses)


@pytest.mark.parametrize("name", NAMES)
def test_stopped_anywhere_it_goes_on_to_the_same_bytes(name, tmp_path):
    class Stops(Copying):
        calls = 0

        def loss(self, output, batch):
            self.calls += 1
            if self.calls == 10:
                raise KeyboardInterrupt
            return super().loss(output, batch)

    asked = [("l1", 0.1), (name, 0.5, NAMES[name])]
    whole, stopped, again = fresh(), fresh(), fresh()
    wanted = train(whole, asked)
    path = tmp_path / "run.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        train(stopped, asked, task=Stops(), checkpoint=path, every=4)
    history = train(again, asked, checkpoint=path, every=4)
    assert torch.equal(weights(whole), weights(again))
    assert history.identical(wanted)


KILLED = """
import os, signal, sys
sys.path[:0] = [{folder!r}, {common!r}]
import test_penalised as t

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


def test_after_a_kill_it_goes_on_to_the_same_bytes(tmp_path, request):
    def run(dies, path, target):
        here, common = request.path.parent, request.path.parents[1] / "common"
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


def test_a_checkpoint_with_other_penalties_is_refused(tmp_path):
    path = tmp_path / "run.checkpoint"
    train(fresh(), [("l1", 0.1)], checkpoint=path)
    for other in ([], [("l1", 0.2)], [("l1", 0.1, {"units": {"module": "out"}})]):
        with pytest.raises(WeightsError, match="another run"):
            train(fresh(), other, checkpoint=path)


def test_the_caller_gets_a_snapshot_at_every_checkpoint():
    seen = {}
    model = fresh()
    interp.train(model, Copying(), seed=1, budget=7, every=3, progress=False,
                 after=lambda batches, network: seen.update({batches: weights(network).clone()}))  # fmt: skip
    assert list(seen) == [3, 6, 7]
    assert torch.equal(seen[7], weights(model))
    assert not torch.equal(seen[3], seen[6])


class Bad(interp.Penalty):
    name = "bad"

    def __init__(self, value):
        self.value = value

    def options(self):
        return {}

    def loss(self, live, labels):
        return self.value if not callable(self.value) else self.value(live)


@pytest.mark.parametrize(
    ("asked", "error", "text"),
    [
        ([("l2", 0.1)], UnknownNameError, "l1"),
        ([("l1", -0.1)], OptionError, r"weight of the penalty 'l1' must be a number from 0 on; got -0\.1"),
        ([("l1", float("nan"))], OptionError, "'l1' must be a number"),
        (["l1"], OptionError, r"\('total-correlation', 0\.1\)"),
        ([("l1", 0.1, {"unit": "x"})], OptionError, "Did you mean 'units'"),
        ([("l1", 0.1, {"units": ["rnn.0.forward.h.99"]})], UnknownNameError, r"rnn\.0\.forward\.h\.99"),
        ([("l1", 0.1, {"units": {"module": "hiden"}})], CaptureError, "hiden"),
        ([("vib", 0.1, {"units": ["out.out.1", "rnn.0.forward.h.1"]})], OptionError, "in one place"),
        ([("infogan", 0.1)], OptionError, "codes=16, and units= are 12"),
        ([("label-code", 0.1, {"codes": 2})], interp.SchemaError, "'output'.*letter"),
        ([("dropout", 1, {"rate": 1})], OptionError, "below 1"),
        ([("vib", 1, {"scale": 0})], OptionError, "above 0"),
        ([(Bad(lambda live: live.values), 1)], PluginError, r"Penalty 'bad'.*scalar.*\(96, 12\)"),
        ([(Bad(3.0), 1)], PluginError, r"Penalty 'bad'.*scalar tensor; got 3\.0"),
        ([(Bad(lambda live: live.values.sum() / 0), 1)], PluginError, r"Penalty 'bad' gave .*inf|nan"),
        ([(object(), 1)], OptionError, "penalties= got"),
    ],
)
def test_what_can_not_be_is_said_by_name(asked, error, text):
    model = fresh()
    before = weights(model).clone()
    with pytest.raises(error, match=text):
        train(model, asked)
    assert torch.equal(before, weights(model))


def test_what_is_trained_along_has_a_gradient_norm_of_its_own():
    class Steep(interp.Penalty):
        name = "steep"

        def prepare(self, live, labels):
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
