import pytest

import interp


def test_table_of_distances(drawn_acts):
    result = interp.measure("hellinger", drawn_acts, mode="article", minimum=50)
    table = interp.table(result)
    assert len(table) == result.distance.size
    assert table.columns[:2].tolist() == ["unit", "pair"]
    assert {"module", "quantity", "index", "pair_input", "n_with", "sources_without"} <= set(table.columns)
    row = table[(table.unit == "lstm.0.backward.g.3") & (table.pair == "t=>ծ")].iloc[0]
    cell = result.sel(unit="lstm.0.backward.g.3", pair="t=>ծ")
    assert row.distance == cell.distance
    assert (row.n_with, row.quantity, row.pair_output) == (cell.n_with, "g", "ծ")


def test_tables_of_other_results(drawn_acts):
    labels = interp.table(interp.measure("labels", drawn_acts))
    assert labels.columns.tolist() == ["input", "output", "tokens", "sources"]
    moments = interp.table(interp.measure("moments", drawn_acts))
    assert len(moments) == drawn_acts.sizes["unit"]
    assert (moments.n == drawn_acts.sizes["token"]).all()
    several = interp.table(interp.measure("range", [drawn_acts, drawn_acts]))
    assert several.columns[:2].tolist() == ["model", "unit"]
    assert len(several) == 2 * drawn_acts.sizes["unit"]


def test_methods(drawn_acts):
    text = interp.methods(interp.measure("hellinger", drawn_acts.assign_attrs(seed=7), mode="article", minimum=50))
    for part in (
        "Hellinger distance",
        "at least 50 tokens",
        interp.__version__,
        "made-up-bilstm",
        "seed 7",
        '"bins": 1000',
    ):
        assert part in text
    several = interp.methods(interp.measure("range", [drawn_acts, drawn_acts]))
    assert "models made-up-bilstm, made-up-bilstm-2" in several


@pytest.mark.parametrize("function", [interp.table, interp.methods])
def test_only_results(drawn_acts, function):
    with pytest.raises(interp.SchemaError, match=r"result of interp\.measure"):
        function(drawn_acts)
