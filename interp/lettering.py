"""Letters made safe and visible: whatever stands in a text, a reader sees it and no page runs it."""

from __future__ import annotations

import re
import unicodedata
from html import escape as escape_html

# What may have to be replaced: looked for at once, as hardly any text has it.
ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U0001fffe-\U0010ffff]")
PICTURES = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}


def clean(text: str) -> str:
    """Return text that XML and HTML can hold: control characters as their pictures, lone surrogates as ``\ufffd``."""
    return "".join(_printable(letter) for letter in text) if ODD.search(text) else text


def _printable(letter: str) -> str:
    code = ord(letter)
    if code < 0x20 and letter not in "\n\t":
        return chr(0x2400 + code)
    if 0x7F <= code <= 0x9F or 0xD800 <= code <= 0xDFFF or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:
        return "\ufffd"
    return letter


def escape(text: str) -> str:
    """Return text for HTML or SVG, in an element or in a quoted attribute."""
    return escape_html(clean(text), quote=True)


def visible(symbol: str) -> str:
    """Return a label so that it can be seen: a space as ``␣``, a newline as ``⏎``, a combining mark on a ``◌``."""
    return "".join(_visible(letter) for letter in symbol)


def _visible(letter: str) -> str:
    if letter in PICTURES:
        return PICTURES[letter]
    kind = unicodedata.category(letter)
    if kind in ("Cf", "Zs", "Zl", "Zp"):
        return "\ufffd"
    return "◌" + letter if kind.startswith("M") else _printable(letter)


def short(text: str, limit: int = 40) -> str:
    """Return text of at most ``limit`` characters, its middle as ``…``."""
    return text if len(text) <= limit else f"{text[: (limit - 1) // 2]}…{text[len(text) - limit // 2 :]}"


def pair(name: str, limit: int = 12) -> str:
    """Return the name of a pair for a title; one whose labels hold ``=>`` themselves stays as it is, in quotes.

    Examples
    --------
    >>> pair("t=>ծ"), pair("a=>b=>c")
    ('t ⇒ ծ', '«a=>b=>c»')
    """
    parts = name.split("=>")
    if len(parts) != 2:
        return f"«{short(visible(name), 2 * limit)}»" if name else ""
    return " ⇒ ".join(short(visible(part), limit) for part in parts)
