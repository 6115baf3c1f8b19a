"""Text for pictures and pages: escaped, with visible characters, and formatted counts and captions."""

from __future__ import annotations

import re
import unicodedata
from html import escape as escape_html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr


# Characters that may have to be replaced. One search of the whole text is fast, and few texts contain any.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U0001fffe-\U0010ffff]")
VISIBLE_WHITESPACE = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}


def sanitize(text: str) -> str:
    """Return text that is valid in XML and HTML: control characters as symbols, lone surrogates as ``\ufffd``."""
    return "".join(_printable(letter) for letter in text) if UNPRINTABLE.search(text) else text


def _printable(letter: str) -> str:
    code = ord(letter)
    if code < 0x20 and letter not in "\n\t":
        return chr(0x2400 + code)
    if 0x7F <= code <= 0x9F or 0xD800 <= code <= 0xDFFF or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:
        return "\ufffd"
    return letter


def escape(text: str) -> str:
    """Return text for an element or a quoted attribute of HTML or SVG, sanitized and escaped."""
    return escape_html(sanitize(text), quote=True)


def show_invisible(symbol: str) -> str:
    """Return a label with visible characters: a space as ``␣``, a newline as ``⏎``, a combining mark on a ``◌``."""
    return "".join(_visible(letter) for letter in symbol)


def _visible(letter: str) -> str:
    if letter in VISIBLE_WHITESPACE:
        return VISIBLE_WHITESPACE[letter]
    category = unicodedata.category(letter)
    if category in ("Cf", "Zs", "Zl", "Zp"):
        return "\ufffd"
    return "◌" + letter if category.startswith("M") else _printable(letter)


def truncate_middle(text: str, limit: int = 40) -> str:
    """Return text of at most ``limit`` characters; the middle of a longer text is replaced by ``…``."""
    return text if len(text) <= limit else f"{text[: (limit - 1) // 2]}…{text[len(text) - limit // 2 :]}"


def format_pair(name: str, limit: int = 12) -> str:
    """Return the name of a pair for a title; if its labels contain ``=>``, the name itself in quotes.

    Parameters
    ----------
    name : str
        Name of the pair, such as ``t=>ծ``.
    limit : int
        Maximum number of characters of a label.

    Examples
    --------
    >>> format_pair("t=>ծ"), format_pair("a=>b=>c")
    ('t ⇒ ծ', '«a=>b=>c»')
    """
    parts = name.split("=>")
    if len(parts) != 2:
        return f"«{truncate_middle(show_invisible(name), 2 * limit)}»" if name else ""
    return " ⇒ ".join(truncate_middle(show_invisible(part), limit) for part in parts)


DATASET_ATTRS = ("task", "language", "rules", "corpus", "split")  # attrs that identify the text
MIN_TOKENS, MIN_SOURCES = 300, 50
GREY_NOTE = f"grey: under {MIN_TOKENS} tokens or {MIN_SOURCES} sources"


def format_counts(tokens: int, sources: int) -> str:
    """Return the numbers of tokens and sources as ``1,112 / 214``."""
    return f"{tokens:,} / {sources:,}"


def format_counts_short(tokens: int, sources: int) -> str:
    """Return the numbers of tokens and sources in at most 13 characters: ``24.8k / 4,714``.

    Examples
    --------
    >>> format_counts_short(24_758, 4_714), format_counts_short(9_999_999, 123_456)
    ('24.8k / 4,714', '10.0M / 123k')
    """
    return f"{_format_short(tokens)} / {_format_short(sources)}"


def _format_short(n: int) -> str:
    if n < 10_000:
        return f"{n:,}"
    size, unit = (n / 1e3, "k") if n < 999_500 else (n / 1e6, "M")
    return f"{size:.0f}{unit}" if size >= 99.95 else f"{size:.1f}{unit}"


def format_offset(offset: int, noun: str = "") -> str:
    """Return the offset of a letter in words.

    Parameters
    ----------
    offset : int
        Steps after (or before, if negative) the letter itself.
    noun : str
        Unit of the offset, such as ``letter``; it is pluralised.

    Examples
    --------
    >>> format_offset(0), format_offset(-2), format_offset(-1, "letter"), format_offset(2, "letter")
    ('the letter itself', '2 before', '1 letter before', '2 letters after')
    """
    if not offset:
        return "the letter itself"
    distance = pluralize(abs(offset), noun) if noun else f"{abs(offset)}"
    return f"{distance} {'after' if offset > 0 else 'before'}"


def format_number(value: float) -> str:
    """Return a number with three significant digits and a minus sign (−)."""
    return f"{value:.3g}".replace("-", "−")


def pluralize(n: int, noun: str) -> str:
    """Return a number with its noun in the singular or plural: ``1 unit``, ``1,200 units``."""
    return f"{n:,} {noun}" + "s" * (n != 1)


def has_enough_data(tokens: int, sources: int) -> bool:
    """Return whether there are at least 300 tokens and 50 sources; numbers from fewer are drawn in grey."""
    return tokens >= MIN_TOKENS and sources >= MIN_SOURCES


def format_caption(acts: xr.Dataset, *parts: str, **options: Any) -> str:
    """Return a caption: model, dataset (if the batches name one), n, further parts, and the options of the viewer.

    Parameters
    ----------
    acts : Dataset
        Activations or a result. Its attrs name the model and the text; its tokens are counted if it has a coord
        ``source (token,)``.
    *parts : str
        Further parts, such as the window or the method.
    **options : value
        Options of the viewer, with the values that were used.
    """
    data = _dataset_name(acts)
    sentences = [f"Model {acts.attrs.get('model') or 'not named'}", *([f"data {data}"] if data else [])]
    if "source" in acts.coords:
        import numpy as np

        counts = format_counts(acts.sizes["token"], np.unique(acts["source"].values).size)
        sentences.append(f"n = {counts} tokens / sources captured")
    keywords = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return "; ".join([*sentences, *parts]) + (f". Options: {keywords}." if keywords else ".")


def _dataset_name(acts: xr.Dataset) -> str:
    names = [str(acts.attrs[name]) for name in DATASET_ATTRS if acts.attrs.get(name)]
    last = names[-1:]  # a window of the split "demo" is "demo (window 2 of 11)", which includes the corpus "demo"
    return " ".join(dict.fromkeys([name for name in names[:-1] if not last[0].startswith(f"{name} ")] + last))
