"""Tables of the page."""

import pandas as pd

from interp_reproduction.report.markup import frame_table


def test_all_text_is_escaped():
    text = "<script>&"
    assert "<script>" not in frame_table(pd.DataFrame({text: [text]}), is_prose=True)


def test_spaces_are_visible_except_in_prose():
    frame = pd.DataFrame({"a": ["b c"]})
    assert "<bdi>b␣c</bdi>" in frame_table(frame)
    assert "<bdi>b c</bdi>" in frame_table(frame, is_prose=True)


def test_numbers_have_three_decimals_or_separators():
    table = frame_table(pd.DataFrame({"a": [0.12345], "b": [12345]}))
    assert "0.123<" in table
    assert "12,345<" in table
