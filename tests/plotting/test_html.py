"""HTML documents, templates and tables."""

import re
from base64 import b64encode
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from jinja2 import UndefinedError

from interp.plotting import escape, read_asset, render_document, render_table, render_template
from interp.plotting.html import format_cell, plain_table

HOSTILE = "<b>'\"&\x00\ud800"


def test_values_of_a_template_are_escaped_unless_marked_safe():
    assert render_template("{{ a }}", a=HOSTILE) == escape(HOSTILE)
    assert render_template("<i>{{ a|safe }}</i>{{ n }}", a="<b>", n=3) == "<i><b></i>3"


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError, match="'a' is undefined"):
        render_template("{{ a }}")


def test_block_tags_leave_no_lines():
    assert render_template("<ul>\n{% for a in items %}\n<li>{{ a }}</li>\n{% endfor %}\n</ul>", items=[1, 2]) == (
        "<ul>\n<li>1</li>\n<li>2</li>\n</ul>"
    )


def test_a_document_allows_its_script_and_no_requests():
    text = render_document(title=HOSTILE, body="<p>x</p>\n", style="p {}", script="let a = 1 < 2;")
    digest = b64encode(sha256(b"let a = 1 < 2;").digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none';")
    assert policy.endswith(f"script-src 'sha256-{digest}'")
    assert f"<title>{escape(HOSTILE)}</title>" in text
    assert "<main>\n<p>x</p>\n</main>" in text
    assert "generator" not in text
    assert 'name="generator" content="me"' in render_document(title="", body="", style="", script="", generator="me")


def test_a_table_marks_numbers_and_escapes_text():
    frame = pd.DataFrame({HOSTILE: [HOSTILE], "n": [1234], "x": [0.123456]})
    table = render_table(frame)
    assert table.count(escape(HOSTILE)) == 2
    assert '<td class="number"><bdi>1,234</bdi></td><td class="number"><bdi>0.1235</bdi></td>' in table
    plain = render_table(frame[["n"]], cell_text=str, css_class="plain", isolate_numbers=False)
    assert plain.startswith('<table class="plain">')
    assert '<td class="number">1234</td>' in plain


def test_a_plain_table_has_aligned_columns():
    frame = pd.DataFrame({"name": ["a", "long"], "n": [1, 22]})
    assert plain_table(frame) == "name  n\na     1\nlong  22"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), "0.5"),
        (12345.678, "1.235e+04"),
        (np.int64(1234), "1,234"),
        (True, "True"),
        (" ", "␣"),
        ("a b", "a b"),
    ],
)
def test_cells(value, expected):
    assert format_cell(value) == expected


def test_assets_are_text():
    assert read_asset("page.css").startswith(":root")
