"""The probe classifier against scikit-learn, on planted units, and its errors."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import interp


def units_of_kind(planted, kind):
    return [name for name, each in planted.kinds.items() if each == kind]


def split_halves(acts, letter="t"):
    return interp.split_by_source(interp.select(acts, input=letter))


def test_equals_scikit_learn(planted_capture):
    _, acts = planted_capture
    train, test = split_halves(acts)
    scaler = StandardScaler().fit(train.activation.values)
    model = LogisticRegression(C=0.3, max_iter=1000)
    model.fit(scaler.transform(train.activation.values), train.output.values)
    result = interp.measure("classifier", acts, C=0.3, n_controls=0)
    np.testing.assert_allclose(result.weight.sel(pair="t=>t"), model.coef_[0], rtol=1e-6)
    np.testing.assert_allclose(result.weight.sel(pair="t=>d"), -model.coef_[0], rtol=1e-6)
    assert float(result.intercept.sel(pair="t=>t")) == pytest.approx(model.intercept_[0], rel=1e-6)
    score = model.score(scaler.transform(test.activation.values), test.output.values)
    assert float(result.accuracy.sel(group="t")) == score
    common = np.unique(train.output.values, return_counts=True)
    majority = common[0][common[1].argmax()]
    assert float(result.baseline_accuracy.sel(group="t", baseline="majority")) == np.mean(test.output == majority)


def test_three_labels_equal_scikit_learn(planted_capture):
    _, acts = planted_capture
    labels = np.where(acts.source.values % 3 == 0, "x", acts.output.values)
    acts = acts.assign_coords(output=("token", labels))
    train, test = split_halves(acts)
    scaler = StandardScaler().fit(train.activation.values)
    model = LogisticRegression(max_iter=1000).fit(scaler.transform(train.activation.values), train.output.values)
    result = interp.measure("classifier", acts, n_controls=0)
    pairs = [f"t=>{label}" for label in model.classes_]
    np.testing.assert_allclose(result.weight.sel(pair=pairs), model.coef_.T, rtol=1e-4, atol=1e-6)
    assert float(result.accuracy.sel(group="t")) == model.score(
        scaler.transform(test.activation.values), test.output.values
    )


def test_classifies_planted_units_and_no_others(planted_capture):
    planted, acts = planted_capture
    for kind in ("detector", "twin", "silent"):
        result = interp.measure("classifier", acts, units=units_of_kind(planted, kind))
        assert (result.selectivity >= 0.3).all(), kind
        assert (result.gain_ci_low > 0.2).all(), kind
        assert (result.codelength < 0.7 * result.codelength_input).all(), kind
    for kind in ("spread", "xor", "topic", "noise"):
        result = interp.measure("classifier", acts, units=units_of_kind(planted, kind))
        assert (result.codelength > 0.98 * result.codelength_input).all(), kind
        if kind in (
            "topic",
            "noise",
        ):  # a threshold may separate one side of a spread, or three of the four corners of xor
            assert (result.gain_ci_low < 0.01).all(), kind


def test_interactions_classify_exclusive_or(planted_capture):
    planted, acts = planted_capture
    names = units_of_kind(planted, "xor")
    result = interp.measure("classifier", acts, units=names, interactions=True)
    assert (result.accuracy > 0.97).all()
    assert (result.selectivity > 0.3).all()
    weight = abs(result.product_weight.sel(pair="t=>d"))
    strongest = weight.product[weight.argsort().values[-4:]]
    is_both_directions = {("forward" in each) and ("backward" in each) for each in strongest.product.values}
    assert is_both_directions == {True}
    assert result.sizes["product"] == 6


def test_noise_has_no_selectivity(capture):
    selectivity, gains = [], []
    for planted, acts in map(capture, range(1, 4)):
        result = interp.measure("classifier", acts, units=units_of_kind(planted, "noise"))
        selectivity += result.selectivity.values.tolist()
        gains += (result.control_gain - result.gain).values.tolist()
    assert abs(np.mean(selectivity)) <= 0.02
    assert abs(np.mean(gains)) <= 0.02


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"labels": ("input", "word")}, interp.SchemaError, "'classifier' reads the label 'word'"),
        ({"control_types": ("word",)}, interp.SchemaError, "'word'"),
        ({"labels": ("input",)}, interp.OptionError, "two names"),
        ({"labels": ("input", "input")}, interp.OptionError, "only one label"),
        ({"pairs": "t=>d"}, interp.OptionError, r"pass \['t=>d'\]"),
        ({"pairs": ["t=>q"]}, interp.UnknownNameError, "'t=>q'"),
        ({"units": ["lstm.0.forward.h.99"]}, interp.UnknownNameError, r"lstm\.0\.forward\.h\."),
        (
            {"min_tokens": 10**6},
            interp.OptionError,
            r"Nothing to classify.*\d+ tokens / \d+ sources, under 1000000 / 50",
        ),
        ({"C": 0}, interp.OptionError, "above 0"),
    ],
)
def test_invalid_options_raise_errors(planted_capture, options, error, sentence):
    with pytest.raises(error, match=sentence):
        interp.measure("classifier", planted_capture[1], **options)


def test_invalid_activations_raise_errors(planted_capture):
    _, acts = planted_capture
    values = acts.activation.values.copy()
    values[acts.input.values == "t", 5] = np.nan
    with pytest.raises(interp.SchemaError, match=r"1 units .*lstm\.0\.forward\.h\.5"):
        interp.measure("classifier", acts.assign(activation=(("token", "unit"), values)))
    with pytest.raises(interp.OptionError, match="There are no tokens"):
        interp.measure("classifier", acts.isel(token=[]))
    with pytest.raises(interp.OptionError, match="can't take a stream"):
        interp.measure("classifier", iter([acts]))
    wide = acts.isel(unit=[0] * 65).assign_coords(unit=[f"u{at}" for at in range(65)])
    with pytest.raises(interp.OptionError, match="at most 64 units"):
        interp.measure("classifier", wide, interactions=True)
