"""Text input and output: any bytes and any line length, in bounded memory."""

from __future__ import annotations

import sys
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO

from interp import CorpusError, OptionError
from interp.plotting import write_atomically

BLOCK_SIZE = 65_536  # bytes per read, and maximal number of characters of a buffered line
DECODING_ERRORS = "surrogateescape"  # invalid bytes are written back unchanged


def iter_blocks(stream: BufferedIOBase) -> Iterator[list[str]]:
    """Yield the lines of a stream with their line ends, as many at a time as are available.

    A line of over 65,536 characters is split into pieces, each of which ends after a space if it has one.
    """
    decoder, partial = getincrementaldecoder("utf-8")(DECODING_ERRORS), ""
    while data := stream.read1(BLOCK_SIZE):
        *lines, partial = (partial + decoder.decode(data)).split("\n")
        block = [line + "\n" for line in lines]
        if len(partial) >= BLOCK_SIZE:
            stop = partial.rfind(" ") + 1 or len(partial)
            block.append(partial[:stop])
            partial = partial[stop:]
        if block:
            yield block
    partial += decoder.decode(b"", final=True)
    if partial:
        yield [partial]


def iter_file_blocks(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Yield the lines of files in order, or of standard input if no file is given.

    Raises
    ------
    CorpusError
        If a file does not exist or can't be read.
    """
    if not paths:
        yield from iter_blocks(sys.stdin.buffer)  # type: ignore[arg-type]
    for path in paths:
        try:
            with path.open("rb") as stream:
                yield from iter_blocks(stream)
        except OSError as error:
            raise CorpusError(f"{path} can't be read: {error.strerror}.") from error


class TextWriter:
    """Writes decoded text, including bytes that are not valid UTF-8, back as it was read.

    Parameters
    ----------
    stream : binary file
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def __call__(self, text: str) -> None:
        """Write and flush a text."""
        self.stream.write(text.encode("utf-8", DECODING_ERRORS))
        self.stream.flush()


@contextmanager
def open_writer(path: Path | None, sources: Sequence[Path]) -> Iterator[TextWriter]:
    """Open a writer to standard output, or to a file that is replaced only when all is written.

    Raises
    ------
    OptionError
        If the file is also an input, or can't be written.
    """
    if path is None:
        yield TextWriter(sys.stdout.buffer)
        return
    if any(source.resolve() == path.resolve() for source in sources):
        raise OptionError(f"{path} is both input and output; give --output another name.")
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(write_atomically(path))
        except OSError as error:
            raise OptionError(f"{path} can't be written: {error.strerror}.") from error
        yield TextWriter(stream)
