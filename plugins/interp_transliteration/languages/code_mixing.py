"""Code mixing: Latin passages between the words of a text, and words in capitals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from interp_transliteration.languages.pack import DATA_FOLDER, Pack

HELD_OUT_MODULUS = 5  # one word in five is never trained on
LATIN_WORD, ROMAN_NUMERAL = re.compile("[A-Za-z]{4,}"), re.compile("[IVXLCDM]+")
DOMAIN_ENDINGS = ("com", "org", "net", "am", "ru", "io", "gov", "info")
FILE_EXTENSIONS = ("py", "txt", "pdf", "jpg", "doc", "csv", "html")


def load_latin_words(path: Path | None = None, *, held_out: bool = False) -> list[str]:
    """Return the distinct words of a Latin text: those for training, or those held out from it.

    Parameters
    ----------
    path : Path, optional
        File with words separated by white space. Default: the shipped list.
    held_out : bool
        Whether to return the held-out words instead: one in five, by a hash of the lower-case word.
    """
    words = dict.fromkeys((path or DATA_FOLDER / "latin.txt").read_text(encoding="utf-8").split())
    return [word for word in words if (sha256(word.lower().encode()).digest()[0] % HELD_OUT_MODULUS == 0) == held_out]


def extract_latin_words(texts: Iterable[str], *, exclude: Iterable[str] = ()) -> list[str]:
    """Return the Latin words of at least four letters in texts, by first occurrence, without the held-out words.

    Parameters
    ----------
    texts : iterable of str
    exclude : iterable of str
        Further words to exclude, in any case.
    """
    excluded = {word.lower() for word in exclude} | {word.lower() for word in load_latin_words(held_out=True)}
    words = dict.fromkeys(word for text in texts for word in LATIN_WORD.findall(text))
    return [word for word in words if word.lower() not in excluded and not ROMAN_NUMERAL.fullmatch(word)]


def add_capitals(pack: Pack, texts: Sequence[str], share: float, seed: int) -> list[str]:
    """Put a share of the texts in capitals: a third of them as a whole, one to four words of the others."""
    generator = np.random.default_rng([seed, 9])
    mask = generator.random(len(texts)) < share
    return [_add_capitals(pack, text, generator) if is_drawn else text
            for text, is_drawn in zip(texts, mask.tolist(), strict=True)]  # fmt: skip


def _add_capitals(pack: Pack, text: str, generator: np.random.Generator) -> str:
    if generator.random() < 1 / 3:
        return pack.upper(text)
    words = text.split(" ")
    first = int(generator.integers(len(words)))
    last = first + int(generator.integers(1, 5))
    return " ".join([*words[:first], *map(pack.upper, words[first:last]), *words[last:]])


@dataclass(frozen=True)
class CodeMixer:
    """Inserts Latin words, titles, addresses, and Latin words with an ending of the script into texts.

    Parameters
    ----------
    pack : Pack
    words : sequence of str
        Latin words, as from `load_latin_words`.
    share : float
        Share of texts with Latin passages, 0..1.
    """

    pack: Pack
    words: tuple[str, ...]
    share: float

    def mix(self, texts: Sequence[str], seed: int) -> list[str]:
        """Return the texts, a share of them with one to three passages each; deterministic for a seed."""
        generator = np.random.default_rng([seed, 7])
        mask = generator.random(len(texts)) < self.share
        return [self._insert_passages(text, generator) if is_drawn else text
                for text, is_drawn in zip(texts, mask.tolist(), strict=True)]  # fmt: skip

    def _insert_passages(self, text: str, generator: np.random.Generator) -> str:
        words = text.split(" ")
        for _ in range(int(generator.integers(1, 4))):
            words.insert(int(generator.integers(0, len(words) + 1)), self.passage(generator))
        return " ".join(words)

    def passage(self, generator: np.random.Generator) -> str:
        """Return a random passage; two in three are phrases of one to four words."""
        makers: tuple[Callable[[np.random.Generator], str], ...] = (
            self._address, self._mail, self._name, self._word_with_ending,
        )  # fmt: skip
        if generator.random() < 2 / 3:
            return self._phrase(generator)
        return makers[int(generator.integers(len(makers)))](generator)

    def _word(self, generator: np.random.Generator) -> str:
        return self.words[int(generator.integers(len(self.words)))]

    @cached_property
    def _distinctive_words(self) -> tuple[str, ...]:
        """Words that can't be mistaken for words of the script when they stand alone."""
        return tuple(word for word in self.words if len(word) > 3 or not word.islower())

    def _distinctive_word(self, generator: np.random.Generator) -> str:
        return self._distinctive_words[int(generator.integers(len(self._distinctive_words)))]

    def _phrase(self, generator: np.random.Generator) -> str:
        count = int(generator.integers(1, 5))
        words = [self._word(generator) for _ in range(count)] if count > 1 else [self._distinctive_word(generator)]
        style = generator.random()
        if style < 0.35:
            return " ".join(word if word.isupper() else word[0].upper() + word[1:] for word in words)
        return " ".join(words).upper() if style < 0.4 else " ".join(words)

    def _address(self, generator: np.random.Generator) -> str:
        host = self._word(generator).lower() + (self._word(generator).lower() if generator.random() < 0.4 else "")
        start = ("", "www.", "https://", "http://")[int(generator.integers(4))]
        path = f"/{self._word(generator).lower()}" if generator.random() < 0.3 else ""
        return f"{start}{host}.{DOMAIN_ENDINGS[int(generator.integers(len(DOMAIN_ENDINGS)))]}{path}"

    def _mail(self, generator: np.random.Generator) -> str:
        user, host = self._word(generator).lower(), self._word(generator).lower()
        return f"{user}@{host}.com" if generator.random() < 0.6 else f"@{user}{int(generator.integers(100))}"

    def _name(self, generator: np.random.Generator) -> str:
        kind = generator.random()
        if kind < 0.4:
            return f"{self._word(generator)} {int(generator.integers(1, 3000))}"
        if kind < 0.7:
            return f"{self._word(generator).lower()}.{FILE_EXTENSIONS[int(generator.integers(len(FILE_EXTENSIONS)))]}"
        letters = generator.integers(0, 26, int(generator.integers(2, 6)))
        return "".join(chr(ord("A") + int(letter)) for letter in letters)

    def _word_with_ending(self, generator: np.random.Generator) -> str:
        endings = self.pack.endings
        ending = endings[int(generator.integers(len(endings)))] if endings else ""
        return f"{self._distinctive_word(generator)}{ending}"
