"""The verb ``interp transliterate``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated

import typer


def transliterate(
    text: Annotated[
        list[str] | None, typer.Argument(help="Text; without it, lines are read from standard input.")
    ] = None,
    model: Annotated[str, typer.Option(help="A model, as `interp plugins` lists it.")] = "armenian-bilstm",
    language: Annotated[str, typer.Option(help="Language pack.")] = "hy",
) -> None:
    """Turn romanised text into its script: a line out for a line in."""
    from interp_transliteration.transliterator import Transliterator

    writer = Transliterator(model=model, language=language)
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")  # type: ignore[union-attr]
    lines = iter([" ".join(text)]) if text else (line.rstrip("\n") for line in sys.stdin)
    interactive = text is not None or sys.stdin.isatty()
    for block in _blocks(lines, 1 if interactive else 64):
        for line in writer(block):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _blocks(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    remaining = iter(lines)
    while block := list(islice(remaining, size)):
        yield block
