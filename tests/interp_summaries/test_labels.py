"""Counts of label combinations and distinct rows, against Python sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import interp
from interp_summaries.labels import unique_rows

COLUMNS = [
    st.text(alphabet="aեծ\U0001f600", max_size=6),
    st.text(alphabet="ab", max_size=1),
    st.integers(-5, 5),
    st.integers(-(2**40), 2**40),
    st.floats(-1, 1, width=16),
]


@given(st.lists(st.sampled_from(range(len(COLUMNS))), min_size=1, max_size=3), st.integers(0, 30), st.data())
def test_distinct_rows(kinds, size, data):
    """Distinct rows equal the sorted set of tuples."""
    rows = [data.draw(st.lists(COLUMNS[kind], min_size=size, max_size=size)) for kind in kinds]
    columns = [np.array(row, dtype="<U6" if kind < 2 else None) for kind, row in zip(kinds, rows, strict=True)]
    tuples = list(zip(*(column.tolist() for column in columns), strict=True))
    distinct, codes = unique_rows(columns)
    expected = sorted(set(tuples))
    assert list(zip(*(column.tolist() for column in distinct), strict=True)) == expected
    assert [expected[code] for code in codes] == tuples


def test_counts_of_tokens_and_sources(drawn_acts):
    result = interp.measure("labels", drawn_acts)
    rows = list(zip(drawn_acts.input.values.tolist(), drawn_acts.output.values.tolist(), strict=True))
    distinct = list(zip(result.input.values.tolist(), result.output.values.tolist(), strict=True))
    assert distinct == sorted(set(rows))
    assert result.tokens.values.tolist() == [rows.count(row) for row in distinct]
    expected = {(row, int(source)) for row, source in zip(rows, drawn_acts.source.values, strict=True)}
    assert result.sources.values.tolist() == [sum(one == row for one, _ in expected) for row in distinct]
    occurrences = zip(result.occurrence_row.values, result.occurrence_source.values, strict=True)
    assert {(distinct[row], int(source)) for row, source in occurrences} == expected
    assert result.sizes["occurrence"] == len(expected)


def test_labels_of_any_type_and_number(drawn_acts):
    result = interp.measure("labels", drawn_acts, labels=("step",))
    np.testing.assert_array_equal(result.tokens, np.bincount(drawn_acts.step))
    three = interp.measure("labels", drawn_acts, labels=("input", "output", "predicted"))
    assert three.tokens.sum() == drawn_acts.sizes["token"]
    with pytest.raises(interp.SchemaError, match="'inputs'"):
        interp.measure("labels", drawn_acts, labels=("inputs",))
    with pytest.raises(interp.OptionError, match="names of labels"):
        interp.measure("labels", drawn_acts, labels="input")


def test_no_tokens(drawn_acts):
    result = interp.measure("labels", drawn_acts.isel(token=[]))
    assert result.sizes == {"row": 0, "occurrence": 0}
