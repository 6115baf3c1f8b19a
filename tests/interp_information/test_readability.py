"""Readability of a known code: along the axes, rotated and copied."""

import numpy as np
import pytest

import interp

FACTORS = [f"factor_{k}" for k in range(8)]
FEW = {"min_tokens": 50, "min_sources": 20}


def readability_scores(acts):
    gap, disentangled = (interp.measure(name, acts, factors=FACTORS) for name in ("mig", "dci"))
    return {"mig": float(gap.mig)} | {name: float(disentangled[name]) for name in ("disentanglement", "completeness")}


@pytest.fixture(scope="module")
def aligned(coded_acts):
    return readability_scores(coded_acts)


def test_code_along_the_axes_is_readable(aligned):
    assert aligned["mig"] >= 0.8
    assert aligned["disentanglement"] >= 0.9
    assert aligned["completeness"] >= 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_rotated_code_is_unreadable(coded_acts, aligned, seed):
    rotated = readability_scores(interp.rotate_basis(coded_acts, seed).load())
    assert rotated["mig"] <= 0.1
    assert rotated["disentanglement"] <= aligned["disentanglement"] - 0.4
    assert rotated["completeness"] <= aligned["completeness"] - 0.4


def test_copies_lower_mig_and_not_disentanglement(copied_acts, aligned):
    """Two units encode each factor equally well, and still each unit encodes one factor."""
    copied = readability_scores(copied_acts)
    assert copied["mig"] <= 0.05
    assert copied["disentanglement"] >= aligned["disentanglement"] - 0.02


def test_readability_in_one_table(coded_acts, aligned):
    values = coded_acts.activation.values.copy()
    values[:, 10], values[:, 11] = 0.9999, np.where(np.arange(len(values)) % 999, -1, -0.99)
    acts = coded_acts.assign(activation=(("token", "unit"), values))
    result = interp.measure("readability", acts, factors=FACTORS)
    assert result.basis.values.tolist() == ["units", "rotated"]
    assert (int(result.dead), int(result.units), int(result.factors)) == (2, 30, 8)
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
    assert "8 factors" in interp.methods_text(result)
    assert "Left out as dead: 2 units" in interp.methods_text(result)


def test_errors_say_what_to_type(coded_acts):
    with pytest.raises(interp.OptionError, match="already rotated"):
        interp.measure("readability", coded_acts, factors=FACTORS, basis="rotated")
    with pytest.raises(interp.OptionError, match="n_rotations="):
        interp.measure("readability", coded_acts, factors=FACTORS, n_rotations=0)


def test_rotated_values_are_means_over_rotations(coded_acts):
    result = interp.measure("readability", coded_acts, factors=FACTORS, n_rotations=2).sel(basis="rotated")
    rotated = [readability_scores(interp.rotate_basis(coded_acts, seed).load()) for seed in (0, 1)]
    for name in rotated[0]:
        assert float(result[name]) == pytest.approx(np.mean([one[name] for one in rotated]), abs=1e-9)


def test_stores_and_token_order_give_the_same(coded_acts, tmp_path):
    attrs = {"schema": "interp.activations", "schema_version": 1, "interp_version": interp.__version__}
    stored = interp.open(interp.save(coded_acts.assign_attrs(attrs), tmp_path / "acts.zarr"))
    mixed = coded_acts.isel(token=np.random.default_rng(0).permutation(coded_acts.sizes["token"]))
    for probe in ("mig", "dci"):
        expected = interp.measure(probe, coded_acts, factors=FACTORS).drop_attrs()
        assert interp.measure(probe, stored, factors=FACTORS).drop_attrs().identical(expected)
        assert interp.measure(probe, mixed, factors=FACTORS).drop_attrs().identical(expected)


def test_armenian_network():
    """The dense layer of the article's network satisfies the bounds that hold for any network."""
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
