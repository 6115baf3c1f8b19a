"""What else can be installed to write Armenian from Latin letters; none of it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

Line = Callable[[str], str]


def _by_words(module: Any) -> Line:
    """Return its function for a word; some words, as those that end with R, are an error of its own and stay."""

    def word(typed: str) -> str:
        try:
            return str(module.armenian_latin_to_armenian_hy(typed))
        except IndexError:
            return typed

    return lambda line: " ".join(map(word, line.split(" ")))


RIVALS: dict[str, tuple[str, Callable[[Any], Line]]] = {
    "transliterate": ("transliterate", lambda module: lambda line: str(module.translit(line, "hy"))),
    "ICU Latin-Armenian": ("icu", lambda module: module.Transliterator.createInstance("Latin-Armenian").transliterate),
    "armenian-latin-to-armenian-hy": ("armenian_transliterate", _by_words),
    "tetrak-translit, ISO 9985": (
        "tetrak_translit",
        lambda module: lambda line: str(module.to_armenian(line, "iso_9985")),
    ),
}
"""For each name the module that brings it, and what makes of the module a function from a line to a line."""


def installed(language: str) -> Iterator[tuple[str, Line]]:
    """Yield name and function of those that are installed; they are for Armenian only."""
    for name, (module, make) in RIVALS.items() if language == "hy" else ():
        try:
            yield name, make(import_module(module))
        except ImportError:
            continue
