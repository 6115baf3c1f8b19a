"""Letters made safe and visible."""

from xml.dom.minidom import parseString

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp import lettering
from interp.plotting import escape, sanitize, show_invisible, truncate_middle


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        (" ", "␣"),
        ("\n", "⏎"),
        ("\t", "⇥"),
        ("ու", "ու"),
        ("\u0301", "◌\u0301"),
        ("\x00", "␀"),
        ("\u202e", "\ufffd"),
        ("\u200b", "\ufffd"),
        ("\ud800", "\ufffd"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_shown(symbol, shown):
    assert show_invisible(symbol) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_well_formed_markup(text):
    parsed = parseString(f'<a b="{escape(text)}">{escape(text)}</a>'.encode())
    assert parsed.documentElement.nodeName == "a"


def test_markup_is_text():
    escaped = escape("<script>alert('x')</script>\"&")
    assert not set("<>\"'") & set(escaped)


def test_a_long_name_keeps_both_ends():
    assert truncate_middle("lstm" + "x" * 100 + "147", 12).startswith("lstmx")
    assert truncate_middle("lstm" + "x" * 100 + "147", 12).endswith("147")
    assert len(truncate_middle("x" * 10_000, 12)) == 12
    assert truncate_middle("ու", 12) == "ու"


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_clean_text_is_clean_letter_by_letter(text):
    assert sanitize(text) == "".join(map(sanitize, text))


def test_every_letter_that_is_replaced_is_looked_for():
    letters = map(chr, range(0x110000))
    assert [hex(ord(letter)) for letter in letters if lettering._printable(letter) != sanitize(letter)] == []
