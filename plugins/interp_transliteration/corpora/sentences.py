"""Plain text: normalisation of characters and spaces, and sentence boundaries.

Armenian ends a sentence with ``։`` or, on a keyboard without it, with ``:``. Full stops are used in abbreviations,
initials and foreign text, so that ``.`` and ``:`` end a sentence only if their context supports it. A missed boundary
costs little (a longer sentence), a wrong one leaves two fragments: in doubt, the text is not split.
"""

import re
import unicodedata
from collections.abc import Iterator

MIN_SENTENCE_LENGTH = 10
"""Shorter sentences of articles are dropped (characters)."""

MAX_SENTENCE_LENGTH = 1_000
"""Longer sentences of articles are dropped, and those of text files are split (characters)."""

_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffc\ufffd]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_DOTS = ".\N{ONE DOT LEADER}"  # Armenian keyboards type U+2024 for a dot
_CLOSING = "»”’\"')\\]"
_STOP = re.compile(rf"(?P<marks>[։:{_DOTS}?!…]+)[{_CLOSING}]*")
_NEXT = re.compile(r"\s+(?:[«“„‘\"'(\[—–―-]\s*)*(?P<first>\w)")
_CONTINUATION = re.compile(r"[a-zա-ֆև\d,;֊–-]")  # [dʒu։s] and 9։52 are one word, as is «Ո՞վ է։»-ը
_LAST_WORD = re.compile(rf"(?P<before>\W?)(?P<word>\w+)[{_CLOSING}]*$")
_SHORT_VERBS = frozenset(
    {"է", "եմ", "ես", "են", "ենք", "եք", "էի", "էիր", "էր", "էին", "չէ", "չէր", "չեն", "կա", "կար"}
)
_MAX_ABBREVIATION_LENGTH = 4
_WINDOW = 40  # characters of context before a mark; keeps the time linear
_MARKUP = re.compile(r"\||\{\{|\}\}|\[\[|\]\]|\{\||==|'''|<!--|-->|(?<!<)</?[a-zA-Z]+ |__[^\W\d_]+__")
_WORD = re.compile(r"[^\W\d_]{3}")


def normalize(text: str) -> str:
    """Return `text` in NFC, without invisible characters, with single spaces and no line breaks.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The same words, without soft hyphens, directional marks and control characters.
    """
    text = _CONTROL.sub("", _INVISIBLE.sub("", text))
    return " ".join(unicodedata.normalize("NFC", text).split())


def split_sentences(line: str) -> list[str]:
    """Split one line of text into its sentences, each with its closing punctuation.

    Parameters
    ----------
    line : str
        A paragraph without line breaks.

    Returns
    -------
    list of str
        Sentences in order, stripped, none empty. Only spaces at the boundaries are lost.
    """
    sentences, start = [], 0
    for stop in _STOP.finditer(line):
        if _ends(line, start, stop):
            sentences.append(line[start : stop.end()].strip())
            start = stop.end()
    sentences.append(line[start:].strip())
    return [sentence for sentence in sentences if sentence]


def split_long_line(line: str) -> list[str]:
    """Split a line of over `MAX_SENTENCE_LENGTH` characters into sentences, and sentences still too long at a space.

    Parameters
    ----------
    line : str
        One normalised line, of any length.

    Returns
    -------
    list of str
        Pieces of at most `MAX_SENTENCE_LENGTH` characters, none empty; the line itself if it is short enough.
    """
    sentences = [line] if len(line) <= MAX_SENTENCE_LENGTH else split_sentences(line)
    return [piece for sentence in sentences for piece in _pieces(sentence)]


def _pieces(sentence: str) -> Iterator[str]:
    start = 0
    while len(sentence) - start > MAX_SENTENCE_LENGTH:
        space = sentence.rfind(" ", start + 1, start + MAX_SENTENCE_LENGTH + 1)
        end = start + MAX_SENTENCE_LENGTH if space < 0 else space
        yield sentence[start:end]
        start = end if space < 0 else end + 1
    if start < len(sentence):
        yield sentence[start:]


def is_usable(sentence: str) -> bool:
    """Return whether a sentence of an article is clean text of a usable length.

    Parameters
    ----------
    sentence : str
        One normalised sentence.

    Returns
    -------
    bool
        False below `MIN_SENTENCE_LENGTH` or above `MAX_SENTENCE_LENGTH` characters, without a word of three letters,
        and if wikitext markup is left (an unbalanced bracket, a table that could not be parsed).
    """
    in_range = MIN_SENTENCE_LENGTH <= len(sentence) <= MAX_SENTENCE_LENGTH
    return in_range and _MARKUP.search(sentence) is None and _WORD.search(sentence) is not None


def _ends(line: str, start: int, stop: re.Match[str]) -> bool:
    """Return whether the punctuation `stop` ends the sentence that starts at `start`."""
    marks, end = stop["marks"], stop.end()
    if "։" in marks:
        return _CONTINUATION.match(line, end) is None
    following = _NEXT.match(line, end)
    if following is None or not following["first"].isupper():
        return False
    before = line[max(start, stop.start() - _WINDOW) : stop.start()]
    if marks == ":":
        return " " in before.strip()  # one word and a colon is a label
    return len(marks) > 1 or marks not in _DOTS or not _is_abbreviation(before)


def _is_abbreviation(before: str) -> bool:
    """Return whether the dot after `before` belongs to an initial, a number or an abbreviation."""
    last = _LAST_WORD.search(before)
    if last is None or last["word"][-1].isdigit() or (last["before"] and last["before"] in _DOTS):
        return True
    return len(last["word"]) <= _MAX_ABBREVIATION_LENGTH and last["word"] not in _SHORT_VERBS
