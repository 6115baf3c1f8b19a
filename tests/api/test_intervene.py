"""Restoration of the model after the block, also after an error, and messages for invalid edits."""

import numpy as np
import pytest
import torch
from helpers.edited import batch, net, run
from torch import nn

import interp

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called")


def snapshot(model):
    """Return all state that an intervention must not change."""
    modules = {
        name: (module.training, [dict(getattr(module, kind)) for kind in HOOKS], sorted(module.__dict__))
        for name, module in model.named_modules()
    }
    state = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = {name: (value.requires_grad, value.grad) for name, value in model.named_parameters()}
    return modules, gradients, torch.is_grad_enabled(), state, torch.get_rng_state()


def same(a, b):
    torch.testing.assert_close(a[3:], b[3:], rtol=0, atol=0)
    return a[:3] == b[:3]


EDITS = [interp.Clamp("rnn.0.forward.h.1", 0.3), interp.Ablate("dense.out.2", "zero", at=[0])]


def test_the_model_is_restored():
    model, samples = net(), batch()
    output, before = model(*samples.inputs), snapshot(model)
    with interp.intervene(model, EDITS) as inside:
        assert inside is model
        assert not torch.equal(model(*samples.inputs), output)
    run(model, samples, EDITS)
    assert same(before, snapshot(model))
    assert torch.equal(model(*samples.inputs), output)


def fail_inside(model, samples):
    with interp.intervene(model, EDITS):
        model(*samples.inputs)
        raise ZeroDivisionError


def test_the_model_is_restored_after_an_error_inside():
    model, samples = net(), batch()
    output, before = model(*samples.inputs), snapshot(model)
    with pytest.raises(ZeroDivisionError):
        fail_inside(model, samples)
    with pytest.raises(interp.CaptureError), interp.intervene(model, EDITS):
        model(samples.inputs[0][..., :2])
    with pytest.raises(interp.UnknownNameError):
        run(model, samples, [*EDITS, interp.Clamp("dense.out.4", 0.1, at={"letter": "a"})])
    assert same(before, snapshot(model))
    assert torch.equal(model(*samples.inputs), output)
    with interp.intervene(model, EDITS):  # an error in one forward does not reach the next
        with pytest.raises(interp.CaptureError):
            model(samples.inputs[0][..., :2])
        out = model(*samples.inputs)
    with interp.intervene(model, EDITS):
        assert torch.equal(out, model(*samples.inputs))


def test_a_model_in_train_mode_may_be_edited():
    model, x = net().train(), batch(False).inputs
    model.rnn.dropout = 0.5
    with interp.intervene(model, EDITS):
        model(x).sum().backward()
    assert model.training
    assert model.rnn.weight_hh_l0.grad.any()


def test_blocks_do_not_nest():
    model = net()
    with (
        interp.intervene(model, []),
        pytest.raises(interp.CaptureError, match=r"'rnn' is already edited.*one list"),
        interp.intervene(model, EDITS),
    ):
        pass


class Custom(nn.Module):
    """A model with a recurrent module that has no adapter."""

    def __init__(self):
        super().__init__()
        self.my = MyLSTM()
        self.read = nn.Linear(3, 3)

    def forward(self, x):
        return self.read(self.my(x))


class First(nn.Module):
    def forward(self, pair):
        return pair[0]


class MyLSTM(nn.Module):
    def forward(self, x):
        return x.cumsum(1)


def acts_of(**options):
    return run(net(), batch(), **options)


def no_other_source():
    return interp.select(acts_of(), source=2)


