"""Effects of ablations against naive loops and known answers."""

import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp_causal import numbers


class Tanh(nn.Linear):
    def forward(self, x):
        return super().forward(x).tanh()


class Planted(nn.Module):
    """Copies of its inputs through a cell that forgets; a hidden layer; logits of two outputs.

    Inputs: a letter (two columns), what decides the output, and noise. Units of h: 0 the detector, 1 a copy of it that
    nobody reads, 2 and 3 two copies that saturate the same hidden unit together, 4 noise that is read.
    """

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(4, 5, batch_first=True)
        self.hidden, self.output = Tanh(5, 3), nn.Linear(3 + 4, 3)
        self.symbols = {"output": ["x", "y", "z"]}
        with torch.no_grad():
            for value in self.parameters():
                value.zero_()
            self.rnn.weight_ih_l0[[0, 1, 2, 3], 2] = 0.5
            self.rnn.weight_ih_l0[4, 3] = 0.5
            self.hidden.weight[0, 0] = 1
            self.hidden.weight[1, [2, 3]] = 30.0
            self.hidden.weight[2, 4] = 1
            self.output.weight[:2, :2] = torch.tensor([[2.0, 1.0], [-2.0, -1.0]])
            self.output.weight[2, 2] = 0.5
            self.output.weight[2, :] += 0.1

    def forward(self, x, lengths=None):
        return self.output(torch.cat([self.hidden(self.rnn(x)[0]), x], -1))


def planted(samples=60, steps=6, seed=0):
    draw = np.random.default_rng(seed)
    letter, sign = draw.integers(0, 2, (samples, steps)), draw.choice([-1.0, 1.0], (samples, steps))
    x = np.stack([letter == 0, letter == 1, sign, draw.normal(size=(samples, steps))], -1)
    labels = {
        "input": np.array(list("pq"))[letter].ravel(),
        "output": np.array(["y", "x"])[(sign > 0).astype(int)].ravel(),
        "source": np.arange(samples) // 2,
    }
    batch = interp.Batch(torch.from_numpy(x), [steps] * samples, labels)
    return Planted().double().eval(), batch


def captured(model, batch, **options):
    return interp.capture(model, batch, progress=False, dtype="float64", **options)


@pytest.fixture(scope="module")
def net():
    model, batch = planted()
    return model, batch, captured(model, batch)


H = "rnn.0.forward.h."


def naive(model, acts, batch, names, given, draws, seed):
    """Return the effect of each token with an input, from one forward of the upper layers a draw and token."""
    x = batch.inputs.reshape(-1, 4).numpy()
    h = interp.pick(acts, module="rnn", quantity="h").activation.values
    hidden = interp.pick(acts, module="hidden").activation.values
    rows = np.flatnonzero(acts["input"].values == given)
    here = acts.isel(token=rows)
    chosen = interp.donor_tokens(acts.coords, here.coords, draws=draws, seed=seed)
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}

    def logits(h, hidden, x):
        return weights["output.weight"] @ np.concatenate([hidden, x]) + weights["output.bias"]

    def odds(z, right):
        ways = {"x": 0, "y": 1}
        return z[ways[right]] - z[1 - ways[right]]

    lost = []
    for k, row in enumerate(rows):
        right, total = str(acts["output"].values[row]), 0
        for draw in range(draws):
            new_h, new_hidden = h[row].copy(), hidden[row].copy()
            for name in names:
                if name.startswith(H):
                    new_h[int(name[-1])] = h[chosen[draw, k], int(name[-1])]
            if any(name.startswith(H) for name in names):
                new_hidden = np.tanh(weights["hidden.weight"] @ new_h + weights["hidden.bias"])
            for name in names:
                if name.startswith("hidden"):
                    new_hidden[int(name[-1])] = hidden[chosen[draw, k], int(name[-1])]
            total += odds(logits(new_h, new_hidden, x[row]), right)
        lost.append(odds(logits(h[row], hidden[row], x[row]), right) - total / draws)
    return np.array(lost), here


def by_source(lost, here, output):
    frame = here["source"].to_series().to_frame()
    frame["lost"], frame["output"] = lost, here["output"].values
    frame = frame[frame["output"] == output]
    return frame.groupby("source")["lost"].mean().mean()


