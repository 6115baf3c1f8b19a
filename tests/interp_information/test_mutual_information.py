"""The probe on planted units, against a loop, and in every case that it has to refuse or name."""

import json

import numpy as np
import pytest
import xarray as xr

import interp
from interp_information import mutual_information


def capture(seed):
    planted = interp.testing.planted(seed, sources=200)
    acts = interp.capture(planted.model, planted.batches, quantities=["h"], progress=False)
    return planted, interp.pick(acts, module="lstm")


@pytest.fixture(scope="module")
def made():
    return capture(0)


def test_finds_what_is_planted_and_nothing_else():
    """Recall 1, and few false ones (of 20 seeds, see the benchmark); position is found, but not within a half."""
    wrong = []
    for planted, acts in map(capture, range(2, 5)):
        answers = [planted.expectations["mutual-information"][kind] for kind in planted.kinds.values()]
        for given, wanted in (((), map(bool, answers)), (("position",), (answer is True for answer in answers))):
            found, yes = interp.measure("mutual-information", acts, given=given).q.values < 0.01, np.array([*wanted])
            assert found[yes].all()
            wrong.append(np.mean(~yes[found]))
    assert np.mean(wrong) <= 0.02


def test_what_it_returns(made):
    _, acts = made
    result = interp.measure("mutual-information", acts)
    assert result.group.values.tolist() == ["s", "t"]
    assert result.group_input.values.tolist() == ["s", "t"]
    assert int(result.tokens) == acts.sizes["token"]
    assert int(result.sources) == 200
    share = result.n_tokens / result.tokens
    np.testing.assert_allclose(result.information, (result.by_input * share).sum("group"), rtol=1e-12)
    assert (result.by_input <= result.entropy + 1e-9).all()
    asked = interp.pick(acts, input="t")
    shares = np.unique(asked.output, return_counts=True)[1] / asked.sizes["token"]
    assert float(result.entropy.sel(group="t")) == pytest.approx(-np.sum(shares * np.log2(shares)))
    assert result.smallest_q < 0.0101
    assert "permutations by source" in interp.methods(result)
    assert result.identical(interp.measure("mutual-information", acts))


def test_equals_the_plain_function(made):
    _, acts = made
    here = interp.pick(acts, input="t")
    here = here.isel(token=np.lexsort([here[name].values for name in ("step", "sample", "source")]))
    plain = mutual_information(here.activation.values, here.output.values, correction="miller-madow")
    result = interp.measure("mutual-information", acts, correction="miller-madow")
    np.testing.assert_allclose(result.by_input.sel(group="t"), plain, rtol=0, atol=1e-12)
    mixed = acts.isel(token=np.random.default_rng(0).permutation(acts.sizes["token"]))
    assert (
        interp.measure("mutual-information", mixed)
        .drop_attrs()
        .identical(interp.measure("mutual-information", acts).drop_attrs())
    )


def test_blocks_and_stores_change_nothing(made, monkeypatch, tmp_path):
    _, acts = made
    whole = interp.measure("mutual-information", acts, draws=10)
    monkeypatch.setattr("interp_information.unit_blocks.VALUES", 1)
    stored = interp.open(interp.save(acts, tmp_path / "acts.zarr"))
    assert interp.measure("mutual-information", stored, draws=10).drop_attrs().identical(whole.drop_attrs())


def test_nearest_agrees_with_bins(made):
    planted, acts = made
    names = [next(u for u, k in planted.kinds.items() if k == kind) for kind in ("detector", "spread", "xor")]
    found = interp.measure("mutual-information", acts, estimator="nearest", units=names)
    wanted = interp.measure("mutual-information", acts, units=names)
    assert found.unit.values.tolist() == names
    assert int(found.tokens) <= 10_000
    np.testing.assert_allclose(found.by_input[[0, 2]], wanted.by_input[[0, 2]], atol=0.06)
    assert (found.by_input[1] > wanted.by_input[1]).all()  # its laws have sharp edges, over which bins reach
    assert "p" not in found


def unit(acts, at, values):
    held = acts.activation.values.copy()
    held[:, at] = values
    return acts.assign(activation=(("token", "unit"), held))


def test_a_constant_unit_knows_nothing(made):
    _, acts = made
    result = interp.measure("mutual-information", unit(acts, 5, 0.3), draws=10)
    assert result.information[5] == 0
    assert result.p[5] == 1


def test_a_unit_that_is_the_label_knows_all(made):
    _, acts = made
    result = interp.measure("mutual-information", unit(acts, 5, np.isin(acts.output.values, ["z", "d"])), draws=10)
    np.testing.assert_allclose(result.by_input[5], result.entropy, atol=0.03)


def test_inputs_with_few_tokens_are_named(made):
    _, acts = made
    few = acts.isel(token=np.flatnonzero((acts.input != "s") | (acts.source < 40)))
    skipped = json.loads(interp.measure("mutual-information", few, draws=10).attrs["skipped"])
    assert list(skipped) == ["s"]
    assert skipped["s"].endswith("/ 40 sources, under 300 / 50")


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"labels": ("input", "word")}, interp.SchemaError, "'mutual-information' reads the label 'word'"),
        ({"given": ("word",)}, interp.SchemaError, "'word'"),
        ({"labels": ("input",)}, interp.OptionError, "two names"),
        ({"labels": ("input", "input")}, interp.OptionError, "one input only"),
        ({"given": "position"}, interp.OptionError, r"pass \['position'\]"),
        ({"estimator": "ksg"}, interp.OptionError, "'bins' or 'nearest'"),
        ({"estimator": "nearest"}, interp.OptionError, r"units=\["),
        ({"units": ["lstm.0.forward.h.99"]}, interp.UnknownNameError, r"lstm\.0\.forward\.h\."),
        ({"minimum": 10**6}, interp.OptionError, r"No input has 1000000 tokens.*\d+ tokens / \d+ sources"),
        ({"correction": "none"}, interp.OptionError, "miller-madow"),
    ],
)
def test_errors_say_what_to_type(made, options, error, sentence):
    with pytest.raises(error, match=sentence):
        interp.measure("mutual-information", made[1], **options)


def test_activations_that_are_not_finite_are_refused(made):
    with pytest.raises(interp.SchemaError, match=r"1 units .*lstm\.0\.forward\.h\.5"):
        interp.measure("mutual-information", unit(made[1], 5, np.nan))


def test_ties_are_refused_by_nearest(made):
    acts = unit(made[1], 5, np.round(made[1].activation.values[:, 5], 1))
    with pytest.raises(interp.SchemaError, match=r"lstm\.0\.forward\.h\.5 repeat.*estimator='bins'"):
        interp.measure("mutual-information", acts, estimator="nearest", units=["lstm.0.forward.h.5"])


def test_no_tokens_and_streams_are_refused(made):
    with pytest.raises(interp.OptionError, match="no tokens at all"):
        interp.measure("mutual-information", made[1].isel(token=[]))
    with pytest.raises(interp.OptionError, match="can't take a stream"):
        interp.measure("mutual-information", [made[1]].__iter__())


def test_several_models(made):
    result = interp.measure("mutual-information", [made[1], made[1]], draws=5)
    assert result.information.dims == ("model", "unit")
    xr.testing.assert_equal(result.information[0].drop_vars("model"), result.information[1].drop_vars("model"))
