"""Text: sanitized, escaped, visible and shortened."""

from xml.dom.minidom import parseString

import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from interp.plotting import (
    escape,
    format_caption,
    format_counts,
    format_counts_short,
    format_number,
    has_enough_data,
    sanitize,
    show_invisible,
    text,
    truncate_middle,
)


@pytest.mark.parametrize(
    ("symbol", "expected"),
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
def test_invisible_characters_get_symbols(symbol, expected):
    assert show_invisible(symbol) == expected


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_well_formed_markup(content):
    parsed = parseString(f'<a b="{escape(content)}">{escape(content)}</a>'.encode())
    assert parsed.documentElement.nodeName == "a"


def test_markup_is_text():
    escaped = escape("<script>alert('x')</script>\"&")
    assert not set("<>\"'") & set(escaped)


def test_numbers_have_three_digits_and_a_minus_sign():
    assert [format_number(value) for value in (0.12345, -2.0, 12345.0)] == ["0.123", "−2", "1.23e+04"]


def test_a_long_name_keeps_both_ends():
    assert truncate_middle("lstm" + "x" * 100 + "147", 12).startswith("lstmx")
    assert truncate_middle("lstm" + "x" * 100 + "147", 12).endswith("147")
    assert len(truncate_middle("x" * 10_000, 12)) == 12
    assert truncate_middle("ու", 12) == "ու"


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_text_is_sanitized_letter_by_letter(content):
    assert sanitize(content) == "".join(map(sanitize, content))


def test_every_character_that_is_replaced_is_searched_for():
    letters = map(chr, range(0x110000))
    assert [hex(ord(letter)) for letter in letters if text._printable(letter) != sanitize(letter)] == []


def test_captions_name_model_data_n_and_options(drawn_acts):
    caption = format_caption(drawn_acts, "a window", bins=3)
    assert caption.startswith(
        "Model made-up-bilstm; data transliteration; n = 10,860 / 100 tokens / sources captured; a window"
    )
    assert caption.endswith("Options: bins=3.")
    wiki = {"task": "transliteration", "language": "hy", "corpus": "wiki", "split": "test", "rules": "chat"}
    assert "; data transliteration hy chat wiki test." in format_caption(xr.Dataset(attrs=wiki))
    demo = {"task": "transliteration", "corpus": "demo", "split": "demo"}
    assert format_caption(xr.Dataset(attrs=demo)).count("demo") == 1
    assert format_caption(xr.Dataset()) == "Model not named."


def test_n_is_tokens_and_sources():
    assert format_counts(1112, 214) == "1,112 / 214"
    assert format_counts_short(24_758, 4_714) == "24.8k / 4,714"
    assert has_enough_data(300, 50)
    assert not has_enough_data(299, 50)
    assert not has_enough_data(300, 49)
