"""Articles of a MediaWiki dump as lines of plain text, streamed page by page.

A dump that is cut off gives its whole pages. Templates, tables, notes, pictures, headings and formulas are dropped;
of a link its text stays.
"""

import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.etree.ElementTree import ParseError

from interp import CorpusError
from interp_transliteration.sentences import normalize

if TYPE_CHECKING:
    from mwparserfromhell.wikicode import Wikicode

MAX_REVISION = 64_000_000
"""Bytes that one revision of a page may have; MediaWiki itself stops at 2 MB."""

_ENDS_EARLY = frozenset({3, 5, 6, 20})  # expat: no element, unclosed token, partial character, unclosed CDATA
_ENTITY = b"<!ENTITY"
_HIDDEN = frozenset({"file", "image", "media", "category"})
_HIDDEN_KEYS = frozenset({-2, 6, 14})  # the same, under the names that the wiki gives them
_DROPPED_TAGS = frozenset({
    "categorytree", "ce", "chem", "code", "gallery", "graph", "hiero", "imagemap", "inputbox", "math", "pre", "ref",
    "references", "score", "script", "section", "source", "style", "syntaxhighlight", "table", "templatedata",
    "timeline",
})  # fmt: skip
_BREAKS = frozenset({"br", "hr"})
_REDIRECT = re.compile(r"\s*#\w+\s*:?\s*\[\[")
_PREFIX = re.compile(r"\s*(?P<name>[^\W\d_][\w .-]*?)\s*:(?=\S)")
_FILE = re.compile(r"\.(?:jpe?g|png|svg|gif|tiff?|webp|webm|og[agv]|mp[34]|midi?|pdf|djvu)\s*$", re.IGNORECASE)
_TIDY: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"&nbsp\b;?"), " "),
    (re.compile(r"'{2,}|__[^\W\d_]+__|(?<!<)</?[a-zA-Z][^<>]*>(?!>)"), ""),
    (re.compile(r"(?:\s*[(\[][\s,;:՝/–-]*[)\])])+"), ""),  # what a template left empty: (), [ ], (, )
    (re.compile(r"՝(?=\s*[,։)\]])|(?<=[(«])[\s,;]+"), ""),
    (re.compile(r"(?:\s*[,;])+\s*(?=[)»,;։])|\s+(?=[)»,;։]|[:.․](?:\s|$))"), ""),
    (re.compile(r"^[\s,;:։)\]*#!]+"), ""),
)


_Page = tuple[str, str | None, frozenset[str]]


