"""HTML fragments of the page."""

import pandas as pd

from interp_reproduction.report.markup import definition_boxes, frame_table, list_items, table_rows


def test_all_text_is_escaped():
    text = "<script>&"
    fragments = [definition_boxes({text: text}), list_items([text]), table_rows({text: text})]
    fragments.append(frame_table(pd.DataFrame({text: [text]}), is_prose=True))
    assert not [fragment for fragment in fragments if "<script>" in fragment]


def test_numbers_have_three_decimals_or_separators():
    table = frame_table(pd.DataFrame({"a": [0.12345], "b": [12345]}))
    assert "0.123<" in table
    assert "12,345<" in table
