import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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
    """Against sorted tuples."""
    rows = [data.draw(st.lists(COLUMNS[kind], min_size=size, max_size=size)) for kind in kinds]
    columns = [np.array(row, dtype="<U6" if kind < 2 else None) for kind, row in zip(kinds, rows, strict=True)]
    together = list(zip(*(column.tolist() for column in columns), strict=True))
    distinct, codes = unique_rows(columns)
    expected = sorted(set(together))
    assert list(zip(*(column.tolist() for column in distinct), strict=True)) == expected
    assert [expected[code] for code in codes] == together
