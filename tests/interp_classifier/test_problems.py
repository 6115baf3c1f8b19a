"""Problems, conditions, and features of the text."""

import json

import numpy as np

import interp


def units_of_kind(planted, kind):
    return [name for name, each in planted.kinds.items() if each == kind]


def test_a_pair_is_classified_against_all_other_labels(planted_capture):
    _, acts = planted_capture
    all_labels = interp.measure("classifier", acts, n_controls=0)
    one = interp.measure("classifier", acts, pairs=["t=>d"], n_controls=0)
    assert one.pair.values.tolist() == one.group.values.tolist() == ["t=>d"]
    np.testing.assert_allclose(one.weight.sel(pair="t=>d"), all_labels.weight.sel(pair="t=>d"), rtol=1e-6)


def test_position_units_have_no_gain_within_a_position(planted_capture):
    planted, acts = planted_capture
    names = units_of_kind(planted, "position")
    assert (interp.measure("classifier", acts, units=names, n_controls=0).gain_ci_low > 0.2).all()
    within = interp.measure("classifier", acts, units=names, condition_on=("position",), n_controls=0)
    assert within.group.values.tolist() == ["s|early", "s|late", "t|early", "t|late"]
    assert within.group_position.values.tolist() == ["early", "late"] * 2
    assert (within.gain_ci_low <= 0.01).all()
    assert (within.codelength > 0.98 * within.codelength_input).all()


def test_window_baseline_has_the_accuracy_of_the_hint(planted_capture):
    """The neighbours determine the label with probability 0.9; a linear classifier can't use their exclusive or."""
    _, acts = planted_capture
    result = interp.measure("classifier", acts, n_controls=0)
    window = result.baseline_accuracy.sel(baseline="window")
    assert ((window > 0.85) & (window < 0.95)).all()
    np.testing.assert_array_equal(*(result.baseline_accuracy.sel(baseline=name) for name in ("input", "majority")))


def test_captures_of_one_input_have_no_window_and_no_control(planted_capture):
    _, acts = planted_capture
    here = interp.select(acts, input="t")
    result = interp.measure("classifier", here)
    assert np.isnan(result.baseline_accuracy.sel(baseline="window")).all()
    assert np.isnan(result.selectivity).all()
    skipped = json.loads(result.attrs["skipped"])
    assert "without where=" in skipped["window"]
    assert "control_types=" in skipped["control"]
    named = here.assign_coords(word=("token", (np.arange(here.sizes["token"]) % 50).astype(str)))
    assert np.isfinite(interp.measure("classifier", named, control_types=["word"]).selectivity).all()
