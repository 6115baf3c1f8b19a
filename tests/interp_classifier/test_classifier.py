"""The classifier against scikit-learn used directly, on planted units, and in what it must never touch."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import interp
from interp_classifier import codelength, fit


def capture(seed):
    planted = interp.testing.planted(seed, sources=200)
    acts = interp.capture(planted.model, planted.batches, quantities=["h"], progress=False)
    return planted, interp.pick(acts, module="lstm")


@pytest.fixture(scope="module")
def made():
    return capture(0)


def of(planted, kind):
    return [name for name, each in planted.kinds.items() if each == kind]


def halves(acts, letter="t"):
    return interp.halves(interp.pick(acts, input=letter))


def test_equals_scikit_learn_used_directly(made):
    _, acts = made
    first, other = halves(acts)
    scaler = StandardScaler().fit(first.activation.values)
    model = LogisticRegression(C=0.3, max_iter=1000)
    model.fit(scaler.transform(first.activation.values), first.output.values)
    result = interp.measure("classifier", acts, strength=0.3, controls=0)
    np.testing.assert_allclose(result.weight.sel(pair="t=>t"), model.coef_[0], rtol=1e-6)
    np.testing.assert_allclose(result.weight.sel(pair="t=>d"), -model.coef_[0], rtol=1e-6)
    assert float(result.intercept.sel(pair="t=>t")) == pytest.approx(model.intercept_[0], rel=1e-6)
    score = model.score(scaler.transform(other.activation.values), other.output.values)
    assert float(result.accuracy.sel(group="t")) == score
    common = np.unique(first.output.values, return_counts=True)
    majority = common[0][common[1].argmax()]
    assert float(result.baseline_accuracy.sel(group="t", baseline="majority")) == np.mean(other.output == majority)


def test_three_labels_equal_scikit_learn(made):
    _, acts = made
    labels = np.where(acts.source.values % 3 == 0, "x", acts.output.values)
    acts = acts.assign_coords(output=("token", labels))
    first, other = halves(acts)
    scaler = StandardScaler().fit(first.activation.values)
    model = LogisticRegression(max_iter=1000).fit(scaler.transform(first.activation.values), first.output.values)
    result = interp.measure("classifier", acts, controls=0)
    pairs = [f"t=>{label}" for label in model.classes_]
    np.testing.assert_allclose(result.weight.sel(pair=pairs), model.coef_.T, rtol=1e-4, atol=1e-6)
    assert float(result.accuracy.sel(group="t")) == model.score(
        scaler.transform(other.activation.values), other.output.values
    )


def test_a_pair_is_against_the_rest(made):
    _, acts = made
    whole = interp.measure("classifier", acts, controls=0)
    one = interp.measure("classifier", acts, pairs=["t=>d"], controls=0)
    assert one.pair.values.tolist() == one.group.values.tolist() == ["t=>d"]
    np.testing.assert_allclose(one.weight.sel(pair="t=>d"), whole.weight.sel(pair="t=>d"), rtol=1e-6)


def test_no_fit_touches_the_other_half(made, monkeypatch):
    """Every fit sees rows of the first half only, and garbage in the other changes nothing that is fitted."""
    _, acts = made
    _, other = interp.halves(acts)
    held_out = np.isin(acts.source.values, np.unique(other.source.values))
    values, labels = acts.activation.values.copy(), acts.output.values.copy()
    values[held_out] = 1e6 * np.random.default_rng(0).random(values[held_out].shape)
    labels[held_out & (acts.input.values == "t")] = "d"
    spoilt = acts.assign(activation=(("token", "unit"), values)).assign_coords(output=("token", labels))
    sizes = []
    for kind in (StandardScaler, LogisticRegression):
        monkeypatch.setattr(kind, "fit", watched(kind.fit, sizes))
    clean, dirty = (interp.measure("classifier", each) for each in (acts, spoilt))
    for name in ("weight", "intercept", "codelength", "codelength_input"):
        np.testing.assert_array_equal(clean[name], dirty[name], err_msg=name)
    assert not np.allclose(clean.accuracy, dirty.accuracy)
    most = (clean.n_tokens - clean.n_test_tokens).values.max()
    assert len(sizes) > 20
    assert max(size for size, _ in sizes) == most
    assert max(top for _, top in sizes) < 100


def watched(fit, sizes):
    def wrapper(self, values, *args, **options):
        sizes.append((len(values), np.abs(values).max()))
        return fit(self, values, *args, **options)

    return wrapper


def test_finds_what_is_planted_and_nothing_else(made):
    planted, acts = made
    for kind in ("detector", "twin", "silent"):
        result = interp.measure("classifier", acts, units=of(planted, kind))
        assert (result.selectivity >= 0.3).all(), kind
        assert (result.gain_low > 0.2).all(), kind
        assert (result.codelength < 0.7 * result.codelength_input).all(), kind
    for kind in ("spread", "xor", "topic", "noise"):
        result = interp.measure("classifier", acts, units=of(planted, kind))
        assert (result.codelength > 0.98 * result.codelength_input).all(), kind
        if kind in ("topic", "noise"):  # a cut may get one side of a spread, and three of the four corners of xor
            assert (result.gain_low < 0.01).all(), kind


def test_products_tell_what_no_unit_tells(made):
    planted, acts = made
    names = of(planted, "xor")
    result = interp.measure("classifier", acts, units=names, products=True)
    assert (result.accuracy > 0.97).all()
    assert (result.selectivity > 0.3).all()
    weight = abs(result.product_weight.sel(pair="t=>d"))
    strongest = weight.product[weight.argsort().values[-4:]]
    across = {("forward" in each) and ("backward" in each) for each in strongest.product.values}
    assert across == {True}
    assert result.sizes["product"] == 6


def test_position_is_found_until_it_is_given(made):
    planted, acts = made
    names = of(planted, "position")
    assert (interp.measure("classifier", acts, units=names, controls=0).gain_low > 0.2).all()
    within = interp.measure("classifier", acts, units=names, given=("position",), controls=0)
    assert within.group.values.tolist() == ["s|early", "s|late", "t|early", "t|late"]
    assert within.group_position.values.tolist() == ["early", "late"] * 2
    assert (within.gain_low <= 0.01).all()
    assert (within.codelength > 0.98 * within.codelength_input).all()


def test_noise_has_no_selectivity():
    found, gains = [], []
    for planted, acts in map(capture, range(1, 4)):
        result = interp.measure("classifier", acts, units=of(planted, "noise"))
        found += result.selectivity.values.tolist()
        gains += (result.control_gain - result.gain).values.tolist()
    assert abs(np.mean(found)) <= 0.02
    assert abs(np.mean(gains)) <= 0.02


def test_the_window_knows_the_hint(made):
    """The letters before and after tell the label with probability .9; its exclusive half they can't add up."""
    _, acts = made
    result = interp.measure("classifier", acts, controls=0)
    window = result.baseline_accuracy.sel(baseline="window")
    assert ((window > 0.85) & (window < 0.95)).all()
    np.testing.assert_array_equal(*(result.baseline_accuracy.sel(baseline=name) for name in ("input", "majority")))


