"""Plain text: one form for every character and space, and where a sentence ends.

Armenian ends a sentence with ``։`` or, on a keyboard without it, with ``:``. Full stops are left to abbreviations,
initials and foreign text, so that ``.`` and ``:`` end a sentence only where what stands around them says so. A cut
that is missed costs little (a longer sentence), a wrong one leaves two fragments: when in doubt, nothing is cut.
"""

import re
import unicodedata
from collections.abc import Iterator

SHORTEST = 10
"""Sentences of fewer characters are left out of articles."""

LONGEST = 1_000
"""Sentences of more characters are left out of articles, and cut in text files."""

_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffc\ufffd]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_DOTS = ".\N{ONE DOT LEADER}"  # Armenian keyboards type U+2024 for a dot
_CLOSING = "»”’\"')\\]"
_STOP = re.compile(rf"(?P<marks>[։:{_DOTS}?!…]+)[{_CLOSING}]*")
_NEXT = re.compile(r"\s+(?:[«“„‘\"'(\[—–―-]\s*)*(?P<first>\w)")
_GOES_ON = re.compile(r"[a-zա-ֆև\d,;֊–-]")  # [dʒu։s] and 9։52 are one word, «Ո՞վ է։»-ը too
_LAST_WORD = re.compile(rf"(?P<before>\W?)(?P<word>\w+)[{_CLOSING}]*$")
_SHORT_VERBS = frozenset(
    {"է", "եմ", "ես", "են", "ենք", "եք", "էի", "էիր", "էր", "էին", "չէ", "չէր", "չեն", "կա", "կար"}
)
_LONGEST_ABBREVIATION = 4
_WINDOW = 40  # characters looked back: a line without an end stays linear
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
        The same words; soft hyphens, directional marks and control characters are gone.
    """
    text = _CONTROL.sub("", _INVISIBLE.sub("", text))
    return " ".join(unicodedata.normalize("NFC", text).split())


def split_sentences(line: str) -> list[str]:
    """Cut one line of text into its sentences, each with its closing punctuation.

    Parameters
    ----------
    line : str
        A paragraph without line breaks.

    Returns
    -------
    list of str
        The sentences in order, stripped, none empty. Nothing but spaces at the cuts is lost.
    """
    sentences, start = [], 0
    for stop in _STOP.finditer(line):
        if _ends(line, start, stop):
            sentences.append(line[start : stop.end()].strip())
            start = stop.end()
    sentences.append(line[start:].strip())
    return [sentence for sentence in sentences if sentence]


def cut_long(line: str) -> list[str]:
    """Cut a line of over `LONGEST` characters into its sentences, and what is still too long at a space.

    Parameters
    ----------
    line : str
        One normalised line, of any length.

    Returns
    -------
    list of str
        Pieces of at most `LONGEST` characters, none empty; the line itself where it is short enough.
    """
    sentences = [line] if len(line) <= LONGEST else split_sentences(line)
    return [piece for sentence in sentences for piece in _pieces(sentence)]


def _pieces(sentence: str) -> Iterator[str]:
    start = 0
    while len(sentence) - start > LONGEST:
        space = sentence.rfind(" ", start + 1, start + LONGEST + 1)
        end = start + LONGEST if space < 0 else space
        yield sentence[start:end]
        start = end if space < 0 else end + 1
    if start < len(sentence):
        yield sentence[start:]


def usable(sentence: str) -> bool:
    """Whether a sentence of an article is worth keeping.

    Parameters
    ----------
    sentence : str
        One normalised sentence.

    Returns
    -------
    bool
        False below `SHORTEST` or above `LONGEST` characters, without one word of three letters, and where wikitext
        markup is left (an unbalanced bracket, a table that could not be parsed).
    """
    in_range = SHORTEST <= len(sentence) <= LONGEST
    return in_range and _MARKUP.search(sentence) is None and _WORD.search(sentence) is not None


def _ends(line: str, start: int, stop: re.Match[str]) -> bool:
    """Whether the punctuation `stop` ends the sentence that began at `start`."""
    marks, end = stop["marks"], stop.end()
    if "։" in marks:
        return _GOES_ON.match(line, end) is None
    follows = _NEXT.match(line, end)
    if follows is None or not follows["first"].isupper():
        return False
    before = line[max(start, stop.start() - _WINDOW) : stop.start()]
    if marks == ":":
        return " " in before.strip()  # one word and a colon is a label
    return len(marks) > 1 or marks not in _DOTS or not _is_abbreviation(before)


def _is_abbreviation(before: str) -> bool:
    """Whether the dot after `before` belongs to an initial, a number or a short form."""
    last = _LAST_WORD.search(before)
    if last is None or last["word"][-1].isdigit() or (last["before"] and last["before"] in _DOTS):
        return True
    return len(last["word"]) <= _LONGEST_ABBREVIATION and last["word"] not in _SHORT_VERBS
