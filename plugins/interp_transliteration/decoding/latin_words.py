"""Which words stay as they are typed: the evidence of their letters, taken together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple
from unicodedata import combining

import numpy as np

from interp_transliteration.pack import UNKNOWN, Pack

WORD = re.compile(r"""\S*://\S*|[^\s\-–—,;()«»“”"\[\]!?]+""")
LETTERS = re.compile(r"[A-Za-z0-9].*[A-Za-z0-9]|[A-Za-z0-9]")
LONG = 4  # letters of a word that is not short
SURELY = 4.0  # nats: log odds of a word that stays without doubt
BESIDE = -1.5  # nats a letter: log odds that will do beside such a word
LAST_PLAIN = "\u02ff"  # behind it begin the combining marks
SURE = -16.0  # nats: the smallest log probability that counts


class Evidence(NamedTuple):
    """A word, the log odds that it stays, without end for links and strange words, and its number of Latin letters."""

    start: int
    text: str
    odds: float
    letters: int

    def inner(self) -> slice:
        """Return where its letters are, without the marks around them; of a link or a strange word all of it."""
        found = None if np.isinf(self.odds) else LETTERS.search(self.text)
        first, last = found.span() if found else (0, len(self.text))
        return slice(self.start + first, self.start + last)


class _Line(NamedTuple):
    """What is typed, with the output that is each letter itself, and which are Latin, and which mean nothing else."""

    typed: str
    own: np.ndarray
    latin: np.ndarray
    nothing: np.ndarray

    def odds(self, logs: np.ndarray) -> np.ndarray:
        """Return for each letter the network's log odds that it stays, 0 for what is no Latin letter."""
        copied = np.clip(logs[np.arange(len(self.typed)), self.own], SURE, -np.exp(SURE))
        odds: np.ndarray = np.where(self.latin, copied - np.log(-np.expm1(copied)), 0.0)
        return odds

    def held(self, logs: np.ndarray, stays: np.ndarray) -> np.ndarray:
        """Return a copy of logarithms in which some letters can only stay."""
        logs = logs.copy()
        logs[stays] = -np.inf
        logs[stays, self.own[stays]] = 0.0
        return logs


class Words:
    """Settles letter by letter what a network may write, word by word what it may not.

    A word stays as it is typed when the network finds that likelier than script, by the product of the odds of its
    letters; when it is a link; or when a letter of it is in neither alphabet, as in *café*. Where another word of the
    line surely stays, for a short word the one beside it, less will do: Latin words seldom come alone. In any other
    word no Latin letter is left. Characters that no rule gives a meaning stay always.

    Parameters
    ----------
    pack : Pack
    keep_latin : bool
        Whether words may stay; else only letters of neither alphabet do.
    """

    def __init__(self, pack: Pack, *, keep_latin: bool = True) -> None:
        self.pack, self.keep_latin = pack, keep_latin
        self._code = {letter: number for number, letter in enumerate(pack.inputs)}
        self._own = [pack.plain.index(letter) for letter in pack.inputs]
        self._rows: dict[str, int] = {}  # of each character: 4 own + 2 latin + nothing

    @cached_property
    def _latin(self) -> np.ndarray:
        """The outputs that are Latin letters."""
        return np.array([number for number, symbol in enumerate(self.pack.outputs) if self._is_latin(symbol)])

    def _is_latin(self, symbol: str) -> bool:
        return symbol.isascii() and symbol.isalpha() and symbol in self._code

    @cached_property
    def _meaning(self) -> frozenset[str]:
        """The characters that some rule spells something else with."""
        spelled = ((unit, latin) for rules in self.pack.rules.values() for table in (rules.anywhere, rules.initial)
                   for unit, spellings in table.items() for latin in spellings)  # fmt: skip
        return frozenset(char for unit, latin in spelled if unit != latin for char in latin)

    def settle(self, typed: str, logs: np.ndarray) -> np.ndarray:
        """Return a network's log probabilities (letter, output) with its words settled, see `fix`."""
        line = self._read(typed)
        words = self._words(line, line.odds(logs))
        kept = [word.inner() for word, among in zip(words, _among(words), strict=True)
                if word.odds > (BESIDE * word.letters if among else 0.0)]  # fmt: skip
        return self._fixed(line, logs, kept if self.keep_latin else [])

    def fix(self, typed: str, logs: np.ndarray, kept: Iterable[slice]) -> np.ndarray:
        """Return log probabilities (letter, output) in which what is out of the question is ``-inf``; rows sum to 1.

        Parameters
        ----------
        typed : str
        logs : array (letter, output)
            The network's.
        kept : iterable of slice
            The letters of the words that stay.
        """
        return self._fixed(self._read(typed), logs, kept)

    def _fixed(self, line: _Line, logs: np.ndarray, kept: Iterable[slice]) -> np.ndarray:
        stays = line.nothing.copy()
        for word in kept:
            stays[word] = True
        logs = line.held(logs, stays)
        logs[np.ix_(line.latin & ~stays, self._latin)] = -np.inf
        top = logs.max(1, keepdims=True)
        settled: np.ndarray = logs - top - np.log(np.exp(logs - top).sum(1, keepdims=True))
        return settled

    def evidence(self, typed: str, logs: np.ndarray) -> list[Evidence]:
        """Return the words that may stay, with what the network says of each; none where no word may."""
        line = self._read(typed)
        return self._words(line, line.odds(logs)) if self.keep_latin else []

    def _read(self, typed: str) -> _Line:
        rows = np.array([self._rows.get(char) or self._row(char) for char in typed], dtype=int)
        nothing = rows % 2 == 1
        nothing[[at - 1 for at, char in enumerate(typed) if at and char > LAST_PLAIN and combining(char)]] = True
        return _Line(typed, rows >> 2, rows >> 1 & 1 == 1, nothing)

    def _row(self, char: str) -> int:
        own = self._own[self._code.get(char, self._code[UNKNOWN])]
        row = 4 * own + 2 * self._is_latin(char) + (char not in self._meaning)
        if char in self._code:  # the others are without number
            self._rows[char] = row
        return row

    def _words(self, line: _Line, odds: np.ndarray) -> list[Evidence]:
        """Return the words with Latin letters, links and strange words among them."""
        words = [Evidence(word.start(), word[0], np.inf if self._strange(word[0]) or "://" in word[0] else
                           float(odds[slice(*word.span())].sum()), int(line.latin[slice(*word.span())].sum()))
                 for word in WORD.finditer(line.typed)]  # fmt: skip
        return [word for word in words if word.letters or np.isinf(word.odds)]

    def _strange(self, word: str) -> bool:
        return any((char.isalpha() and char not in self.pack.letters) or combining(char)
                   for char in word if char not in self._code)  # fmt: skip


def _among(words: Sequence[Evidence]) -> Iterator[bool]:
    """Yield for each word whether another one surely stays: of the line, for a short word beside it."""
    sure = [SURELY < word.odds < np.inf for word in words]
    for at, word in enumerate(words):
        reach = len(words) if word.letters >= LONG else 1
        yield any(sure[max(0, at - reach) : at] + sure[at + 1 : at + 1 + reach])
