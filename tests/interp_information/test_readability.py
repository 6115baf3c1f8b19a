"""The measures of readability on codes made by hand, of which it is known what they must give."""

import json

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import LogisticRegression

import interp
from interp_information import (
    completeness,
    disentanglement,
    learn,
    mutual_information_gap,
    participation,
    sparse_regression,
)

FACTORS = [f"factor_{k}" for k in range(8)]
NOISE, SOURCES, EACH = 24, 200, 20
FEW = {"minimum": 50, "minimum_sources": 20}


def dataset(values, labels, *, each=EACH, **coords):
    """Activations (token, unit) of a layer ``hidden``, with labels."""
    tokens, units = values.shape
    token = {"sample": np.arange(tokens) // each, "step": np.arange(tokens) % each, "source": np.arange(tokens) // each}
    unit = {
        "unit": [f"hidden.out.{k}" for k in range(units)],
        "module": ["hidden"] * units,
        "layer": np.zeros(units, np.int16),
        "direction": [""] * units,
        "quantity": ["out"] * units,
        "index": np.arange(units, dtype=np.int32),
        "symbol": [""] * units,
    }
    coords = {name: ("token", np.asarray(held)) for name, held in (token | labels).items()}
    coords |= {name: ("unit", held) for name, held in unit.items()}
    return xr.Dataset({"activation": (("token", "unit"), values.astype(np.float32))}, coords)


def code(seed=0, noise=NOISE):
    """Eight independent binary factors, each in one unit of its own, beside units of noise."""
    draw = np.random.default_rng(seed)
    factors = draw.integers(0, 2, (SOURCES * EACH, 8))
    held = 2.0 * factors - 1 + draw.normal(0, 0.1, factors.shape)
    values = np.concatenate([held, draw.normal(size=(len(held), noise))], axis=1)
    return dataset(values, {name: factors[:, k] for k, name in enumerate(FACTORS)})


def measured(acts):
    gap, apart = (interp.measure(name, acts, factors=FACTORS) for name in ("mig", "dci"))
    return {"mig": float(gap.mig), **{name: float(apart[name]) for name in ("disentanglement", "completeness")}}


@pytest.fixture(scope="module")
def made():
    return code()


@pytest.fixture(scope="module")
def aligned(made):
    return measured(made)


def test_a_code_along_the_axes_is_readable(aligned):
    assert aligned["mig"] >= 0.8
    assert aligned["disentanglement"] >= 0.9
    assert aligned["completeness"] >= 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_a_rotation_makes_it_unreadable(made, aligned, seed):
    turned = measured(interp.rotate(made, seed).load())
    assert turned["mig"] <= 0.1
    assert turned["disentanglement"] <= aligned["disentanglement"] - 0.4
    assert turned["completeness"] <= aligned["completeness"] - 0.4


def test_copies_lower_mig_and_not_disentanglement(made, aligned):
    """Each factor is told by two units alike, and still each unit tells of one factor."""
    values = made.activation.values
    copied = np.concatenate([values, values[:, :8]], axis=1)
    found = measured(dataset(copied, {name: made[name].values for name in FACTORS}))
    assert found["mig"] <= 0.05
    assert found["disentanglement"] >= aligned["disentanglement"] - 0.02


def test_information_is_in_nats(made):
    result = interp.measure("mig", made, factors=FACTORS)
    assert result.mutual_information.dims == ("factor", "unit")
    np.testing.assert_allclose(result.entropy, np.log(2), atol=0.001)
    told = np.diag(result.mutual_information.values[:, :8])
    assert (told <= result.entropy.values + 1e-9).all()
    assert (told >= 0.9 * np.log(2)).all()
    assert np.abs(result.mutual_information.values[:, 8:].mean()) < 0.0005
    np.testing.assert_allclose(result.gap.mean(), result.mig)


def test_gap_and_participation_of_a_table():
    table = [[0.5, 0.1, -0.2], [0.3, 0.3, 0.0], [-0.1, 0.4, -0.3]]
    np.testing.assert_allclose(mutual_information_gap(table, [0.5, 0.6, 0.4]), [0.8, 0, 1])
    np.testing.assert_allclose(participation(table), [0.36 / 0.26, 2, 1])
    assert participation(np.full((1, 7), 0.2)) == pytest.approx(7)
    assert participation(np.zeros((1, 7))) == 0
    with pytest.raises(interp.OptionError, match="two units at least"):
        mutual_information_gap([[0.1]], [1])


def test_disentanglement_against_a_loop():
    importance = np.abs(np.random.default_rng(0).normal(size=(4, 6)))
    importance[:, 2], importance[1:, 3], importance[:, 4] = 0, 0, 0.7
    each, weighted = disentanglement(importance)
    mean = 0.0
    for unit, column in enumerate(importance.T):
        if not column.sum():
            assert np.isnan(each[unit])
            continue
        shares = column / column.sum()
        found = 1 + sum(share * np.log(share) / np.log(4) for share in shares if share)
        assert each[unit] == pytest.approx(found, abs=1e-12)
        mean += found * column.sum() / importance.sum()
    assert weighted == pytest.approx(mean)
    assert each[3] == 1
    assert each[4] == pytest.approx(0, abs=1e-12)
    assert disentanglement(np.eye(3))[1] == 1
    assert completeness(np.eye(3))[1] == 1
    assert completeness(importance)[0].shape == (4,)
    assert np.isnan(disentanglement(np.zeros((2, 3)))[1])
    with pytest.raises(interp.OptionError, match="not negative"):
        disentanglement(-np.eye(2))


@pytest.mark.parametrize("classes", [2, 4])
def test_the_regression_is_scikit_learns(classes):
    draw = np.random.default_rng(0)
    codes = draw.integers(0, classes, 600)
    values = draw.normal(size=(600, 20))
    values[:, :3] += np.stack([codes == 0, codes == 1, codes], axis=1)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    weights, intercepts, converged = sparse_regression(values, codes, penalty=0.02, tolerance=1e-4)
    model = LogisticRegression(C=1 / (0.02 * 600), l1_ratio=1.0, solver="saga", tol=1e-8, max_iter=20_000)
    model.fit(values, codes)
    assert converged
    found = np.abs(weights).sum(axis=1)
    np.testing.assert_allclose(found, np.abs(model.coef_).sum(axis=0), atol=2e-3)
    assert 3 <= np.count_nonzero(found) < 20
    scores = values @ weights + intercepts
    known = np.exp(scores - np.logaddexp.reduce(scores, axis=1)[:, None])
    np.testing.assert_allclose(known, model.predict_proba(values), atol=2e-3)
    single = sparse_regression(values.astype(np.float32), codes, penalty=0.02)[0]
    assert single.dtype == np.float32
    np.testing.assert_allclose(np.abs(single).sum(axis=1), found, atol=0.02)


def test_informativeness_is_of_tokens_not_seen():
    """A label that is drawn at random can be learned by heart, not told; one that a unit is, can."""
    draw = np.random.default_rng(0)
    values, test = draw.normal(size=(400, 40)), np.arange(400) % 2 == 0
    assert learn(values, draw.integers(0, 2, 400), test, penalty=1e-3).informativeness < 0.4
    assert learn(values, (values[:, 7] > 0).astype(int), test).informativeness > 0.8
    same = values.copy()
    same[:, 3] = 5.0
    found = learn(same, (values[:, 7] > 0).astype(int), test)
    assert found.importance[3] == 0
    assert np.argmax(found.importance) == 7


def test_outputs_given_an_input_are_factors(made):
    """The input says which unit tells the output: each of four inputs has one, and rare outputs are left out."""
    draw = np.random.default_rng(1)
    given = draw.integers(0, 5, made.sizes["token"])
    told = np.stack([made[name].values for name in FACTORS[:4]] + [np.zeros(given.size, int)])[given, range(given.size)]
    output = np.where(draw.random(given.size) < 0.01, "rare", told.astype(str))
    acts = made.assign_coords(input=("token", np.array(list("abcde"))[given]), output=("token", output))
    gap, apart = (interp.measure(name, acts, **FEW) for name in ("mig", "dci"))
    assert gap.factor.values.tolist() == apart.factor.values.tolist() == list("abcd")
    assert json.loads(gap.attrs["skipped"]) == {"e": "1 classes with 50 tokens of 20 sources"}
    assert gap.n_classes.values.tolist() == [2] * 4
    assert gap.mutual_information.argmax("unit").values.tolist() == [0, 1, 2, 3]
    assert apart.importance.argmax("unit").values.tolist() == [0, 1, 2, 3]
    assert gap.mig > 0.8
    assert apart.disentanglement > 0.9
    assert apart.informativeness > 0.95
    assert (apart.n_used == apart.n_tokens).all()
    fewer = interp.measure("dci", acts, tokens=300, **FEW)
    assert ((fewer.n_used > 200) & (fewer.n_used <= 300)).all()


def test_readability_in_one_table(made, aligned):
    values = made.activation.values.copy()
    values[:, 10], values[:, 11] = 0.9999, np.where(np.arange(len(values)) % 999, -1, -0.99)
    acts = made.assign(activation=(("token", "unit"), values))
    result = interp.measure("readability", acts, factors=FACTORS)
    assert result.basis.values.tolist() == ["units", "rotated"]
    assert (int(result.dead), int(result.units), int(result.factors)) == (2, NOISE + 8 - 2, 8)
    assert float(result.mig.sel(basis="units")) == pytest.approx(aligned["mig"], abs=0.01)
    assert float(result.mig.sel(basis="rotated")) <= 0.1
    for name in ("disentanglement", "completeness"):
        assert float(result[name].sel(basis="units")) >= 0.9
        assert float(result[name].sel(basis="rotated")) <= 0.5
    assert result.informativeness.min() > 0.9
    assert float(result.participation.sel(basis="units")) < 2
    assert float(result.participation.sel(basis="rotated")) > 5
    assert abs(float(result.total_correlation.sel(basis="units"))) < 0.03
    assert result.identical(interp.measure("readability", acts, factors=FACTORS))
    assert "8 factors" in interp.methods(result)
    assert "Left out as dead: 2 units" in interp.methods(result)
    with pytest.raises(interp.OptionError, match="already rotated"):
        interp.measure("readability", acts, factors=FACTORS, basis="rotated")
    with pytest.raises(interp.OptionError, match="rotations="):
        interp.measure("readability", acts, factors=FACTORS, rotations=0)


def test_rotated_numbers_are_the_mean_over_rotations(made):
    found = interp.measure("readability", made, factors=FACTORS, rotations=2).sel(basis="rotated")
    turned = [measured(interp.rotate(made, seed).load()) for seed in (0, 1)]
    for name in turned[0]:
        assert float(found[name]) == pytest.approx(np.mean([one[name] for one in turned]), abs=1e-9)


def spoiled(made, value):
    values = made.activation.values.copy()
    values[7, 5] = value
    return made.assign(activation=(("token", "unit"), values))


@pytest.mark.parametrize("probe", ["mig", "dci", "readability"])
@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({}, interp.SchemaError, "label 'input'; these activations have .*factor_0"),
        ({"factors": ["colour"]}, interp.SchemaError, "label 'colour'"),
        ({"factors": "factor_0"}, interp.OptionError, r"pass \['factor_0'\]"),
        ({"labels": "input"}, interp.OptionError, "two names"),
        ({"factors": FACTORS, "minimum": 10**6}, interp.OptionError, "No factor.*1000000 tokens.*factor_0, factor_1"),
        ({"factors": FACTORS, "minimum_sources": 10**6}, interp.OptionError, "minimum_sources="),
    ],
)
def test_errors_say_what_to_type(made, probe, options, error, sentence):
    with pytest.raises(error, match=sentence):
        interp.measure(probe, made, **options)


