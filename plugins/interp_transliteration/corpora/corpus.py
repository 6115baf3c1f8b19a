"""Corpora as documents of sentences: text files, Wikipedia dumps, and directories of both.

A whole document is assigned to one split by a hash of its name, so that an article or a line is in the same split in
every corpus.
"""

import bz2
import codecs
import gzip
import hashlib
import io
import lzma
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interp import CorpusError
from interp_transliteration.corpora.sentences import is_usable, normalize, split_long_line, split_sentences
from interp_transliteration.corpora.wikipedia import read_articles

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SPLITS = ("train", "validation", "test")
MAX_LINE_BYTES = 10_000_000
"""Maximal size of one line of a text file."""

_COMPRESSED = (".gz", ".bz2", ".xz")
_FILE_TYPES = (".txt", ".xml")
_FORMATS = "expected .txt (text, one sentence per line) or .xml (MediaWiki dump), also as .gz, .bz2 or .xz"
_SUFFIX_SPLITS = {"-train": "train", "-dev": "validation", "-validation": "validation", "-test": "test"}
_TEST_SHARE, _VALIDATION_SHARE = 0.15, 0.05
_SALT = b"interp-11"  # chosen so that the shares also hold in sentences, although articles differ in length


@dataclass(frozen=True, slots=True)
class Document:
    """A text that is in one split as a whole: an article, or a line of a text file.

    Attributes
    ----------
    name : str
        Title of the article, or ``file.txt:17`` for a line of a text file.
    sentences : tuple of str
        NFC, single spaces, no line breaks, none empty.
    split : str or None
        The split, if the name of the file or the text determines it; None for ``assign_split(name)``.
    """

    name: str
    sentences: tuple[str, ...]
    split: str | None = None


def assign_split(name: str) -> str:
    """Return the split of a name; it never changes.

    Parameters
    ----------
    name : str
        Title of an article, or text of a line.

    Returns
    -------
    str
        ``"train"`` for about 80 % of all names, ``"validation"`` for 5 %, ``"test"`` for 15 %.
    """
    digest = hashlib.blake2b(normalize(name).encode(), digest_size=8, person=_SALT).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return "test" if share < _TEST_SHARE else "validation" if share < _TEST_SHARE + _VALIDATION_SHARE else "train"


def read_split(path: Path | str, split: str | None) -> Iterator[tuple[str, str]]:
    """Read the sentences of one split.

    Parameters
    ----------
    path : Path or str
        Corpus as for `read_documents`.
    split : str or None
        ``"train"``, ``"validation"`` or ``"test"``; None for all.

    Yields
    ------
    tuple of str and str
        Name of the document, sentence.

    Raises
    ------
    CorpusError
        As for `read_documents`, and if the split has no sentence.
    """
    if split not in (None, *SPLITS):
        raise CorpusError(f"No split named {split!r}; expected one of: {', '.join(SPLITS)}.")
    counts: Counter[str] = Counter()
    for document in read_documents(path):
        document_split = document.split or assign_split(document.name)
        counts[document_split] += len(document.sentences)
        if split in (None, document_split):
            yield from ((document.name, sentence) for sentence in document.sentences)
    if split is not None and not counts[split]:
        others = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        raise CorpusError(f"{path} has no sentence in the split {split!r} (it has: {others}); choose another split.")


def read_documents(path: Path | str) -> Iterator[Document]:
    """Read a text file, a MediaWiki dump, or all of them in a directory, in bounded memory.

    Parameters
    ----------
    path : Path or str
        ``.txt`` (UTF-8; each non-empty line is a document of one sentence; a line of over 1,000 characters is split
        into sentences) or ``.xml`` (a dump; each article is a document), either also as ``.gz``, ``.bz2`` or ``.xz``;
        or a directory of such files, read in alphabetical order.
        A file whose name ends in ``-train``, ``-dev``, ``-validation`` or ``-test`` is in that split as a whole.

    Yields
    ------
    Document
        Documents in the order of the corpus.

    Raises
    ------
    CorpusError
        If there is nothing to read or no sentence in it, or if a file does not have the format of its name.

    Warns
    -----
    UserWarning
        If a file is truncated; its complete documents are read.
    """
    path, is_empty = Path(path), True
    for file in _files(path):
        for document in _read_file(file):
            is_empty = False
            yield document
    if is_empty:
        reason = "is empty" if path.is_file() and not path.stat().st_size else "has no sentence"
        raise CorpusError(f"{path} {reason}: {_FORMATS}.")