def test_codelength_is_the_entropy_of_a_coin_and_near_0_of_what_is_known():
    draw = np.random.default_rng(0)
    codes, sources = draw.integers(0, 2, 4000), np.repeat(np.arange(400), 10)
    assert codelength(draw.normal(size=(4000, 1)), codes, sources) == pytest.approx(4000, rel=0.01)
    assert codelength(codes[:, None] * 10.0, codes, sources) < 100
    biased = (draw.random(4000) < 0.1).astype(int)
    entropy = -0.1 * np.log2(0.1) - 0.9 * np.log2(0.9)
    assert codelength(np.zeros((4000, 1)), biased, sources) == pytest.approx(4000 * entropy, rel=0.06)


def test_codelength_survives_labels_that_come_late():
    sources = np.repeat(np.arange(50), 10)
    codes = np.where(np.arange(500) == 490, 2, np.arange(500) % 2)
    assert np.isfinite(codelength(np.random.default_rng(0).normal(size=(500, 2)), codes, sources))
    assert codelength(np.zeros((500, 1)), np.where(sources < 25, 0, 1), sources) <= 600


def test_constant_units_have_weight_0(made):
    _, acts = made
    values = acts.activation.values.copy()
    values[:, 5] = 0.25
    result = interp.measure("classifier", acts.assign(activation=(("token", "unit"), values)), controls=0)
    assert (result.weight[5] == 0).all()


