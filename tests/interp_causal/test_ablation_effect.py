"""The probe ablation-effect against naive loops, known answers, and errors."""

import numpy as np
import pytest

import interp

H = "rnn.0.forward.h."


def naive_effects(model, acts, batch, names, symbol, draws, seed):
    """Return the effect on each token with an input, by one pass through the upper layers per draw and token."""
    x = batch.inputs.reshape(-1, 4).numpy()
    h = interp.select(acts, module="rnn", quantity="h").activation.values
    hidden = interp.select(acts, module="hidden").activation.values
    rows = np.flatnonzero(acts["input"].values == symbol)
    tokens = acts.isel(token=rows)
    donors = interp.statistics.match_donors(acts.coords, tokens.coords, n_draws=draws, seed=seed)
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}

    def logits(h, hidden, x):
        return weights["output.weight"] @ np.concatenate([hidden, x]) + weights["output.bias"]

    def odds(z, correct):
        columns = {"x": 0, "y": 1}
        return z[columns[correct]] - z[1 - columns[correct]]

    effects = []
    for k, row in enumerate(rows):
        correct, total = str(acts["output"].values[row]), 0
        for draw in range(draws):
            new_h, new_hidden = h[row].copy(), hidden[row].copy()
            for name in names:
                if name.startswith(H):
                    new_h[int(name[-1])] = h[donors[draw, k], int(name[-1])]
            if any(name.startswith(H) for name in names):
                new_hidden = np.tanh(weights["hidden.weight"] @ new_h + weights["hidden.bias"])
            for name in names:
                if name.startswith("hidden"):
                    new_hidden[int(name[-1])] = hidden[donors[draw, k], int(name[-1])]
            total += odds(logits(new_h, new_hidden, x[row]), correct)
        effects.append(odds(logits(h[row], hidden[row], x[row]), correct) - total / draws)
    return np.array(effects), tokens


def by_source(effects, tokens, output):
    frame = tokens["source"].to_series().to_frame()
    frame["effect"], frame["output"] = effects, tokens["output"].values
    frame = frame[frame["output"] == output]
    return frame.groupby("source")["effect"].mean().mean()


GROUPS = {"detector": [H + "0"], "mixed": [H + "2", "hidden.out.0"], "hidden": ["hidden.out.1", "hidden.out.2"]}
VARIABLES = ("effect_other_outputs", "specificity", "log_p", "log_p_ablated", "accuracy_ablated")


@pytest.mark.parametrize("name", GROUPS)
def test_effects_equal_a_naive_loop_and_the_engine(net, name):
    model, batch, acts = net
    options = {"model": model, "groups": {name: GROUPS[name]}, "pairs": ["p=>x", "q=>y"], "n_draws": 3, "seed": 4}
    result = interp.measure("ablation-effect", acts, n_controls=0, **options)
    by_model = interp.measure("ablation-effect", acts, batches=batch, **options)
    for case, (symbol, output) in enumerate([("p", "x"), ("q", "y")]):
        effects, tokens = naive_effects(model, acts, batch, GROUPS[name], symbol, 3, 4)
        assert result.pair.values[case] == f"{symbol}=>{output}"
        assert float(result.effect[case]) == pytest.approx(by_source(effects, tokens, output), abs=1e-10)
        other = "y" if output == "x" else "x"
        assert float(result.effect_other_outputs[case]) == pytest.approx(by_source(effects, tokens, other), abs=1e-10)
    for variable in ("effect", "ci_low", "ci_high", *VARIABLES):
        np.testing.assert_allclose(by_model[variable], result[variable], rtol=0, atol=2e-6, err_msg=variable)


def test_known_answers(net):
    model, _, acts = net
    groups = {"detector": "0", "silent": "1", "twin": "2", "twins": "23", "noise": "4"}
    groups = {name: [H + k for k in indices] for name, indices in groups.items()}
    options = {"pairs": ["p=>x"], "replace_with": "zero", "n_controls": 0, "n_other_tokens": 0}
    effect = interp.measure("ablation-effect", acts, model=model, groups=groups, **options)
    effects = dict(zip(effect.group.values, effect.effect.values, strict=True))
    is_positive = dict(zip(effect.group.values, effect.ci_low.values > 0, strict=True))
    assert effects["detector"] > 1
    assert is_positive["detector"]
    assert effects["silent"] == 0
    assert abs(effects["twin"]) < 1e-4 < 1 < effects["twins"]
    assert abs(effects["noise"]) < 0.1


def test_the_detector_has_the_largest_effect_among_controls(net):
    model, _, acts = net
    options = {"groups": {"p=>x": [H + "0"], "q=>x": [H + "4"]}, "n_controls": 99, "n_other_tokens": 50}
    result = interp.measure("ablation-effect", acts, model=model, **options)
    assert result.control_effect.shape == (2, 2, 99)
    own_effect = float(result.effect[0])
    assert (result.control_effect.values[0].max(1) <= own_effect + 1e-12).all()  # a control may equal the group
    fraction = (result.control_effect.values[0, 0] >= own_effect - 1e-12).mean()
    assert 0.1 < fraction < 0.32  # one of five units
    assert result.p.values[0, 0] == pytest.approx((1 + round(99 * fraction)) / 100)
    assert (result.p.values[1] > 0.3).all()
    assert float(result.effect_other_inputs[0]) > 1
    assert interp.measure("ablation-effect", acts, model=model, **options).identical(result)


FAULTS = {
    "no model": ({}, "model="),
    "no groups": ({"groups": None}, "groups="),
    "an unknown unit": ({"groups": {"p=>x": ["rnn.0.forward.h.9"]}}, "no unit 'rnn.0.forward.h.9'"),
    "no pair": ({"groups": {"top": [H + "0"]}}, "'top' is not a pair"),
    "a pair without tokens": ({"pairs": ["p=>w"]}, "never becomes 'w'; it becomes x, y"),
    "an input without tokens": ({"pairs": ["w=>x"]}, "'w' becomes nothing"),
    "the recurrence without batches": ({"scope": "recurrence"}, "pass batches="),
    "an unknown scope": ({"scope": "output"}, "'recurrence' or 'readout'; got 'output'"),
    "an unknown replacement": ({"replace_with": "noise"}, "'resample', 'mean' or 'zero'; got 'noise'"),
    "another label": ({"match_on": ["word"]}, "lack the label 'word'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_invalid_options_raise_errors(net, name):
    model, _, acts = net
    changed, message = FAULTS[name]
    options = {"groups": {"p=>x": [H + "0"]}, "n_controls": 0, **changed}
    options |= {} if name == "no model" else {"model": model}
    with pytest.raises(interp.InterpError, match=message):
        interp.measure("ablation-effect", acts, **options)
