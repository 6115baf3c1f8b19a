"""The raw distance on activations of the Armenian network, against a naive loop: dataset, store and stream."""

import numpy as np
import pytest
import torch

import interp

GATES = ["h", "c", "i", "f", "g", "o", "c_prev"]


@pytest.fixture(scope="module", params=["trained", "untrained"])
def network(request):
    task = interp.load_task("transliteration", language="hy")
    if request.param == "trained":
        try:
            return task, interp.load_model("armenian-bilstm")
        except interp.WeightsError as error:
            pytest.skip(str(error))
    torch.manual_seed(0)
    return task, task.build_model("armenian-bilstm").eval()


def test_equals_a_naive_loop_on_real_activations(network, tmp_path):
    task, model = network
    batches = task.batches("demo", limit=120, seed=0)
    acts = interp.capture(model, batches, quantities=GATES, progress=False)
    result = interp.measure("hellinger", acts, estimator="raw", min_tokens=40)
    assert result.sizes["pair"] > 5
    inputs, outputs = acts.input.values, acts.output.values
    for unit in np.random.default_rng(0).choice(acts.sizes["unit"], 25, replace=False):
        values = acts.activation.values[:, unit].astype(float)
        for pair in range(result.sizes["pair"]):
            of_input = inputs == result.pair_input.values[pair]
            has_output = outputs == result.pair_output.values[pair]
            sides = (of_input & has_output, of_input & ~has_output)
            p, q = (np.histogram(values[side], 1000, (values.min(), values.max()))[0] for side in sides)
            naive = np.sqrt(0.5 * np.sum((np.sqrt(p / p.sum()) - np.sqrt(q / q.sum())) ** 2))
            assert result.distance.values[unit, pair] == pytest.approx(naive, rel=0, abs=1e-12)
    stored = interp.open(interp.save(acts, tmp_path / "acts.zarr"))
    assert interp.measure("hellinger", stored, estimator="raw", min_tokens=40).identical(result)
    stream = interp.stream(model, batches, quantities=GATES, progress=False)
    assert interp.measure("hellinger", stream, estimator="raw", min_tokens=40).identical(result)
