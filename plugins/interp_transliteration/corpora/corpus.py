"""Any corpus as documents of sentences: text files, Wikipedia dumps, and directories of both.

A document goes into one split as a whole, by a hash of its name, so that the same article or the same line is in the
same split whatever else is read with it.
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
from interp_transliteration.sentences import cut_long, normalize, split_sentences, usable
from interp_transliteration.wikipedia import read_articles

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SPLITS = ("train", "validation", "test")
MAX_LINE = 10_000_000
"""Bytes that one line of a text file may have."""

_COMPRESSED = (".gz", ".bz2", ".xz")
_KINDS = (".txt", ".xml")
_EXPECTED = "expected .txt (text, a sentence a line) or .xml (MediaWiki dump), also as .gz, .bz2 or .xz"
_FORCED = {"-train": "train", "-dev": "validation", "-validation": "validation", "-test": "test"}
_TEST, _VALIDATION = 0.15, 0.05
_SALT = b"interp-11"  # with it the three shares hold in sentences too where articles differ much in length


@dataclass(frozen=True, slots=True)
class Document:
    """A piece of text that goes into one split as a whole: an article, or a line of a text file.

    Attributes
    ----------
    name : str
        The title of the article, or ``file.txt:17`` for a line of a text file.
    sentences : tuple of str
        NFC, single spaces, no line breaks, none empty.
    split : str or None
        The split, where the file's name or the text decides it; None: ``split_of(name)``.
    """

    name: str
    sentences: tuple[str, ...]
    split: str | None = None


def split_of(name: str) -> str:
    """Return the split of what is called `name`, always the same.

    Parameters
    ----------
    name : str
        The title of an article, or the text of a line.

    Returns
    -------
    str
        ``"train"`` for about 80 % of all names, ``"validation"`` for 5 %, ``"test"`` for 15 %.
    """
    digest = hashlib.blake2b(normalize(name).encode(), digest_size=8, person=_SALT).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return "test" if share < _TEST else "validation" if share < _TEST + _VALIDATION else "train"


def read_split(path: Path | str, split: str | None) -> Iterator[tuple[str, str]]:
    """Read the sentences of one split.

    Parameters
    ----------
    path : Path or str
        As for `read_documents`.
    split : str or None
        ``"train"``, ``"validation"`` or ``"test"``; None for all.

    Yields
    ------
    tuple of str and str
        Name of the document, sentence.

    Raises
    ------
    CorpusError
        As `read_documents`, and where the split has not one sentence.
    """
    if split not in (None, *SPLITS):
        raise CorpusError(f"No split named {split!r}; expected one of: {', '.join(SPLITS)}.")
    seen: Counter[str] = Counter()
    for document in read_documents(path):
        own = document.split or split_of(document.name)
        seen[own] += len(document.sentences)
        if split in (None, own):
            yield from ((document.name, sentence) for sentence in document.sentences)
    if split is not None and not seen[split]:
        others = ", ".join(f"{name} {count}" for name, count in sorted(seen.items()))
        raise CorpusError(f"{path} has no sentence in the split {split!r} (it has: {others}); choose another split.")


def read_documents(path: Path | str) -> Iterator[Document]:
    """Read a text file, a MediaWiki dump, or all of them in a directory, in bounded memory.

    Parameters
    ----------
    path : Path or str
        ``.txt`` (UTF-8; each line that is not empty is a document of one sentence; a line of over 1,000
        characters is cut into its sentences) or ``.xml`` (a dump; each article is a document), either also as
        ``.gz``, ``.bz2`` or ``.xz``; or a directory of such files, read in the order of their names.
        A name that ends in ``-train``, ``-dev``, ``-validation`` or ``-test`` puts the whole file into that split.

    Yields
    ------
    Document
        In the order of the corpus.

    Raises
    ------
    CorpusError
        Where there is nothing to read, or not one sentence in it, or a file is not what its name says.

    Warns
    -----
    UserWarning
        Where a file is cut off; what is whole in it has been read.
    """
    path, found = Path(path), False
    for file in _files(path):
        for document in _read_file(file):
            found = True
            yield document
    if not found:
        what = "is empty" if path.is_file() and not path.stat().st_size else "has not one sentence"
        raise CorpusError(f"{path} {what}: {_EXPECTED}.")


class _Source(io.RawIOBase):
    """The decompressed bytes of a file, checked to be UTF-8 text; `cut` says that the file ends too early."""

    def __init__(self, path: Path) -> None:
        self.path, self.cut, self._offset = path, False, 0
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
            self.cut = True
            return b""
        except (OSError, lzma.LZMAError, zlib.error) as error:
            raise CorpusError(f"{self.path} is corrupt, fetch or compress it again: {error}.") from error

    def _check(self, data: bytes) -> None:
        pending = self._decoder.getstate()[0]
        if not data:
            self.cut = self.cut or bool(pending)  # it ends in the middle of a character
            return
        wrong = data.find(b"\0")
        try:
            self._decoder.decode(data)
        except UnicodeDecodeError as error:
            wrong = max(0, error.start - len(pending)) if wrong < 0 else min(wrong, error.start - len(pending))
        if wrong >= 0:
            raise CorpusError(
                f"{self.path} is not UTF-8 text: byte 0x{data[wrong]:02x} at offset {self._offset + wrong:,}"
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
    """Return the files to read; an error where there are none."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and _kind(file) and file.name[0] != ".")
        if not files:
            raise CorpusError(f"{path} is a directory without one readable file: {_EXPECTED}.")
        return files
    if not path.exists():
        raise CorpusError(f"{path} does not exist; give a file or a directory: {_EXPECTED}.")
    if not _kind(path):
        raise CorpusError(f"{path} is of an unknown type: {_EXPECTED}.")
    return [path]


def _kind(file: Path) -> str:
    """Return ``.txt`` or ``.xml``, without the compression; empty for every other type."""
    name = file.with_suffix("") if file.suffix.lower() in _COMPRESSED else file
    return name.suffix.lower() if name.suffix.lower() in _KINDS else ""


def _forced_split(file: Path) -> str | None:
    name = file.with_suffix("") if file.suffix.lower() in _COMPRESSED else file
    return next((split for ending, split in _FORCED.items() if name.stem.lower().endswith(ending)), None)


def _read_file(file: Path) -> Iterator[Document]:
    source = _Source(file)
    with io.BufferedReader(source, 1 << 16) as stream:
        if not stream.peek(1) and not source.cut:
            return
        read = _articles if _kind(file) == ".xml" else _lines
        yield from read(stream, source, _forced_split(file))


def _articles(stream: "io.BufferedReader[_Source]", source: _Source, forced: str | None) -> Iterator[Document]:
    for title, lines in read_articles(stream, str(source.path)):
        sentences = tuple(filter(usable, (sentence for line in lines for sentence in split_sentences(line))))
        if sentences:
            yield Document(title, sentences, forced)


def _lines(stream: "io.BufferedReader[_Source]", source: _Source, forced: str | None) -> Iterator[Document]:
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise CorpusError(f"{source.path}:{number + 1} is a line of over {MAX_LINE:,} bytes: {_EXPECTED}.")
        if source.cut and not line.endswith(b"\n"):
            break
        number += 1
        text = normalize(line.decode())
        if text:
            yield Document(f"{source.path.name}:{number}", tuple(cut_long(text)), forced or split_of(text))
    if source.cut:
        warnings.warn(f"{source.path} is cut off; its last whole line is {number}.", stacklevel=2)
