"""Text in and out: any bytes, any length of line, in bounded memory."""

from __future__ import annotations

import sys
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

from interp import CorpusError, OptionError

SIZE = 65_536  # bytes that are read at once, and characters of a line that are held
ERRORS = "surrogateescape"  # bytes that are no text come out again


def blocks_of(stream: BufferedIOBase) -> Iterator[list[str]]:
    """Yield the lines of a stream with their ends, as many at once as were there to read.

    A line of over 65,536 characters comes in pieces, each up to its last space where it has one.
    """
    decoder, held = getincrementaldecoder("utf-8")(ERRORS), ""
    while data := stream.read1(SIZE):
        *lines, held = (held + decoder.decode(data)).split("\n")
        block = [line + "\n" for line in lines]
        if len(held) >= SIZE:
            stop = held.rfind(" ") + 1 or len(held)
            block.append(held[:stop])
            held = held[stop:]
        if block:
            yield block
    held += decoder.decode(b"", final=True)
    if held:
        yield [held]


def blocks_of_files(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Yield the lines of files one after the other, or of standard input where there are none.

    Raises
    ------
    CorpusError
        A file that is not there or can't be read.
    """
    if not paths:
        yield from blocks_of(sys.stdin.buffer)  # type: ignore[arg-type]
    for path in paths:
        try:
            with path.open("rb") as stream:
                yield from blocks_of(stream)
        except OSError as error:
            raise CorpusError(f"{path} can't be read: {error.strerror}.") from error


class Writer:
    """Writes text as it came in, bytes that are none among it.

    Parameters
    ----------
    stream : binary file
    """

    def __init__(self, stream: BufferedIOBase) -> None:
        self.stream = stream

    def __call__(self, text: str) -> None:
        """Write text at once."""
        self.stream.write(text.encode("utf-8", ERRORS))
        self.stream.flush()


@contextmanager
def writer_to(path: Path | None, sources: Sequence[Path]) -> Iterator[Writer]:
    """Give what writes: to standard output, or to a file, which is there whole or not at all.

    Raises
    ------
    OptionError
        A file that is read too, or that can't be written.
    """
    if path is None:
        yield Writer(sys.stdout.buffer)  # type: ignore[arg-type]
        return
    if any(source.resolve() == path.resolve() for source in sources):
        raise OptionError(f"{path} is read and written at once; give --output another name.")
    partial = path.with_name(path.name + ".partial")
    try:
        stream = partial.open("wb")
    except OSError as error:
        raise OptionError(f"{path} can't be written: {error.strerror}.") from error
    try:
        with stream:
            yield Writer(stream)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