H = "rnn.0.forward.h.1"
FAULTS = {
    "unknown unit": (lambda: interp.Clamp("rnn.0.forward.h.7", 0), "No unit named 'rnn.0.forward.h.7'. Did you mean"),
    "unknown module": (lambda: interp.Clamp("rn.0.forward.h.1", 0), r"Did you mean .*'rnn\.0\.forward\.h\.1'"),
    "unknown quantity": (lambda: interp.Clamp("rnn.0.forward.z.1", 0), "No unit named"),
    "unknown label": (lambda: interp.Clamp({"modu": "rnn"}, 0), "No unit label named 'modu'. Did you mean 'module'"),
    "no such units": (lambda: interp.Clamp({"module": "rnn", "index": 99}, 0), "matches none of the"),
    "no units": (lambda: interp.Clamp([], 0), "units= is empty"),
    "a unit twice": (lambda: interp.Clamp([H, H], 0), f"names '{H}' twice"),
    "a dataset without units": (lambda: interp.Clamp(acts_of().coords["step"], 0), "without a coord 'unit'"),
    "step out of range": (lambda: interp.Clamp(H, 0, at=[2, 6]), r"no sample has step 6; the longest has 6 \(0 to 5\)"),
    "negative step": (lambda: interp.Clamp(H, 0, at=-1), "steps from 0; got -1"),
    "steps as text": (lambda: interp.Clamp(H, 0, at="t"), "labels such as"),
    "no such token": (lambda: interp.Clamp(H, 0, at={"input": "q"}), "matches no token"),
    "no such token label": (lambda: interp.Clamp(H, 0, at={"letter": "q"}), "No label named 'letter'"),
    "a mask of another size": (lambda: interp.Clamp(H, 0, at=lambda labels: np.ones(3, bool)), "at= must return"),
    "as many values as units": (lambda: interp.Clamp([H], [0.0, 1.0]), r"2 columns .* for 1 units"),
    "values by sample": (lambda: interp.Clamp(H, np.zeros((4, 1))), r"\(sample, step, unit\).*value\[:, None\]"),
    "too few samples": (lambda: interp.Clamp(H, np.zeros((3, 1, 1))), "3 samples, but sample 3 is required"),
    "too few steps": (lambda: interp.Clamp(H, np.zeros((1, 5, 1))), "5 steps, but step 5 is required"),
    "seen by nobody": (lambda: interp.Clamp(H, 0, scope='h'), "'recurrence' or 'readout'; got 'h'"),
    "to nothing": (lambda: interp.Ablate(H, "median"), "'resample', 'mean' or 'zero'"),
    "no donors": (lambda: interp.Ablate(H), "give donors="),
    "no draws": (lambda: interp.Ablate(H, donors=acts_of(), n_draws=0), "draws="),
    "donors that are no activations": (lambda: interp.Ablate(H, donors=[1]), "donors= takes activations"),
    "donors without the unit": (lambda: interp.Ablate(H, donors=acts_of(modules=["dense"])), "No unit in donors="),
    "donors without the label": (lambda: interp.Ablate(H, donors=acts_of(), match_on=["word"]), "label of the donors"),
    "donors of one source": (
        lambda: interp.Ablate(H, donors=no_other_source()),
        r"No donor for 7 of 15 tokens: no other source .* input='b', as sample 1 \(source 2\) has at step 0",
    ),
    "donors without a letter": (
        lambda: interp.Ablate(H, "mean", donors=interp.select(acts_of(), input="a")),
        "No donor for 9 of 15 tokens: no donor token with input='b'",
    ),
    "a patch without tokens": (
        lambda: interp.Patch(H, interp.select(acts_of(), step=[0, 1])), "values_from= has no token at sample 0, step 2",
    ),
    "a patch of two draws": (
        lambda: interp.Patch(H, run(net(), batch(), interp.Ablate(H, donors=acts_of(), n_draws=2))), "select one draw",
    ),
    "no edit": (lambda: "rnn.0.forward.h.1", "got str"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_invalid_edits_raise_clear_errors(name):
    make, message = FAULTS[name]
    model, samples = net(), batch()
    before = snapshot(model)
    with pytest.raises(interp.InterpError, match=message):
        run(model, samples, [make()])
    assert same(before, snapshot(model))


@pytest.mark.filterwarnings("ignore:Only the output", "ignore:.*jit.script")
def test_modules_that_can_not_be_read():
    x = torch.randn(2, 4, 3)
    with pytest.raises(interp.CaptureError, match=r"gates of 'my' can't be edited: no adapter knows .*MyLSTM"):
        run(Custom().eval(), x, interp.Clamp("my.0.forward.h.0", 0))
    script = nn.Sequential(torch.jit.script(nn.GRU(3, 4, batch_first=True)))
    with pytest.raises(interp.CaptureError, match=r"gates of '0' can't be edited: torch\.jit"):
        run(script.eval(), x, interp.Clamp("0.0.forward.h.0", 0))
    script = nn.Sequential(nn.GRU(3, 4, batch_first=True), First(), torch.jit.script(nn.Linear(4, 4)))
    acts = run(script.eval(), x, interp.Clamp("2.out.2", 0.5, at=1), modules=["2"])  # outputs can
    assert np.array_equal(acts.activation.values[:, 2] == 0.5, acts["step"].values == 1)
    model = net()
    model.unused = nn.Linear(3, 3)
    with pytest.raises(interp.CaptureError, match="did not call 'unused'"):
        run(model, batch(), interp.Clamp("unused.out.0", 0))
    with (
        pytest.raises(interp.CaptureError, match="did not call"),
        interp.intervene(model, interp.Clamp("unused.out.0", 0)),
    ):
        model(*batch().inputs)


def test_labels_need_a_batch_under_intervene():
    model, samples = net(), batch()
    edit = interp.Clamp(H, 0.5, at={"input": "a"})
    with pytest.raises(interp.UnknownNameError, match=r"'input'.*batch=…"), interp.intervene(model, edit):
        model(*samples.inputs)
    with interp.intervene(model, edit, batch=samples):
        out = model(*samples.inputs).detach()
        with pytest.raises(interp.CaptureError, match=r"ran 2 samples.* has 4"):
            model(samples.inputs[0][:2], samples.inputs[1][:2])
    expected = run(model, samples, edit, modules=["dense"])
    actual = np.concatenate([rows[:n] for rows, n in zip(out.numpy(), samples.lengths, strict=True)])
    np.testing.assert_allclose(actual, np.tanh(expected.activation.values), rtol=0, atol=1e-15)


def test_the_engine_is_compared_with_the_module():
    model = net()
    original = model.rnn.forward
    model.rnn.forward = lambda x, hx=None: (original(x, hx)[0] * 1.01, original(x, hx)[1])
    with pytest.raises(interp.CaptureError, match="from 'rnn' differ from those that the module itself computes"):
        run(model, batch(False), [])