GROUPS = {"detector": [H + "0"], "mixed": [H + "2", "hidden.out.0"], "hidden": ["hidden.out.1", "hidden.out.2"]}


@pytest.mark.parametrize("name", GROUPS)
def test_effects_equal_a_naive_loop_and_the_engine(net, name):
    model, batch, acts = net
    options = {"model": model, "groups": {name: GROUPS[name]}, "pairs": ["p=>x", "q=>y"], "draws": 3, "seed": 4}
    result = interp.measure("ablation-effect", acts, controls=0, **options)
    slow = interp.measure("ablation-effect", acts, batches=batch, **options)
    for case, (given, output) in enumerate([("p", "x"), ("q", "y")]):
        lost, here = naive(model, acts, batch, GROUPS[name], given, 3, 4)
        assert result.pair.values[case] == f"{given}=>{output}"
        assert float(result.effect[case]) == pytest.approx(by_source(lost, here, output), abs=1e-10)
        other = "y" if output == "x" else "x"
        assert float(result.others[case]) == pytest.approx(by_source(lost, here, other), abs=1e-10)
    for variable in ("effect", "low", "high", "others", "specificity", "log_p", "log_p_ablated", "accuracy_ablated"):
        np.testing.assert_allclose(slow[variable], result[variable], rtol=0, atol=2e-6, err_msg=variable)


def test_known_answers(net):
    model, _, acts = net
    groups = {"detector": "0", "silent": "1", "twin": "2", "twins": "23", "noise": "4"}
    groups = {name: [H + k for k in places] for name, places in groups.items()}
    effect = interp.measure(
        "ablation-effect", acts, model=model, groups=groups, pairs=["p=>x"], to="zero", controls=0, elsewhere=0
    )
    found = dict(zip(effect.group.values, effect.effect.values, strict=True))
    sure = dict(zip(effect.group.values, effect.low.values > 0, strict=True))
    assert found["detector"] > 1
    assert sure["detector"]
    assert found["silent"] == 0
    assert abs(found["twin"]) < 1e-4 < 1 < found["twins"]
    assert abs(found["noise"]) < 0.1


def test_controls_rank_the_detector_first(net):
    model, _, acts = net
    result = interp.measure(
        "ablation-effect", acts, model=model, groups={"p=>x": [H + "0"], "q=>x": [H + "4"]}, controls=99, elsewhere=50
    )
    assert result.control.shape == (2, 2, 99)
    own = float(result.effect[0])
    assert (result.control.values[0].max(1) <= own + 1e-12).all()  # a group may be drawn itself
    share = (result.control.values[0, 0] >= own - 1e-12).mean()
    assert 0.1 < share < 0.32  # one of five units
    assert result.p.values[0, 0] == pytest.approx((1 + round(99 * share)) / 100)
    assert (result.p.values[1] > 0.3).all()
    assert float(result.elsewhere[0]) > 1
    again = interp.measure(
        "ablation-effect", acts, model=model, groups={"p=>x": [H + "0"], "q=>x": [H + "4"]}, controls=99, elsewhere=50
    )
    assert again.identical(result)


def test_curves(net):
    model, batch, acts = net
    order = [H + k for k in "02341"]
    curve = interp.measure("ablation-curve", acts, model=model, ranking=order, pair="p=>x", to="zero", orders=30)
    assert curve.k.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert curve.removed.values[0] == 0 == curve.kept.values[-1]
    assert float(curve.whole) == float(curve.removed[-1]) == float(curve.kept[0])
    alone = interp.measure(
        "ablation-effect", acts, model=model, groups={"p=>x": order[:2]}, to="zero", controls=0, elsewhere=0
    )
    assert float(curve.removed[2]) == pytest.approx(float(alone.effect[0]), abs=1e-12)
    shares = curve.removed.values / float(curve.whole)
    assert int(curve.k80) == int(np.flatnonzero(shares >= 0.8)[0]) == 3
    assert float(curve.area_removed) > 0.1
    assert float(curve.area_kept) > 0
    backwards = interp.measure("ablation-curve", acts, model=model, ranking=order[::-1], pair="p=>x", to="zero")
    assert float(backwards.area_removed) < 0
    ran = interp.measure(
        "ablation-curve", acts, model=model, batches=batch, ranking=order, pair="p=>x", to="zero", orders=0, sizes=[2]
    )
    np.testing.assert_allclose(ran.removed, curve.removed[[0, 2, 5]], rtol=0, atol=2e-6)


