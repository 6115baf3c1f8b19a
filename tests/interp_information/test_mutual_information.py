"""The probe on planted units, against the plain function, and its errors."""

import json

import numpy as np
import pytest
import xarray as xr

import interp
from interp_information import estimate_mutual_information


def capture(seed):
    planted = interp.testing.planted_network(seed, sources=200)
    acts = interp.capture(planted.model, planted.batches, quantities=["h"], progress=False)
    return planted, interp.select(acts, module="lstm")


@pytest.fixture(scope="module")
def planted_acts():
    return capture(0)


def test_finds_planted_units_and_no_others():
    """Recall is 1 with few false discoveries; a unit that encodes position is found, but not within positions."""
    wrong = []
    for planted, acts in map(capture, range(2, 5)):
        answers = [planted.expectations["mutual-information"][kind] for kind in planted.kinds.values()]
        for strata, expected in (((), map(bool, answers)), (("position",), (answer is True for answer in answers))):
            significant = interp.measure("mutual-information", acts, strata=strata).q.values < 0.01
            informative = np.array([*expected])
            assert significant[informative].all()
            wrong.append(np.mean(~informative[significant]))
    assert np.mean(wrong) <= 0.02


def test_result(planted_acts):
    _, acts = planted_acts
    result = interp.measure("mutual-information", acts)
    assert result.group.values.tolist() == ["s", "t"]
    assert result.group_input.values.tolist() == ["s", "t"]
    assert int(result.tokens) == acts.sizes["token"]
    assert int(result.sources) == 200
    share = result.n_tokens / result.tokens
    np.testing.assert_allclose(result.information, (result.by_input * share).sum("group"), rtol=1e-12)
    assert (result.by_input <= result.entropy + 1e-9).all()
    selected = interp.select(acts, input="t")
    shares = np.unique(selected.output, return_counts=True)[1] / selected.sizes["token"]
    assert float(result.entropy.sel(group="t")) == pytest.approx(-np.sum(shares * np.log2(shares)))
    assert result.smallest_q < 0.0101
    assert "permutations by source" in interp.methods_text(result)
    assert result.identical(interp.measure("mutual-information", acts))


def test_equals_the_plain_function(planted_acts):
    _, acts = planted_acts
    here = interp.select(acts, input="t")
    here = here.isel(token=np.lexsort([here[name].values for name in ("step", "sample", "source")]))
    plain = estimate_mutual_information(here.activation.values, here.output.values, correction="miller-madow")
    result = interp.measure("mutual-information", acts, correction="miller-madow")
    np.testing.assert_allclose(result.by_input.sel(group="t"), plain, rtol=0, atol=1e-12)
    mixed = acts.isel(token=np.random.default_rng(0).permutation(acts.sizes["token"]))
    assert (
        interp.measure("mutual-information", mixed)
        .drop_attrs()
        .identical(interp.measure("mutual-information", acts).drop_attrs())
    )


def test_blocks_and_stores_give_the_same(planted_acts, monkeypatch, tmp_path):
    _, acts = planted_acts
    whole = interp.measure("mutual-information", acts, n_permutations=10)
    monkeypatch.setattr("interp_information.unit_blocks.BLOCK_VALUES", 1)
    stored = interp.open(interp.save(acts, tmp_path / "acts.zarr"))
    assert interp.measure("mutual-information", stored, n_permutations=10).drop_attrs().identical(whole.drop_attrs())


def test_nearest_agrees_with_bins(planted_acts):
    planted, acts = planted_acts
    names = [next(u for u, k in planted.kinds.items() if k == kind) for kind in ("detector", "spread", "xor")]
    nearest = interp.measure("mutual-information", acts, estimator="nearest", units=names)
    binned = interp.measure("mutual-information", acts, units=names)
    assert nearest.unit.values.tolist() == names
    assert int(nearest.tokens) <= 10_000
    np.testing.assert_allclose(nearest.by_input[[0, 2]], binned.by_input[[0, 2]], atol=0.06)
    assert (nearest.by_input[1] > binned.by_input[1]).all()  # its distributions have sharp edges, which bins blur
    assert "p" not in nearest


