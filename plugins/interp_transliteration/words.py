"""Which words stay as they are typed: the network's evidence of their letters, taken together."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
SURE = -16.0  # nats: the smallest log probability that counts


class _Evidence(NamedTuple):
    start: int
    text: str
    odds: float
    letters: int

    def inner(self) -> slice:
        """Return where its letters are, without the marks around them; of a link or a strange word all of it."""
        found = None if np.isinf(self.odds) else LETTERS.search(self.text)
        first, last = found.span() if found else (0, len(self.text))
        return slice(self.start + first, self.start + last)


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
        self._own = [pack.plain.index(letter) for letter in pack.inputs]
        self._code = {letter: number for number, letter in enumerate(pack.inputs)}

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
        """Return log probabilities (letter, output) in which what is out of the question is ``-inf``; rows sum to 1."""
        own = np.array([self._own[self._code.get(char, self._code[UNKNOWN])] for char in typed], dtype=int)
        latin = np.array([self._is_latin(char) for char in typed], dtype=bool)
        stays = np.array([char not in self._meaning for char in typed], dtype=bool)
        stays[[at for at in range(len(typed) - 1) if combining(typed[at + 1])]] = True
        for word in self._kept(typed, own, latin, logs):
            stays[word] = True
        logs = logs.copy()
        logs[np.ix_(latin & ~stays, self._latin)] = -np.inf
        logs[stays] = -np.inf
        logs[stays, own[stays]] = 0.0
        top = logs.max(1, keepdims=True)
        settled: np.ndarray = logs - top - np.log(np.exp(logs - top).sum(1, keepdims=True))
        return settled

    def _kept(self, typed: str, own: np.ndarray, latin: np.ndarray, logs: np.ndarray) -> Iterator[slice]:
        if not self.keep_latin:
            return
        copied = np.clip(logs[np.arange(len(typed)), own], SURE, -np.exp(SURE))
        odds = np.where(latin, copied - np.log(-np.expm1(copied)), 0.0)
        words = [_Evidence(word.start(), word[0], np.inf if self._strange(word[0]) or "://" in word[0] else
                           float(odds[slice(*word.span())].sum()), int(latin[slice(*word.span())].sum()))
                 for word in WORD.finditer(typed)]  # fmt: skip
        words = [word for word in words if word.letters or np.isinf(word.odds)]
        surely = [SURELY < word.odds < np.inf for word in words]
        for at, word in enumerate(words):
            reach = len(words) if word.letters >= LONG else 1
            others = surely[max(0, at - reach) : at] + surely[at + 1 : at + 1 + reach]
            if word.odds > (BESIDE * word.letters if any(others) else 0.0):
                yield word.inner()

    def _strange(self, word: str) -> bool:
        return any((char.isalpha() and char not in self._code and char not in self.pack.letters) or combining(char)
                   for char in word)  # fmt: skip