def test_k80_between_measured_sizes(net):
    model, _, acts = net
    order = [H + k for k in "14023"]
    curve = interp.measure(
        "ablation-curve", acts, model=model, ranking=order, pair="p=>x", to="zero", orders=0, sizes=[1]
    )
    assert int(curve.k80) == 5


def test_directions_of_a_rotated_layer(net):
    model, batch, acts = net
    layer = interp.pick(acts, module="rnn", quantity="h")
    names = layer["unit"].values.tolist()
    curves = {
        seed: interp.measure(
            "ablation-curve", acts, model=model, ranking=names, pair="p=>x", rotated=seed, orders=0, sizes=[1, 2, 5]
        )
        for seed in (None, 0, 1)
    }
    for seed in (0, 1):  # all directions of a layer are all its units
        assert float(curves[seed].whole) == pytest.approx(float(curves[None].whole), abs=1e-9)
        assert abs(float(curves[seed].removed[1]) - float(curves[None].removed[1])) > 1e-3
    with pytest.raises(interp.OptionError, match="leave batches= out"):
        interp.measure("ablation-curve", acts, model=model, batches=batch, ranking=names, pair="p=>x", rotated=0)


def test_a_direction_is_ablated_as_the_rotated_activation(net):
    from interp_causal.turned import turns

    _, _, acts = net
    layer = interp.pick(acts, module="rnn", quantity="h")
    columns, turn = next((c, t) for c, t in turns(acts, 3) if acts["quantity"].values[c[0]] == "h")
    assert (acts["unit"].values[columns] == layer["unit"].values).all()
    np.testing.assert_allclose(
        layer["activation"].values @ turn, interp.rotate(layer, 3)["activation"].values, atol=1e-9
    )


def test_patching_twins():
    model, batch = planted(samples=20)
    acts = captured(model, batch)
    x = batch.inputs.clone()
    x[:, :, 2] *= -1
    twins = interp.Batch(x, batch.lengths, batch.labels)
    groups = {
        "all": [H + str(k) for k in range(5)],
        "detector": [H + "0"],
        "silent": [H + "1"],
        "twins": [H + "2", H + "3"],
    }
    result = interp.measure("activation-patching", acts, model=model, batches=twins, groups=groups, pair="p=>x")
    found = dict(zip(result.group.values, result.restored.values, strict=True))
    assert found["silent"] == pytest.approx(0, abs=1e-6)
    assert found["all"] == pytest.approx(1, abs=0.06)  # what the inputs do by themselves stays as it was
    assert found["detector"] + found["twins"] == pytest.approx(found["all"], abs=1e-6)
    assert 0.3 < found["detector"] < 0.7
    assert float(result.sample) > 0 > float(result.twin)
    short = interp.Batch(x[:, :5], [5] * 20, {"input": ["ppppp"] * 20, "output": ["xyxyx"] * 20})
    with pytest.raises(interp.OptionError, match="100 tokens and the samples 120"):
        interp.measure("activation-patching", acts, model=model, batches=short, groups=groups, pair="p=>x")


