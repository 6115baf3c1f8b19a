"""Every edit against an equivalent numpy loop in float64."""

import numpy as np
import pytest
import torch
from helpers.edited import INPUTS, LENGTHS, assert_is_loop, batch, loop, net, run
from helpers.nets import values
from helpers.steps import QUANTITIES
from torch.nn.utils.rnn import pack_padded_sequence

import interp
from interp.activations.inspection import find_adapter, registered_adapters
from interp.recurrence import engine as recurrence

KINDS = ["LSTM", "GRU", "RNN"]
SHAPES = {
    "one layer": (1, False, False),
    "bidirectional": (1, True, False),
    "layers": (2, False, False),
    "packed": (2, True, True),
}

SLOT = {"recurrence": "state", "readout": "output"}  # arguments of the reference loop


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


def test_no_edit_is_bit_identical_to_the_engine(kind, shape):
    layers, bidirectional, packed = shape
    model, samples = net(kind, layers, bidirectional), batch(packed)
    acts = run(model, samples, quantities=QUANTITIES[kind])
    assert_is_loop(acts, model)
    x = samples.inputs[0] if packed else samples.inputs
    data = pack_padded_sequence(x, LENGTHS, True, enforce_sorted=False) if packed else x
    adapter = find_adapter(model.rnn, registered_adapters())
    with torch.no_grad():
        out, state = recurrence.run_sequence(adapter, model.rnn, data, None, lambda *_: recurrence.StepObserver())
        with interp.intervene(model, []):
            actual, after = model.rnn(data)
    assert torch.equal(actual.data if packed else actual, out.data if packed else out)
    torch.testing.assert_close(after, state, rtol=0, atol=0)
    padded = torch.nn.utils.rnn.pad_packed_sequence(out, True)[0] if packed else out
    expected = np.concatenate(
        [rows[:n] for rows, n in zip(padded.numpy(), LENGTHS if packed else [6] * 4, strict=True)]
    )
    last = interp.select(acts, layer=layers - 1, quantity="h").activation.values
    assert np.array_equal(last, expected)


def is_edited(sample, step):
    """Return whether a token is edited in these tests: an arbitrary subset."""
    return (3 * sample + 5 * step) % 4 != 1


def at(labels):
    return np.array([is_edited(s, t) for s, t in zip(labels["sample"], labels["step"], strict=True)])


@pytest.mark.parametrize("scope", ["recurrence", "readout"])
def test_clamps_of_every_quantity(kind, shape, scope):
    layers, bidirectional, packed = shape
    model, samples = net(kind, layers, bidirectional), batch(packed)
    for quantity in QUANTITIES[kind]:
        units = {"module": "rnn", "quantity": quantity, "index": [1, 3]}
        acts = run(model, samples, interp.Clamp(units, 0.3, at, scope=scope), quantities=QUANTITIES[kind])

        def change(sample, layer, direction, name, step, value, quantity=quantity):
            value = value.copy()
            if name == quantity and is_edited(sample, step):
                value[[1, 3]] = 0.3
            return value

        assert_is_loop(acts, model, **{SLOT[scope]: change})
        readers = acts if scope == "readout" else run(model, samples, modules=["dense"])
        changed = abs(values(acts, module="dense") - values(readers, module="dense")).max()
        assert changed > 1e-4 if scope == "recurrence" else changed == 0


def test_several_edits_of_several_layers_in_their_order(kind):
    model, gate = net(kind), QUANTITIES[kind][-1]
    edits = [
        interp.Clamp(["rnn.1.backward.h.2", "rnn.0.forward.h.0"], np.array([0.5, -0.5])),
        interp.Clamp({"module": "rnn", "layer": 0, "quantity": gate, "index": 3}, 0.1, at=[0, 2]),
        interp.Ablate({"module": "rnn", "layer": 1, "quantity": "h", "index": 2}, "zero", at={"input": "b"}),
    ]
    acts = run(model, batch(), edits, quantities=QUANTITIES[kind])
    letters = [list(word) for word in batch().labels["input"]]

    def state(sample, layer, direction, name, step, value):
        value = value.copy()
        if name == "h" and (layer, direction) in ((1, "backward"), (0, "forward")):
            value[2 * layer] = 0.5 if layer else -0.5
        if name == gate and layer == 0 and step in (0, 2):
            value[3] = 0.1
        return value

    def output(sample, layer, direction, name, step, value):
        value = value.copy()
        if name == "h" and layer == 1 and letters[sample][step] == "b":
            value[2] = 0
        return value

    assert_is_loop(acts, model, state, output)


def conditional(acts, name, letter):
    return float(values(acts, unit=name, input=letter).mean())


@pytest.mark.parametrize("scope", ["recurrence", "readout"])
@pytest.mark.parametrize("quantity", ["h", "f"])
def test_means_are_those_of_tokens_with_the_same_labels(quantity, scope):
    model, samples = net(), batch()
    intact = run(model, samples)
    name = f"rnn.0.backward.{quantity}.2"
    acts = run(model, samples, interp.Ablate(name, "mean", donors=intact, scope=scope))
    means = {letter: conditional(intact, name, letter) for letter in "ab"}

    def change(sample, layer, direction, name, step, value):
        value = value.copy()
        if (layer, direction, name) == (0, "backward", quantity):
            value[2] = means[samples.labels["input"][sample][step]]
        return value

    assert_is_loop(interp.select(acts, quantity=list("hcifgo")), model, **{SLOT[scope]: change})