def with_unit(acts, index, column):
    values = acts.activation.values.copy()
    values[:, index] = column
    return acts.assign(activation=(("token", "unit"), values))


def test_constant_unit_has_no_information(planted_acts):
    _, acts = planted_acts
    result = interp.measure("mutual-information", with_unit(acts, 5, 0.3), n_permutations=10)
    assert result.information[5] == 0
    assert result.p[5] == 1


def test_copy_of_the_label_has_its_entropy(planted_acts):
    _, acts = planted_acts
    result = interp.measure(
        "mutual-information", with_unit(acts, 5, np.isin(acts.output.values, ["z", "d"])), n_permutations=10
    )
    np.testing.assert_allclose(result.by_input[5], result.entropy, atol=0.03)


def test_inputs_with_few_tokens_are_skipped(planted_acts):
    _, acts = planted_acts
    few = acts.isel(token=np.flatnonzero((acts.input != "s") | (acts.source < 40)))
    skipped = json.loads(interp.measure("mutual-information", few, n_permutations=10).attrs["skipped"])
    assert list(skipped) == ["s"]
    assert skipped["s"].endswith("/ 40 sources, under 300 / 50")


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"labels": ("input", "word")}, interp.SchemaError, "'mutual-information' reads the label 'word'"),
        ({"strata": ("word",)}, interp.SchemaError, "'word'"),
        ({"labels": ("input",)}, interp.OptionError, "two names"),
        ({"labels": ("input", "input")}, interp.OptionError, "one input only"),
        ({"strata": "position"}, interp.OptionError, r"pass \['position'\]"),
        ({"estimator": "ksg"}, interp.OptionError, "'bins' or 'nearest'"),
        ({"estimator": "nearest"}, interp.OptionError, r"units=\["),
        ({"units": ["lstm.0.forward.h.99"]}, interp.UnknownNameError, r"lstm\.0\.forward\.h\."),
        ({"min_tokens": 10**6}, interp.OptionError, r"No input has 1000000 tokens.*\d+ tokens / \d+ sources"),
        ({"correction": "none"}, interp.OptionError, "miller-madow"),
    ],
)
def test_errors_say_what_to_type(planted_acts, options, error, sentence):
    with pytest.raises(error, match=sentence):
        interp.measure("mutual-information", planted_acts[1], **options)


def test_activations_that_are_not_finite_are_errors(planted_acts):
    with pytest.raises(interp.SchemaError, match=r"1 units .*lstm\.0\.forward\.h\.5"):
        interp.measure("mutual-information", with_unit(planted_acts[1], 5, np.nan))


def test_ties_are_errors_for_nearest(planted_acts):
    acts = with_unit(planted_acts[1], 5, np.round(planted_acts[1].activation.values[:, 5], 1))
    with pytest.raises(interp.SchemaError, match=r"lstm\.0\.forward\.h\.5 repeat.*estimator='bins'"):
        interp.measure("mutual-information", acts, estimator="nearest", units=["lstm.0.forward.h.5"])


def test_no_tokens_and_streams_are_errors(planted_acts):
    with pytest.raises(interp.OptionError, match="no tokens at all"):
        interp.measure("mutual-information", planted_acts[1].isel(token=[]))
    with pytest.raises(interp.OptionError, match="can't take a stream"):
        interp.measure("mutual-information", [planted_acts[1]].__iter__())


def test_several_models(planted_acts):
    result = interp.measure("mutual-information", [planted_acts[1], planted_acts[1]], n_permutations=5)
    assert result.information.dims == ("model", "unit")
    xr.testing.assert_equal(result.information[0].drop_vars("model"), result.information[1].drop_vars("model"))