FAULTS = {
    "no model": ({}, "model="),
    "no groups": ({"groups": None}, "groups="),
    "an unknown unit": ({"groups": {"p=>x": ["rnn.0.forward.h.9"]}}, "no unit 'rnn.0.forward.h.9'"),
    "no pair": ({"groups": {"top": [H + "0"]}}, "'top' is no pair"),
    "a pair that never is": ({"pairs": ["p=>w"]}, "never becomes 'w'; it becomes x, y"),
    "an input that never is": ({"pairs": ["w=>x"]}, "'w' becomes nothing"),
    "state without batches": ({"seen_by": "state"}, "give batches="),
    "another label": ({"given": ["word"]}, "lack the label 'word'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_does_not_fit(net, name):
    model, _, acts = net
    changed, message = FAULTS[name]
    options = {"groups": {"p=>x": [H + "0"]}, "controls": 0, **changed}
    options |= {} if name == "no model" else {"model": model}
    with pytest.raises(interp.InterpError, match=message):
        interp.measure("ablation-effect", acts, **options)


def test_ways_that_are_not_known():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.output = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)
            self.symbols = {"output": ["x", "y", "z"]}

        def forward(self, x):
            return self.output(self.rnn(x)[0].relu())

    torch.manual_seed(0)
    model, batch = Hidden().double().eval(), planted(samples=8)[1]
    samples = interp.Batch(batch.inputs, labels=batch.labels)
    acts = captured(model, samples)
    options = {"model": model, "groups": {"p=>x": ["rnn.0.forward.h.0"]}, "draws": 2}
    with pytest.raises(interp.CaptureError, match=r"output\[0:5\] is .*Give batches="):
        interp.measure("ablation-effect", acts, **options)
    for seen_by in ("state", "output"):
        result = interp.measure("ablation-effect", acts, batches=samples, seen_by=seen_by, controls=3, **options)
        assert np.isfinite(result.effect.values).all()
    plain, batch2 = planted(samples=8)
    acts = captured(plain, batch2)
    with pytest.raises(interp.InterpError, match="no unit"):
        interp.measure("ablation-effect", acts, **{**options, "groups": {"p=>x": ["rnn.0.forward.c.0"]}})


# --- plain arrays


def test_log_odds_are_those_of_the_softmax():
    draw = np.random.default_rng(0)
    z, right = draw.normal(size=(3, 50, 4)) * 5, draw.integers(0, 4, 50)
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    mine = np.take_along_axis(p, np.broadcast_to(right[:, None], (3, 50, 1)), -1)[..., 0]
    np.testing.assert_allclose(numbers.log_odds(z, right), np.log(mine / (1 - mine)), rtol=1e-8)
    np.testing.assert_allclose(numbers.log_p(z, right), np.log(mine), rtol=1e-8)
    assert np.isfinite(numbers.log_odds(np.array([[2000.0, 0.0]]), np.array([0]))).all()


def test_the_interval_covers_the_mean_of_sources():
    hits = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        sizes = draw.integers(1, 8, 100)
        sources = np.repeat(np.arange(100) + 1000 * seed, sizes)
        values = np.repeat(draw.normal(1, 1, 100), sizes) + draw.normal(size=sources.size) * 0.3
        whole, low, high = numbers.interval(values, sources)
        hits += low <= 1 <= high
        assert low <= whole <= high
    assert 0.89 <= hits / 200 <= 0.99


def test_control_groups_keep_the_blocks_and_the_strength():
    draw = np.random.default_rng(0)
    blocks, group = np.repeat([0, 1, 2], 100), np.array([3, 5, 150])
    strength = draw.permutation(300).astype(float)
    uniform = numbers.uniform_groups(group, blocks, 500, draw)
    matched = numbers.matched_groups(group, blocks, strength, 500, draw)
    for groups in (uniform, matched):
        assert all(sorted(blocks[found]) == [0, 0, 1] and np.unique(found).size == 3 for found in groups)
    assert len({tuple(sorted(found)) for found in uniform}) > 400
    gap = np.mean([np.abs(np.sort(strength[found]) - np.sort(strength[group])).mean() for found in matched])
    wide = np.mean([np.abs(np.sort(strength[found]) - np.sort(strength[group])).mean() for found in uniform])
    assert gap < wide / 2
    whole = numbers.matched_groups(np.arange(100), blocks, strength, 1, draw)[0]
    assert np.array_equal(np.sort(whole), np.arange(100))


def test_p_and_holm():
    assert numbers.p_of(1.0, np.array([0.0, 1.0, 2.0])) == 0.75
    assert numbers.p_of(9.0, np.zeros(999)) == 0.001
    np.testing.assert_allclose(numbers.holm([0.01, 0.04, 0.03, np.nan]), [0.03, 0.06, 0.06, np.nan])
