import json

import numpy as np
import pytest

import interp
from interp_hellinger import hellinger, pairs


def naive(acts, minimum, bins=1000):
    """The article's distance, one unit and pair at a time, with the tokens and sources of either side."""
    given, becomes, source = (acts[name].values for name in ("input", "output", "source"))
    found = {}
    for a, b in sorted(set(zip(given.tolist(), becomes.tolist(), strict=True))):
        sides = [(given == a) & (becomes == b), (given == a) & (becomes != b)]
        if min(side.sum() for side in sides) < minimum:
            continue
        distances = []
        for column in acts.activation.values.T.astype(float):
            p, q = (np.histogram(column[side], bins, (column.min(), column.max()))[0] for side in sides)
            distances.append(np.sqrt(0.5 * np.sum((np.sqrt(p / p.sum()) - np.sqrt(q / q.sum())) ** 2)))
        n = [(int(side.sum()), np.unique(source[side]).size) for side in sides]
        found[f"{a}=>{b}"] = (distances, *n[0], *n[1])
    return found


@pytest.mark.parametrize(("minimum", "bins"), [(20, 1000), (100, 16)])
def test_equals_a_naive_loop(drawn_acts, minimum, bins):
    acts = interp.pick(drawn_acts, index=slice(0, 3))
    wanted = naive(acts, minimum, bins)
    result = interp.measure("hellinger", acts, mode="article", minimum=minimum, bins=bins)
    assert result.pair.values.tolist() == list(wanted)
    for name, (distances, n_with, sources_with, n_without, sources_without) in wanted.items():
        one = result.sel(pair=name)
        np.testing.assert_allclose(one.distance, distances, rtol=0, atol=1e-12)
        assert (one.n_with, one.n_without) == (n_with, n_without)
        assert (one.sources_with, one.sources_without) == (sources_with, sources_without)
        assert f"{one.pair_input.item()}=>{one.pair_output.item()}" == name


def test_result(drawn_acts):
    result = interp.measure("hellinger", drawn_acts, mode="article", minimum=50)
    assert result.distance.dims == ("unit", "pair")
    assert result.distance.dtype == np.float64
    assert {held.dtype for name, held in result.data_vars.items() if name != "distance"} == {np.dtype("int64")}
    assert float(result.distance.min()) >= 0
    assert float(result.distance.max()) <= 1
    assert "1000 equal bins" in interp.methods(result)
    assert result.identical(interp.measure("hellinger", drawn_acts, mode="article", minimum=50))


def test_the_other_side_holds_rare_outputs(drawn_acts):
    wide = interp.measure("hellinger", drawn_acts, mode="article", minimum=1)
    narrow = interp.measure("hellinger", drawn_acts, pairs=["t=>ծ"], mode="article", minimum=50)
    assert narrow.pair.values.tolist() == ["t=>ծ"]
    xs, ys = wide.sel(pair=["t=>ծ"]), narrow
    assert xs.drop_attrs().identical(ys.drop_attrs())
    assert int(narrow.n_with[0] + narrow.n_without[0]) == int((drawn_acts.input == "t").sum())


def test_a_constant_unit_is_at_distance_0(drawn_acts):
    values = drawn_acts.activation.values.copy()
    values[:, 2] = 0.7
    acts = drawn_acts.assign(activation=(("token", "unit"), values))
    result = interp.measure("hellinger", acts, mode="article", minimum=50)
    assert (result.distance[2] == 0).all()


def test_a_perfect_unit_is_at_distance_1(drawn_acts):
    values = drawn_acts.activation.values.copy()
    values[:, 2] = drawn_acts.output.values == "ծ"
    acts = drawn_acts.assign(activation=(("token", "unit"), values))
    result = interp.measure("hellinger", acts, mode="article", minimum=50)
    assert result.distance[2].sel(pair="t=>ծ") == pytest.approx(1, abs=1e-15)