@pytest.mark.parametrize("scope", ["recurrence", "readout"])
@pytest.mark.parametrize("batch_size", [1, 64])
def test_resampling_takes_one_token_of_another_source_for_the_whole_group(scope, batch_size):
    model, samples = net(), batch()
    intact = run(model, samples)
    names = ["rnn.0.forward.h.1", "rnn.0.forward.c.3", "rnn.1.backward.h.0"]
    edit = interp.Ablate(names, donors=intact, n_draws=3, seed=5, scope=scope)
    acts = run(model, samples, edit, batch_size=batch_size)
    donors = interp.statistics.match_donors(intact.coords, intact.coords, n_draws=3, seed=5)
    same, others = intact["input"].values, intact["source"].values
    for draw in range(3):
        assert (same[donors[draw]] == same).all()
        assert (others[donors[draw]] != others).all()
        donor_values = intact.activation.sel(unit=names).values[donors[draw]]
        row = {(s, t): k for k, (s, t) in enumerate(zip(intact["sample"].values, intact["step"].values, strict=True))}

        def change(sample, layer, direction, name, step, value, donor_values=donor_values, row=row):
            value = value.copy()
            for column, unit in enumerate(names):
                if unit.startswith(f"rnn.{layer}.{direction}.{name}."):
                    value[int(unit[-1])] = donor_values[row[int(sample), step], column]
            return value

        assert_is_loop(interp.select(acts, draw=draw), model, **{SLOT[scope]: change})
    assert len({tuple(row) for row in donors.tolist()}) > 1


def test_donors_are_drawn_evenly():
    labels = {
        "sample": np.arange(60), "step": np.zeros(60, int), "source": np.arange(60) // 2,
        "input": np.array(list("xyz") * 20),
    }  # fmt: skip
    donors = interp.statistics.match_donors(labels, labels, n_draws=3000, seed=1)
    counts = np.bincount(donors[:, 0], minlength=60)
    eligible = (labels["input"] == "x") & (labels["source"] != 0)
    assert not counts[~eligible].any()
    expected = 3000 / eligible.sum()
    assert ((counts[eligible] - expected) ** 2 / expected).sum() < 43.8  # chi-square of 19 - 1 degrees, p = .0006
    assert not np.array_equal(donors[:, 0], donors[:, 3])
    assert not np.array_equal(donors, interp.statistics.match_donors(labels, labels, n_draws=3000, seed=2))


@pytest.mark.parametrize("scope", ["recurrence", "readout"])
def test_patching_a_sample_with_itself_changes_nothing(kind, shape, scope):
    model, samples = net(kind, *shape[:2]), batch(shape[2])
    intact = run(model, samples, quantities=[*QUANTITIES[kind], "out"])
    patched = run(model, samples, interp.Patch(intact, intact, scope=scope), quantities=[*QUANTITIES[kind], "out"])
    assert np.array_equal(intact.activation.values, patched.activation.values)


def test_patching_takes_the_values_of_the_same_sample_and_step():
    model, samples = net(), batch()
    other = interp.Batch((samples.inputs[0].flip(0) + 1, samples.inputs[1]), samples.lengths)
    other_acts = run(model, other)
    acts = run(model, samples, interp.Patch({"module": "rnn", "layer": 0, "quantity": "c"}, other_acts, at=slice(1, 4)))

    def change(sample, layer, direction, name, step, value):
        if (layer, name) != (0, "c") or not 1 <= step < 4:
            return value
        return values(other_acts, layer=0, direction=direction, quantity="c", sample=sample, step=step)[0]

    assert_is_loop(acts, model, change)


def test_freezing_the_cell():
    model, samples = net(layers=1), batch(packed=False)
    freeze = [interp.Clamp({"quantity": "f"}, 1.0), interp.Clamp({"quantity": "i"}, 0.0)]
    with interp.intervene(model, freeze):
        state = tuple(torch.randn(2, 4, 4).double() for _ in range(2))
        _, (_, c) = model.rnn(samples.inputs, state)
    assert torch.equal(c, state[1])
    assert not values(run(model, samples, freeze), quantity="c").any()


def test_outputs_of_layers_that_are_not_recurrent():
    model, samples = net(), batch()
    intact = run(model, samples)
    acts = run(model, samples, interp.Clamp(["dense.out.4", "dense.out.0"], [2.0, 3.0], at={"input": "a"}))
    expected = values(intact, module="dense").copy()
    here = intact["input"].values == "a"
    expected[here, 4], expected[here, 0] = 2, 3
    assert np.array_equal(values(acts, module="dense"), expected)
    with interp.intervene(model, interp.Clamp("dense.out.1", 0.25)):
        out = model(*samples.inputs)
    assert torch.equal(out[..., 1], torch.full((4, 6), 0.25).double().tanh())


def test_a_projected_lstm():
    model = net(proj_size=2)
    edits = interp.Clamp(["rnn.0.forward.h.1", "rnn.0.forward.o.3"], [0.2, 0.9])
    acts = run(model, batch(), edits)

    def change(sample, layer, direction, name, step, value):
        value = value.copy()
        if (layer, direction) == (0, "forward") and name in ("h", "o"):
            value[1 if name == "h" else 3] = 0.2 if name == "h" else 0.9
        return value

    assert_is_loop(acts, model, change)


def test_the_loop_itself_is_the_module():
    model = net("GRU")
    out = model.rnn(torch.from_numpy(INPUTS[:1]))[0][0].detach().numpy()
    values_by_step = loop(model.rnn, INPUTS[0])
    actual = np.stack(
        [np.concatenate([values_by_step[1, side, "h", t] for side in ("forward", "backward")]) for t in range(6)]
    )
    np.testing.assert_allclose(actual, out, rtol=0, atol=1e-14)
