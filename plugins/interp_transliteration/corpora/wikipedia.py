"""Articles of a MediaWiki dump as lines of plain text, streamed page by page.

A truncated dump gives its complete pages. Templates, tables, notes, pictures, headings and formulas are dropped;
links are replaced by their text.
"""

import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.etree.ElementTree import ParseError

from interp import CorpusError
from interp.plotting import names_missing_extra
from interp_transliteration.corpora.sentences import normalize

if TYPE_CHECKING:
    from mwparserfromhell.wikicode import Wikicode

MAX_REVISION_BYTES = 64_000_000
"""Maximal size of one revision of a page; MediaWiki itself allows 2 MB."""

_TRUNCATION_CODES = frozenset({3, 5, 6, 20})  # expat: no element, unclosed token, partial character, unclosed CDATA
_ENTITY = b"<!ENTITY"
_HIDDEN = frozenset({"file", "image", "media", "category"})
_HIDDEN_KEYS = frozenset({-2, 6, 14})  # namespace numbers, for the names used by the wiki itself
_DROPPED_TAGS = frozenset({
    "categorytree", "ce", "chem", "code", "gallery", "graph", "hiero", "imagemap", "inputbox", "math", "pre", "ref",
    "references", "score", "script", "section", "source", "style", "syntaxhighlight", "table", "templatedata",
    "timeline",
})  # fmt: skip
_BREAKS = frozenset({"br", "hr"})
_REDIRECT = re.compile(r"\s*#\w+\s*:?\s*\[\[")
_PREFIX = re.compile(r"\s*(?P<name>[^\W\d_][\w .-]*?)\s*:(?=\S)")
_FILE = re.compile(r"\.(?:jpe?g|png|svg|gif|tiff?|webp|webm|og[agv]|mp[34]|midi?|pdf|djvu)\s*$", re.IGNORECASE)
_CLEANUP: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"&nbsp\b;?"), " "),
    (re.compile(r"'{2,}|__[^\W\d_]+__|(?<!<)</?[a-zA-Z][^<>]*>(?!>)"), ""),
    (re.compile(r"(?:\s*[(\[][\s,;:՝/–-]*[)\])])+"), ""),  # brackets emptied by a dropped template: (), [ ], (, )
    (re.compile(r"՝(?=\s*[,։)\]])|(?<=[(«])[\s,;]+"), ""),
    (re.compile(r"(?:\s*[,;])+\s*(?=[)»,;։])|\s+(?=[)»,;։]|[:.․](?:\s|$))"), ""),
    (re.compile(r"^[\s,;:։)\]*#!]+"), ""),
)


_Page = tuple[str, str | None, frozenset[str]]


class _BoundedReader:
    """A reader that limits the number of bytes between two complete revisions."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name, self.size, self._tail = stream, name, 0, b""

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.size += len(data)
        if _ENTITY in self._tail + data:  # dumps have none; entities can expand without bounds, or refer to files
            raise CorpusError(f"{self._name} declares XML entities: expected a MediaWiki dump of articles.")
        self._tail = data[1 - len(_ENTITY) :]
        if self.size > MAX_REVISION_BYTES:
            limit = MAX_REVISION_BYTES // 1_000_000
            raise CorpusError(f"{self._name} has a page of over {limit} MB: expected a MediaWiki dump of articles.")
        return data


def read_articles(stream: BinaryIO, name: str) -> Iterator[tuple[str, list[str]]]:
    """Read the articles of a dump: namespace 0, no redirects, only the last revision of each.

    Parameters
    ----------
    stream : binary file
        The XML of the dump, decompressed.
    name : str
        Name of the dump in messages.

    Yields
    ------
    tuple of str and list of str
        Title and lines of plain text (NFC, single spaces, none empty), one per paragraph or list item.

    Raises
    ------
    CorpusError
        If it is not a MediaWiki dump, or has no complete page.

    Warns
    -----
    UserWarning
        After the last complete page, if the dump is truncated.
    """
    last = None
    for last, text, hidden in _complete_pages(stream, name):
        if text is not None:
            yield last, plain_lines(text, hidden)
    if last is None:
        raise CorpusError(f"{name} has no complete page; download the dump again.")


@names_missing_extra
def _malformed_xml() -> type[Exception]:
    from mwxml.errors import MalformedXML

    return MalformedXML  # type: ignore[no-any-return]


def _complete_pages(stream: BinaryIO, name: str) -> "Iterator[_Page]":
    MalformedXML = _malformed_xml()  # noqa: N806 (a class)

    last = None
    try:
        for page in _read_pages(_BoundedReader(stream, name), name):
            last = page[0]
            yield page
    except CorpusError:
        raise
    except ParseError as error:
        if error.code not in _TRUNCATION_CODES:
            raise CorpusError(f"{name} is not well-formed XML, download it again: {error}.") from error
        if last is not None:
            warnings.warn(f"{name} is truncated; its last complete page is {last!r}.", stacklevel=2)
    except (MalformedXML, AssertionError, ValueError, TypeError, KeyError, AttributeError) as error:
        # elements or numbers that no dump has; mwxml reads some of them lazily
        raise CorpusError(f"{name} is not a MediaWiki dump: {error or type(error).__name__}") from error


def plain_lines(wikitext: str, hidden: frozenset[str] = _HIDDEN) -> list[str]:
    """Return the prose of a page, line by line.

    Parameters
    ----------
    wikitext : str
        The source of the page.
    hidden : frozenset of str
        Lower-case names of the namespaces whose links show no text: files and categories.

    Returns
    -------
    list of str
        Lines without markup (NFC, single spaces, none empty). Some markup may be left if brackets don't balance.
    """
    import mwparserfromhell

    code = mwparserfromhell.parse(wikitext, skip_style_tags=True)
    lines = (_clean_up(normalize(line)) for line in _render(code, hidden).split("\n"))
    return [line for line in lines if line]


def _read_pages(reader: _BoundedReader, name: str) -> "Iterator[_Page]":
    """Yield title, text (None if it is not an article) and the namespaces without text of each complete page."""
    import mwxml
    from mwxml.element_iterator import ElementIterator, EventPointer

    pointer = EventPointer.from_file(reader)
    root = ElementIterator(next(pointer)[1], pointer)
    if root.tag != "mediawiki":
        raise CorpusError(f"{name} is not a MediaWiki dump: expected <mediawiki>, got <{root.tag}>.")
    dump = mwxml.Dump.from_element(root)
    names = {space.name.lower() for space in dump.site_info.namespaces or () if space.id in _HIDDEN_KEYS}
    for page in dump.pages:
        text = None
        for revision in page:
            text, reader.size = revision.slots.contents["main"].text, 0
        root.element.clear()  # otherwise the tree keeps an empty element per page
        article = page.namespace == 0 and page.redirect is None and text and not _REDIRECT.match(text)
        yield page.title, text if article else None, _HIDDEN | names


def _render(code: "Wikicode | None", hidden: frozenset[str]) -> str:
    return "" if code is None else "".join(_render_node(node, hidden) for node in code.nodes)


def _render_node(node: Any, hidden: frozenset[str]) -> str:
    match type(node).__name__:  # by name, so that the parser is imported only when needed
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


def _clean_up(line: str) -> str:
    for pattern, replacement in _CLEANUP:
        line = pattern.sub(replacement, line)
    return " ".join(line.split())