@pytest.mark.parametrize("probe", ["mig", "dci", "readability", "total-correlation"])
def test_what_cannot_be_measured_is_refused(made, probe):
    options = {} if probe == "total-correlation" else {"factors": FACTORS}
    with pytest.raises(interp.SchemaError, match=r"1 units have NaN.*hidden\.out\.5"):
        interp.measure(probe, spoiled(made, np.nan), **options)
    with pytest.raises(interp.OptionError, match="two at least; got 1"):
        interp.measure(probe, made.isel(unit=[0]), **options)
    with pytest.raises(interp.OptionError, match=r"No|no tokens"):
        interp.measure(probe, made.isel(token=[]), **options)


def test_stores_and_the_order_of_tokens_change_nothing(made, tmp_path):
    small = made.assign_attrs(schema="interp.activations", schema_version=1, interp_version=interp.__version__)
    stored = interp.open(interp.save(small, tmp_path / "acts.zarr"))
    mixed = made.isel(token=np.random.default_rng(0).permutation(made.sizes["token"]))
    for probe in ("mig", "dci"):
        wanted = interp.measure(probe, made, factors=FACTORS).drop_attrs()
        assert interp.measure(probe, stored, factors=FACTORS).drop_attrs().identical(wanted)
        assert interp.measure(probe, mixed, factors=FACTORS).drop_attrs().identical(wanted)