class _Meter:
    """A reader that refuses to be read for ever between two whole revisions."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name, self.size, self._tail = stream, name, 0, b""

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.size += len(data)
        if _ENTITY in self._tail + data:  # a dump has none; they grow without bounds, or name files
            raise CorpusError(f"{self._name} declares entities of XML: expected a MediaWiki dump of articles.")
        self._tail = data[1 - len(_ENTITY) :]
        if self.size > MAX_REVISION:
            limit = MAX_REVISION // 1_000_000
            raise CorpusError(f"{self._name} has a page of over {limit} MB: expected a MediaWiki dump of articles.")
        return data


def read_articles(stream: BinaryIO, name: str) -> Iterator[tuple[str, list[str]]]:
    """Read the articles of a dump: namespace 0, no redirects, the last revision of each.

    Parameters
    ----------
    stream : binary file
        The XML of the dump, decompressed.
    name : str
        What to call it in messages.

    Yields
    ------
    tuple of str and list of str
        Title and lines of plain text (NFC, single spaces, none empty), one for a paragraph or an item of a list.

    Raises
    ------
    CorpusError
        Where it is no MediaWiki dump, or has not one whole page.

    Warns
    -----
    UserWarning
        After the last whole page, where the dump is cut off.
    """
    last = None
    for last, text, hidden in _whole_pages(stream, name):
        if text is not None:
            yield last, plain_lines(text, hidden)
    if last is None:
        raise CorpusError(f"{name} has not one whole page; download the dump again.")


def _whole_pages(stream: BinaryIO, name: str) -> "Iterator[_Page]":
    from mwxml.errors import MalformedXML

    last = None
    try:
        for page in _read_pages(_Meter(stream, name), name):
            last = page[0]
            yield page
    except CorpusError:
        raise
    except ParseError as error:
        if error.code not in _ENDS_EARLY:
            raise CorpusError(f"{name} is not well-formed XML, download it again: {error}.") from error
        if last is not None:
            warnings.warn(f"{name} is cut off; its last whole page is {last!r}.", stacklevel=2)
    except (MalformedXML, AssertionError, ValueError, TypeError, KeyError, AttributeError) as error:
        # elements or numbers that no dump has: mwxml looks at some of them only as it goes
        raise CorpusError(f"{name} is not a MediaWiki dump: {error or type(error).__name__}") from error


def plain_lines(wikitext: str, hidden: frozenset[str] = _HIDDEN) -> list[str]:
    """Return the prose of a page, line by line.

    Parameters
    ----------
    wikitext : str
        The source of the page.
    hidden : frozenset of str
        Names, in lower case, of the namespaces whose links show no text: files and categories.

    Returns
    -------
    list of str
        Lines without markup (NFC, single spaces, none empty). Where brackets don't balance, some may be left.
    """
    import mwparserfromhell

    code = mwparserfromhell.parse(wikitext, skip_style_tags=True)
    lines = (_tidy(normalize(line)) for line in _render(code, hidden).split("\n"))
    return [line for line in lines if line]


def _read_pages(meter: _Meter, name: str) -> "Iterator[_Page]":
    """Yield each whole page's title, its text (None where it is no article) and the namespaces that show no text."""
    import mwxml
    from mwxml.element_iterator import ElementIterator, EventPointer

    pointer = EventPointer.from_file(meter)
    root = ElementIterator(next(pointer)[1], pointer)
    if root.tag != "mediawiki":
        raise CorpusError(f"{name} is not a MediaWiki dump: expected <mediawiki>, got <{root.tag}>.")
    dump = mwxml.Dump.from_element(root)
    names = {space.name.lower() for space in dump.site_info.namespaces or () if space.id in _HIDDEN_KEYS}
    for page in dump.pages:
        text = None
        for revision in page:
            text, meter.size = revision.slots.contents["main"].text, 0
        root.element.clear()  # or the tree would keep an empty element for every page read
        article = page.namespace == 0 and page.redirect is None and text and not _REDIRECT.match(text)
        yield page.title, text if article else None, _HIDDEN | names


def _render(code: "Wikicode | None", hidden: frozenset[str]) -> str:
    return "" if code is None else "".join(_render_node(node, hidden) for node in code.nodes)


def _render_node(node: Any, hidden: frozenset[str]) -> str:
    match type(node).__name__:  # by name: the parser is imported only when there is something to parse
        case "Text":
            return str(node.value)
        case "HTMLEntity":
            return str(node.normalize())
        case "Wikilink":
            return _render_link(node, hidden)
        case "ExternalLink":
            return _render(node.title, hidden) if node.brackets else str(node.url)
        case "Tag":
            name = str(node.tag).strip().lower()
            return "\n" if name in _BREAKS else "" if name in _DROPPED_TAGS else _render(node.contents, hidden)
        case "Heading":
            return "\n"
        case _:
            return ""  # templates, their arguments, comments


def _render_link(node: Any, hidden: frozenset[str]) -> str:
    title = str(node.title)
    prefix = _PREFIX.match(title)
    if prefix and (node.text is None or prefix["name"].lower() in hidden or _FILE.search(title)):
        return ""
    return _render(node.text, hidden) if node.text is not None else title.lstrip(" :")


def _tidy(line: str) -> str:
    for pattern, replacement in _TIDY:
        line = pattern.sub(replacement, line)
    return " ".join(line.split())
