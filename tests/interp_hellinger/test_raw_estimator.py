"""The raw estimator against a naive loop."""

import json

import numpy as np
import pytest

import interp

RAW = {"estimator": "raw", "min_tokens": 50}


def naive_distances(acts, min_tokens, bins=1000):
    """Return the distances of all units and the side counts for each pair, one unit and pair at a time."""
    inputs, outputs, source = (acts[name].values for name in ("input", "output", "source"))
    expected = {}
    for a, b in sorted(set(zip(inputs.tolist(), outputs.tolist(), strict=True))):
        sides = [(inputs == a) & (outputs == b), (inputs == a) & (outputs != b)]
        if min(side.sum() for side in sides) < min_tokens:
            continue
        distances = []
        for column in acts.activation.values.T.astype(float):
            p, q = (np.histogram(column[side], bins, (column.min(), column.max()))[0] for side in sides)
            distances.append(np.sqrt(0.5 * np.sum((np.sqrt(p / p.sum()) - np.sqrt(q / q.sum())) ** 2)))
        n = [(int(side.sum()), np.unique(source[side]).size) for side in sides]
        expected[f"{a}=>{b}"] = (distances, *n[0], *n[1])
    return expected


def with_column(acts, unit, column):
    values = acts.activation.values.copy()
    values[:, unit] = column
    return acts.assign(activation=(("token", "unit"), values))


@pytest.mark.parametrize(("min_tokens", "bins"), [(20, 1000), (100, 16)])
def test_equals_a_naive_loop(drawn_acts, min_tokens, bins):
    acts = interp.select(drawn_acts, index=slice(0, 3))
    expected = naive_distances(acts, min_tokens, bins)
    result = interp.measure("hellinger", acts, estimator="raw", min_tokens=min_tokens, bins=bins)
    assert result.pair.values.tolist() == list(expected)
    for name, (distances, n_target, sources_target, n_rest, sources_rest) in expected.items():
        one = result.sel(pair=name)
        np.testing.assert_allclose(one.distance, distances, rtol=0, atol=1e-12)
        assert (one.n_target, one.n_rest) == (n_target, n_rest)
        assert (one.sources_target, one.sources_rest) == (sources_target, sources_rest)
        assert f"{one.pair_input.item()}=>{one.pair_output.item()}" == name


def test_result(drawn_acts):
    result = interp.measure("hellinger", drawn_acts, **RAW)
    assert result.distance.dims == ("unit", "pair")
    assert result.distance.dtype == np.float64
    assert {values.dtype for name, values in result.data_vars.items() if name != "distance"} == {np.dtype("int64")}
    assert float(result.distance.min()) >= 0
    assert float(result.distance.max()) <= 1
    assert "1000 equal bins" in interp.methods_text(result)
    assert result.identical(interp.measure("hellinger", drawn_acts, **RAW))


def test_rest_includes_rare_outputs(drawn_acts):
    all_pairs = interp.measure("hellinger", drawn_acts, estimator="raw", min_tokens=1)
    one_pair = interp.measure("hellinger", drawn_acts, pairs=["t=>ծ"], **RAW)
    assert one_pair.pair.values.tolist() == ["t=>ծ"]
    assert all_pairs.sel(pair=["t=>ծ"]).drop_attrs().identical(one_pair.drop_attrs())
    assert int(one_pair.n_target[0] + one_pair.n_rest[0]) == int((drawn_acts.input == "t").sum())


def test_constant_unit_has_distance_0(drawn_acts):
    result = interp.measure("hellinger", with_column(drawn_acts, 2, 0.7), **RAW)
    assert (result.distance[2] == 0).all()


def test_perfect_unit_has_distance_1(drawn_acts):
    result = interp.measure("hellinger", with_column(drawn_acts, 2, drawn_acts.output.values == "ծ"), **RAW)
    assert result.distance[2].sel(pair="t=>ծ") == pytest.approx(1, abs=1e-15)


def test_other_labels(drawn_acts):
    result = interp.measure("hellinger", drawn_acts, labels=("output", "step"), estimator="raw", min_tokens=20)
    assert result.pair_output.dtype == np.int32
    assert json.loads(result.attrs["options"])["labels"] == ["output", "step"]


def test_unstable_source_is_detected(drawn_acts):
    class Unstable:
        """A stream whose second pass differs from the first."""

        def __init__(self, *passes):
            self.passes = list(passes)

        def __iter__(self):
            return iter([self.passes.pop(0)])

    fewer = interp.select(drawn_acts, sample=slice(0, 150))
    louder = drawn_acts.assign(activation=drawn_acts.activation * 2)
    for other in (fewer, louder):
        with pytest.raises(interp.InterpError, match="other tokens"):
            interp.measure("hellinger", Unstable(drawn_acts, other), estimator="raw", min_tokens=20)


def test_32_bit_counters_give_the_same(drawn_acts, monkeypatch):
    monkeypatch.setattr("interp_hellinger.counters.MAX_UINT16_TOKENS", 2)
    wide = interp.measure("hellinger", drawn_acts, **RAW)
    monkeypatch.undo()
    assert wide.identical(interp.measure("hellinger", drawn_acts, **RAW))
