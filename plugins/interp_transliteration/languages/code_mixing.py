"""Latin words between the words of a text: what a reader expects to stay as it is typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from interp_transliteration.pack import FOLDER, Pack

HELD_OUT = 5  # one word in so many is never trained on
LATIN, ROMAN = re.compile("[A-Za-z]{4,}"), re.compile("[IVXLCDM]+")
ENDINGS = ("com", "org", "net", "am", "ru", "io", "gov", "info")
FILES = ("py", "txt", "pdf", "jpg", "doc", "csv", "html")


def latin_words(path: Path | None = None, *, held_out: bool = False) -> list[str]:
    """Return the words of a Latin text, each once, without those that are held out from training or they alone.

    Parameters
    ----------
    path : Path, optional
        Words with white space between; by default the shipped list.
    held_out : bool
        Those that are never trained on: one in five, by a hash of the word in lower case.
    """
    found = dict.fromkeys((path or FOLDER / "latin.txt").read_text(encoding="utf-8").split())
    return [word for word in found if (sha256(word.lower().encode()).digest()[0] % HELD_OUT == 0) == held_out]


def latin_words_in(texts: Iterable[str], *, known: Iterable[str] = ()) -> list[str]:
    """Return the Latin words of at least four letters that stand in texts, in the order in which they first appear.

    Parameters
    ----------
    texts : iterable of str
    known : iterable of str
        Words to leave out, as those that are held out.
    """
    leave = {word.lower() for word in known} | {word.lower() for word in latin_words(held_out=True)}
    found = dict.fromkeys(word for text in texts for word in LATIN.findall(text))
    return [word for word in found if word.lower() not in leave and not ROMAN.fullmatch(word)]


def raised(pack: Pack, texts: Sequence[str], share: float, seed: int) -> list[str]:
    """Return texts a share of which is in capitals: one in three of these as a whole, of others one to four words."""
    draw = np.random.default_rng([seed, 9])
    chosen = draw.random(len(texts)) < share
    return [_raised(pack, text, draw) if some else text for text, some in zip(texts, chosen.tolist(), strict=True)]


def _raised(pack: Pack, text: str, draw: np.random.Generator) -> str:
    if draw.random() < 1 / 3:
        return pack.upper(text)
    words = text.split(" ")
    first = int(draw.integers(len(words)))
    last = first + int(draw.integers(1, 5))
    return " ".join([*words[:first], *map(pack.upper, words[first:last]), *words[last:]])


@dataclass(frozen=True)
class Mixer:
    """Puts Latin words, titles, addresses, and words with an ending of the script between the words of texts.

    Parameters
    ----------
    pack : Pack
    words : sequence of str
        Latin ones, as of `latin_words`.
    share : float
        Of texts that get any, 0..1.
    """

    pack: Pack
    words: tuple[str, ...]
    share: float

    def mix(self, texts: Sequence[str], seed: int) -> list[str]:
        """Return the texts with one to three passages each, where it is drawn; the same for a seed."""
        draw = np.random.default_rng([seed, 7])
        chosen = draw.random(len(texts)) < self.share
        return [self._mixed(text, draw) if some else text for text, some in zip(texts, chosen.tolist(), strict=True)]

    def _mixed(self, text: str, draw: np.random.Generator) -> str:
        words = text.split(" ")
        for _ in range(int(draw.integers(1, 4))):
            words.insert(int(draw.integers(0, len(words) + 1)), self.passage(draw))
        return " ".join(words)

    def passage(self, draw: np.random.Generator) -> str:
        """Return a passage: two in three are one to four words."""
        makers: tuple[Callable[[np.random.Generator], str], ...] = (self._address, self._mail, self._name, self._ended)
        return self._phrase(draw) if draw.random() < 2 / 3 else makers[int(draw.integers(len(makers)))](draw)

    def _word(self, draw: np.random.Generator) -> str:
        return self.words[int(draw.integers(len(self.words)))]

    @cached_property
    def _long(self) -> tuple[str, ...]:
        """Words that are not taken for one of the script when they stand alone."""
        return tuple(word for word in self.words if len(word) > 3 or not word.islower())

    def _alone(self, draw: np.random.Generator) -> str:
        return self._long[int(draw.integers(len(self._long)))]

    def _phrase(self, draw: np.random.Generator) -> str:
        count = int(draw.integers(1, 5))
        words = [self._word(draw) for _ in range(count)] if count > 1 else [self._alone(draw)]
        style = draw.random()
        if style < 0.35:
            return " ".join(word if word.isupper() else word[0].upper() + word[1:] for word in words)
        return " ".join(words).upper() if style < 0.4 else " ".join(words)

    def _address(self, draw: np.random.Generator) -> str:
        host = self._word(draw).lower() + (self._word(draw).lower() if draw.random() < 0.4 else "")
        start = ("", "www.", "https://", "http://")[int(draw.integers(4))]
        path = f"/{self._word(draw).lower()}" if draw.random() < 0.3 else ""
        return f"{start}{host}.{ENDINGS[int(draw.integers(len(ENDINGS)))]}{path}"

    def _mail(self, draw: np.random.Generator) -> str:
        first, host = self._word(draw).lower(), self._word(draw).lower()
        return f"{first}@{host}.com" if draw.random() < 0.6 else f"@{first}{int(draw.integers(100))}"

    def _name(self, draw: np.random.Generator) -> str:
        kind = draw.random()
        if kind < 0.4:
            return f"{self._word(draw)} {int(draw.integers(1, 3000))}"
        if kind < 0.7:
            return f"{self._word(draw).lower()}.{FILES[int(draw.integers(len(FILES)))]}"
        letters = draw.integers(0, 26, int(draw.integers(2, 6)))
        return "".join(chr(ord("A") + int(letter)) for letter in letters)

    def _ended(self, draw: np.random.Generator) -> str:
        endings = self.pack.endings
        ending = endings[int(draw.integers(len(endings)))] if endings else ""
        return f"{self._alone(draw)}{ending}"