def test_other_labels(drawn_acts):
    result = interp.measure("hellinger", drawn_acts, labels=("output", "step"), mode="article", minimum=20)
    assert result.pair_output.dtype == np.int32
    assert json.loads(result.attrs["options"])["labels"] == ["output", "step"]


def test_wanted_pairs_with_too_few_are_named(drawn_acts):
    known = pairs(drawn_acts)
    few = known.pair.values[known.n_with.values.argmin()]
    result = interp.measure("hellinger", drawn_acts, pairs=["t=>ծ", few], mode="article", minimum=100)
    assert result.pair.values.tolist() == ["t=>ծ"]
    assert list(json.loads(result.attrs["skipped"])) == [few]


def test_pairs(drawn_acts):
    found = pairs(drawn_acts, minimum=100)
    kept = interp.measure("hellinger", drawn_acts, mode="article", minimum=100)
    assert found.pair.values[found.enough].tolist() == kept.pair.values.tolist()
    for name in kept.data_vars.keys() - {"distance"}:
        np.testing.assert_array_equal(found[name].values[found.enough], kept[name].values)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"minimum": 10**6}, interp.OptionError, r"No pair has 1000000 tokens.*nearest.*\d+ / \d+"),
        ({"pairs": ["t=>x"]}, interp.UnknownNameError, "'t=>x'.*t=>"),
        ({"pairs": "t=>ծ"}, interp.OptionError, r"pass \['t=>ծ'\]"),
        ({"mode": "honets"}, interp.OptionError, "'honest' or 'article'; got 'honets'"),
        ({"bins": 0}, interp.OptionError, "bins=0"),
        ({"labels": ("input",)}, interp.OptionError, "two names"),
        ({"labels": ("input", "word")}, interp.SchemaError, "'hellinger' reads the label 'word'"),
    ],
)
def test_errors_say_what_to_type(drawn_acts, options, error, sentence):
    with pytest.raises(error, match=sentence):
        interp.measure("hellinger", drawn_acts, **options)


@pytest.mark.parametrize("mode", ["article", "honest"])
@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_units_that_are_not_finite_are_named(drawn_acts, mode, odd):
    values = drawn_acts.activation.values.copy()
    values[np.flatnonzero(drawn_acts.input.values == "t")[7], 3] = odd
    with pytest.raises(interp.SchemaError, match=r"1 units .*lstm\.0\.forward\.h\.3"):
        interp.measure("hellinger", drawn_acts.assign(activation=(("token", "unit"), values)), mode=mode, minimum=50)


def test_one_output_only_is_an_error(drawn_acts):
    with pytest.raises(interp.OptionError, match="No pair has 300"):
        interp.measure("hellinger", interp.pick(drawn_acts, output="ծ"))


class Fickle:
    """A stream whose second pass differs from the first."""

    def __init__(self, *passes):
        self.passes = list(passes)

    def __iter__(self):
        return iter([self.passes.pop(0)])


def test_a_source_that_changes_is_noticed(drawn_acts):
    fewer = interp.pick(drawn_acts, sample=slice(0, 150))
    louder = drawn_acts.assign(activation=drawn_acts.activation * 2)
    for other in (fewer, louder):
        with pytest.raises(interp.InterpError, match="other tokens"):
            interp.measure("hellinger", Fickle(drawn_acts, other), mode="article", minimum=20)


def test_wide_counts(drawn_acts, monkeypatch):
    monkeypatch.setattr("interp_hellinger.raw_estimator.NARROW", 2)
    wide = interp.measure("hellinger", drawn_acts, mode="article", minimum=50)
    monkeypatch.undo()
    assert wide.identical(interp.measure("hellinger", drawn_acts, mode="article", minimum=50))


def test_on_plain_counts():
    assert hellinger([1, 1], [5, 5]) == 0
    assert hellinger([[2, 0]], [[0, 9]]).tolist() == [1.0]
    p, q = np.array([0.36, 0.64]), np.array([0.5, 0.5])
    np.testing.assert_allclose(hellinger(100 * p, q), np.sqrt(1 - np.sqrt(p * q).sum()), rtol=1e-12)
