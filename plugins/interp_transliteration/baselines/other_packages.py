"""Other packages that write Armenian from Latin letters; all of them are optional."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

LineFunction = Callable[[str], str]


def _word_by_word(module: Any) -> LineFunction:
    """Return a line function; words on which the package itself fails, such as those ending in R, stay as typed."""

    def convert_word(typed: str) -> str:
        try:
            return str(module.armenian_latin_to_armenian_hy(typed))
        except IndexError:
            return typed

    return lambda line: " ".join(map(convert_word, line.split(" ")))


OTHER_PACKAGES: dict[str, tuple[str, Callable[[Any], LineFunction]]] = {
    "transliterate": ("transliterate", lambda module: lambda line: str(module.translit(line, "hy"))),
    "ICU Latin-Armenian": ("icu", lambda module: module.Transliterator.createInstance("Latin-Armenian").transliterate),
    "armenian-latin-to-armenian-hy": ("armenian_transliterate", _word_by_word),
    "tetrak-translit, ISO 9985": (
        "tetrak_translit",
        lambda module: lambda line: str(module.to_armenian(line, "iso_9985")),
    ),
}
"""For each name the module to import, and a function from that module to a line function."""


def installed_packages(language: str) -> Iterator[tuple[str, LineFunction]]:
    """Yield name and line function of each installed package; there are none for other languages than Armenian."""
    for name, (module, make_function) in OTHER_PACKAGES.items() if language == "hy" else ():
        try:
            yield name, make_function(import_module(module))
        except ImportError:
            continue
