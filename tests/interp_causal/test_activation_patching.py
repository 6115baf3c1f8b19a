"""The probe activation-patching on twins with the opposite sign."""

import pytest

import interp

H = "rnn.0.forward.h."


def test_twins_with_the_opposite_sign(make_planted, capture):
    model, batch = make_planted(samples=20)
    acts = capture(model, batch)
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
    restored = dict(zip(result.group.values, result.restored.values, strict=True))
    assert restored["silent"] == pytest.approx(0, abs=1e-6)
    assert restored["all"] == pytest.approx(1, abs=0.06)  # the direct path from the inputs stays
    assert restored["detector"] + restored["twins"] == pytest.approx(restored["all"], abs=1e-6)
    assert 0.3 < restored["detector"] < 0.7
    assert float(result.sample) > 0 > float(result.twin)
    short = interp.Batch(x[:, :5], [5] * 20, {"input": ["ppppp"] * 20, "output": ["xyxyx"] * 20})
    with pytest.raises(interp.OptionError, match="100 tokens and the samples 120"):
        interp.measure("activation-patching", acts, model=model, batches=short, groups=groups, pair="p=>x")