def test_captures_of_one_letter_have_no_window_and_no_control(made):
    _, acts = made
    here = interp.pick(acts, input="t")
    result = interp.measure("classifier", here)
    assert np.isnan(result.baseline_accuracy.sel(baseline="window")).all()
    assert np.isnan(result.selectivity).all()
    skipped = json.loads(result.attrs["skipped"])
    assert "without where=" in skipped["window"]
    assert "types=" in skipped["control"]
    named = here.assign_coords(word=("token", (np.arange(here.sizes["token"]) % 50).astype(str)))
    assert np.isfinite(interp.measure("classifier", named, types=["word"]).selectivity).all()


def test_result(made):
    _, acts = made
    result = interp.measure("classifier", acts)
    assert result.weight.dims == ("unit", "pair")
    assert result.pair_input.values.tolist() == ["s", "s", "t", "t"]
    assert result.converged.all()
    assert (result.n_sources <= 200).all()
    assert json.loads(result.attrs["skipped"])["a"] == "one label only among the sources to fit on"
    assert "first half of the sources" in interp.methods(result)
    assert result.identical(interp.measure("classifier", acts))
    both = interp.measure("classifier", [acts, acts], controls=0)
    assert both.weight.dims == ("model", "unit", "pair")


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"labels": ("input", "word")}, interp.SchemaError, "'classifier' reads the label 'word'"),
        ({"types": ("word",)}, interp.SchemaError, "'word'"),
        ({"labels": ("input",)}, interp.OptionError, "two names"),
        ({"labels": ("input", "input")}, interp.OptionError, "one label only"),
        ({"pairs": "t=>d"}, interp.OptionError, r"pass \['t=>d'\]"),
        ({"pairs": ["t=>q"]}, interp.UnknownNameError, "'t=>q'"),
        ({"units": ["lstm.0.forward.h.99"]}, interp.UnknownNameError, r"lstm\.0\.forward\.h\."),
        ({"minimum": 10**6}, interp.OptionError, r"Nothing to classify.*\d+ tokens / \d+ sources, under 1000000 / 50"),
        ({"strength": 0}, interp.OptionError, "above 0"),
    ],
)
def test_errors_say_what_to_type(made, options, error, sentence):
    with pytest.raises(error, match=sentence):
        interp.measure("classifier", made[1], **options)


def test_what_can_not_be_fitted_is_refused(made):
    _, acts = made
    values = acts.activation.values.copy()
    values[acts.input.values == "t", 5] = np.nan
    with pytest.raises(interp.SchemaError, match=r"1 units .*lstm\.0\.forward\.h\.5"):
        interp.measure("classifier", acts.assign(activation=(("token", "unit"), values)))
    with pytest.raises(interp.OptionError, match="There are no tokens"):
        interp.measure("classifier", acts.isel(token=[]))
    with pytest.raises(interp.OptionError, match="can't take a stream"):
        interp.measure("classifier", iter([acts]))
    wide = acts.isel(unit=[0] * 65).assign_coords(unit=[f"u{at}" for at in range(65)])
    with pytest.raises(interp.OptionError, match="64 units at most"):
        interp.measure("classifier", wide, products=True)


def test_plain_fit():
    draw = np.random.default_rng(0)
    codes = draw.integers(0, 2, 300)
    known = fit(draw.normal(size=(300, 2)) + 3 * codes[:, None], codes)
    chance = known.probabilities(np.zeros((1, 2)), 3)
    assert chance.sum() == pytest.approx(1)
    assert chance[0, 2] == pytest.approx(1 / 303)