def test_a_half_can_be_halved_again(made):
    for half in interp.halves(made):
        assert interp.measure("dci", half, factors=FACTORS, **FEW).informativeness > 0.95


def test_a_factor_that_is_nan_or_alone_is_refused(made):
    holed = made.assign_coords(factor_0=("token", np.where(made.factor_0, 1.0, np.nan)))
    with pytest.raises(interp.SchemaError, match="'factor_0' is NaN"):
        interp.measure("mig", holed, factors=FACTORS)
    with pytest.raises(interp.OptionError, match="Two factors at least"):
        interp.measure("dci", made, factors=["factor_3"])
    with pytest.raises(interp.OptionError, match="penalty="):
        interp.measure("dci", made, factors=FACTORS, penalty=0)
    assert interp.measure("mig", made, factors=["factor_3"]).mig > 0.8


def test_on_the_network():
    """The dense layer of the article's network: nothing is known of it but what must hold in any."""
    try:
        model = interp.load_model("armenian-bilstm")
    except interp.WeightsError as error:
        pytest.skip(str(error))
    batches = interp.load_task("transliteration").batches("demo", limit=150, seed=0)
    acts = interp.capture(model, batches, modules=["hidden"], progress=False)
    result = interp.measure("readability", acts, **FEW)
    assert int(result.units) + int(result.dead) == acts.sizes["unit"]
    assert result.factors >= 4
    for name in ("mig", "disentanglement", "completeness"):
        assert ((result[name] >= 0) & (result[name] <= 1)).all()
    assert ((result.informativeness > 0.5) & (result.informativeness <= 1)).all()
    assert (result.total_correlation > 10 * result.chance).all()
    assert ((result.participation > 1) & (result.participation <= result.units)).all()
