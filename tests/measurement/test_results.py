"""`interp.methods_text` and `interp.to_dataframe`: the methods paragraph and tidy tables of results."""

import pytest

import interp

OPTIONS = {
    "hellinger": {"estimator": "raw", "min_tokens": 50},
    "range": {},
    "moments": {},
    "histogram": {"bins": 5},
    "labels": {},
    "saturation": {"high": 0.8},
    "top-contexts": {"sample": 100},
}


def test_table_of_distances(drawn_acts):
    result = interp.measure("hellinger", drawn_acts, estimator="raw", min_tokens=50)
    table = interp.to_dataframe(result)
    assert len(table) == result.distance.size
    assert table.columns[:2].tolist() == ["unit", "pair"]
    assert {"module", "quantity", "index", "pair_input", "n_target", "sources_rest"} <= set(table.columns)
    row = table[(table.unit == "lstm.0.backward.g.3") & (table.pair == "t=>ծ")].iloc[0]
    cell = result.sel(unit="lstm.0.backward.g.3", pair="t=>ծ")
    assert row.distance == cell.distance
    assert (row.n_target, row.quantity, row.pair_output) == (cell.n_target, "g", "ծ")


def test_tables_of_other_results(drawn_acts):
    labels = interp.to_dataframe(interp.measure("labels", drawn_acts))
    assert labels.columns.tolist() == ["input", "output", "tokens", "sources"]
    moments = interp.to_dataframe(interp.measure("moments", drawn_acts))
    assert len(moments) == drawn_acts.sizes["unit"]
    assert (moments.n == drawn_acts.sizes["token"]).all()
    several = interp.to_dataframe(interp.measure("range", [drawn_acts, drawn_acts]))
    assert several.columns[:2].tolist() == ["model", "unit"]
    assert len(several) == 2 * drawn_acts.sizes["unit"]


def test_methods(drawn_acts):
    text = interp.methods_text(
        interp.measure("hellinger", drawn_acts.assign_attrs(seed=7), estimator="raw", min_tokens=50)
    )
    for part in (
        "Hellinger distance",
        "at least 50 tokens",
        interp.__version__,
        "made-up-bilstm",
        "seed 7",
        '"bins": 1000',
    ):
        assert part in text
    several = interp.methods_text(interp.measure("range", [drawn_acts, drawn_acts]))
    assert "models made-up-bilstm, made-up-bilstm-2" in several


def test_every_methods_paragraph_is_complete(drawn_acts):
    acts = drawn_acts.assign_attrs(seed=7, model_sha256="76a3")
    n = f"n = {acts.sizes['token']:,} tokens / 100 sources."
    for name, options in OPTIONS.items():
        result = interp.measure(name, acts, **options)
        text = interp.methods_text(result)
        parts = ["made-up-bilstm", "sha256 76a3", "task transliteration", "seed 7", n, f"interp {interp.__version__}"]
        parts += [f"probe {name} {result.attrs['probe_version']}", *(f'"{option}": ' for option in options)]
        assert all(part in text for part in parts), text
        assert text[0].isupper()
        assert ". Computed with" in text


def test_the_n_of_several_captures_is_listed_for_each(drawn_acts):
    other = interp.select(drawn_acts, sample=slice(0, 100))
    n = f"{drawn_acts.sizes['token']}, {other.sizes['token']}"
    assert f"n = ({n}) tokens / (100, 50) sources" in interp.methods_text(interp.measure("range", [drawn_acts, other]))
    twice = interp.methods_text(interp.measure("range", [other, other]))
    assert f"n = {other.sizes['token']:,} tokens / 50 sources" in twice


def test_tokens_and_sources_of_a_stream_are_counted(drawn_acts):
    parts = [interp.select(drawn_acts, sample=slice(0, 90)), interp.select(drawn_acts, sample=slice(90, None))]

    class Stream:
        def __iter__(self):
            return iter(parts)

    result = interp.measure("histogram", Stream())
    assert (result.attrs["n_tokens"], result.attrs["n_sources"]) == (drawn_acts.sizes["token"], 100)


@pytest.mark.parametrize("function", [interp.to_dataframe, interp.methods_text])
def test_only_results(drawn_acts, function):
    with pytest.raises(interp.SchemaError, match=r"result of interp\.measure"):
        function(drawn_acts)
