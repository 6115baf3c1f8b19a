"""Log-odds against a contrast set as the target value."""

import numpy as np
import pytest
from helpers.edited import LENGTHS, LETTERS, batch, net

import interp


def attribute(model, samples, selection=None, **options):
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    acts = acts if selection is None else interp.select(acts, **selection)
    return interp.measure("attribution", acts, model=model, batches=samples, **{"target": 1, **options})


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_log_odds_are_attributed_completely(kind):
    model, samples = net(kind), batch()
    model.symbols = {"dense": list("abcde")}
    result = attribute(model, samples, target="input", contrast_with=["a", "b", "c"], baseline="zero")
    logits = model(*samples.inputs).detach().numpy()
    rows = 0
    for sample, n in enumerate(LENGTHS):
        for step in range(n):
            column = "abc".index(LETTERS[sample][step])
            others = np.delete(logits[sample, step, :3], column)
            expected = logits[sample, step, column] - np.log(np.exp(others).sum())
            assert float(result.target_value[rows]) == pytest.approx(expected)
            rows += 1
    assert abs(result.convergence_delta.values).max() < 1e-6