class _Source(io.RawIOBase):
    """Decompressed bytes of a file, checked to be UTF-8 text; `is_truncated` if the file ends too early."""

    def __init__(self, path: Path) -> None:
        self.path, self.is_truncated, self._offset = path, False, 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._file = _open(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        data = self._pull(len(view))
        self._check(data)
        self._offset += len(data)
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _pull(self, size: int) -> bytes:
        try:
            return self._file.read1(size)
        except EOFError:
            self.is_truncated = True
            return b""
        except (OSError, lzma.LZMAError, zlib.error) as error:
            raise CorpusError(f"{self.path} is corrupt, download or compress it again: {error}.") from error

    def _check(self, data: bytes) -> None:
        pending = self._decoder.getstate()[0]
        if not data:
            self.is_truncated = self.is_truncated or bool(pending)  # it ends within a character
            return
        invalid = data.find(b"\0")
        try:
            self._decoder.decode(data)
        except UnicodeDecodeError as error:
            start = error.start - len(pending)
            invalid = max(0, start) if invalid < 0 else min(invalid, start)
        if invalid >= 0:
            raise CorpusError(
                f"{self.path} is not UTF-8 text: byte 0x{data[invalid]:02x} at offset {self._offset + invalid:,}"
                f"{' after decompression' if self.path.suffix in _COMPRESSED else ''}; save it as UTF-8."
            )


def _open(path: Path) -> io.BufferedIOBase:
    try:
        match path.suffix.lower():
            case ".gz":
                return gzip.GzipFile(path, "rb")
            case ".bz2":
                return bz2.BZ2File(path, "rb")
            case ".xz":
                return lzma.LZMAFile(path, "rb")
            case _:
                return path.open("rb")
    except OSError as error:
        raise CorpusError(f"{path} cannot be opened: {error.strerror}; check its permissions.") from error


def _files(path: Path) -> list[Path]:
    """Return the files to read; raise an error if there are none."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and _file_type(file) and file.name[0] != ".")
        if not files:
            raise CorpusError(f"{path} is a directory without a readable file: {_FORMATS}.")
        return files
    if not path.exists():
        raise CorpusError(f"{path} does not exist; give a file or a directory: {_FORMATS}.")
    if not _file_type(path):
        raise CorpusError(f"{path} has an unknown type: {_FORMATS}.")
    return [path]


def _file_type(file: Path) -> str:
    """Return ``.txt`` or ``.xml``, without the compression suffix; empty for other types."""
    name = file.with_suffix("") if file.suffix.lower() in _COMPRESSED else file
    return name.suffix.lower() if name.suffix.lower() in _FILE_TYPES else ""


def _split_of_file_name(file: Path) -> str | None:
    name = file.with_suffix("") if file.suffix.lower() in _COMPRESSED else file
    return next((split for ending, split in _SUFFIX_SPLITS.items() if name.stem.lower().endswith(ending)), None)


def _read_file(file: Path) -> Iterator[Document]:
    source = _Source(file)
    with io.BufferedReader(source, 1 << 16) as stream:
        if not stream.peek(1) and not source.is_truncated:
            return
        read_documents_of = _iter_articles if _file_type(file) == ".xml" else _iter_lines
        yield from read_documents_of(stream, source, _split_of_file_name(file))


def _iter_articles(stream: "io.BufferedReader[_Source]", source: _Source, file_split: str | None) -> Iterator[Document]:
    for title, lines in read_articles(stream, str(source.path)):
        sentences = tuple(filter(is_usable, (sentence for line in lines for sentence in split_sentences(line))))
        if sentences:
            yield Document(title, sentences, file_split)


def _iter_lines(stream: "io.BufferedReader[_Source]", source: _Source, file_split: str | None) -> Iterator[Document]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise CorpusError(f"{source.path}:{number + 1} is longer than {MAX_LINE_BYTES:,} bytes: {_FORMATS}.")
        if source.is_truncated and not line.endswith(b"\n"):
            break
        number += 1
        text = normalize(line.decode())
        if text:
            yield Document(
                f"{source.path.name}:{number}", tuple(split_long_line(text)), file_split or assign_split(text)
            )
    if source.is_truncated:
        warnings.warn(f"{source.path} is truncated; its last complete line is {number}.", stacklevel=2)
