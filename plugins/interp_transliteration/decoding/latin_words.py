"""Latin words in a typed line: evidence from a network's probabilities, combined per word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple
from unicodedata import combining

import numpy as np

from interp_transliteration.languages.pack import UNKNOWN, Pack

WORD_PATTERN = re.compile(r"""\S*://\S*|[^\s\-–—,;()«»“”"\[\]!?]+""")
CORE_PATTERN = re.compile(r"[A-Za-z0-9].*[A-Za-z0-9]|[A-Za-z0-9]")
MIN_LONG_WORD = 4  # letters
CERTAIN_LOG_ODDS = 4.0  # nats; above it a word is certainly Latin
NEIGHBOUR_LOG_ODDS = -1.5  # nats per letter; threshold for a word with a certainly Latin neighbour
LAST_BASE_CHARACTER = "\u02ff"  # combining marks start after it
MIN_LOG_PROB = -16.0  # nats; smaller log probabilities are clipped


class WordEvidence(NamedTuple):
    """A word with the evidence that it is Latin.

    Attributes
    ----------
    start : int
        Position of its first character in the line.
    text : str
    log_odds : float
        Log odds that it stays as typed; infinite for links and for words with letters of neither alphabet.
    n_letters : int
        Number of Latin letters.
    """

    start: int
    text: str
    log_odds: float
    n_letters: int

    def inner_span(self) -> slice:
        """Return the span of the letters without surrounding punctuation; the whole word if its log odds are inf."""
        core = None if np.isinf(self.log_odds) else CORE_PATTERN.search(self.text)
        first, last = core.span() if core else (0, len(self.text))
        return slice(self.start + first, self.start + last)


class _Line(NamedTuple):
    """A typed line: for each letter its own output code, and masks of Latin letters and of fixed characters."""

    typed: str
    own_codes: np.ndarray
    is_latin: np.ndarray
    is_fixed: np.ndarray

    def log_odds(self, log_probs: np.ndarray) -> np.ndarray:
        """Return the network's log odds that each letter stays as typed; 0 for characters that are not Latin."""
        copy = np.clip(log_probs[np.arange(len(self.typed)), self.own_codes], MIN_LOG_PROB, -np.exp(MIN_LOG_PROB))
        log_odds: np.ndarray = np.where(self.is_latin, copy - np.log(-np.expm1(copy)), 0.0)
        return log_odds

    def fix_letters(self, log_probs: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return a copy of log probabilities in which the letters of a mask stay as typed with certainty."""
        log_probs = log_probs.copy()
        log_probs[mask] = -np.inf
        log_probs[mask, self.own_codes[mask]] = 0.0
        return log_probs


class LatinWordFilter:
    """Restricts what a network may write, word by word, so that a word is either Latin or in the script.

    A word stays as typed if the product of the odds of its letters is above 1, if it is a link, or if one of its
    letters is in neither alphabet, as in *café*. The threshold is lower if another word of the line is certainly Latin
    (for a short word: an adjacent one), because Latin words seldom come alone. In all other words no Latin letter is
    written. Characters without a meaning in any rule set always stay.

    Parameters
    ----------
    pack : Pack
    keep_latin : bool
        Whether words may stay as typed; if False, only letters of neither alphabet do.
    """

    def __init__(self, pack: Pack, *, keep_latin: bool = True) -> None:
        self.pack, self.keep_latin = pack, keep_latin
        self._input_codes = {letter: number for number, letter in enumerate(pack.inputs)}
        self._own_codes = [pack.plain.index(letter) for letter in pack.inputs]
        self._features: dict[str, int] = {}  # per character: 4 * own code + 2 * is Latin + is fixed

    @cached_property
    def _latin_outputs(self) -> np.ndarray:
        """Codes of the outputs that are Latin letters."""
        return np.array([number for number, symbol in enumerate(self.pack.outputs) if self._is_latin(symbol)])

    def _is_latin(self, symbol: str) -> bool:
        return symbol.isascii() and symbol.isalpha() and symbol in self._input_codes

    @cached_property
    def _spelling_characters(self) -> frozenset[str]:
        """Characters that some rule uses to spell something else."""
        pairs = ((unit, latin) for rules in self.pack.rules.values() for table in (rules.anywhere, rules.initial)
                 for unit, spellings in table.items() for latin in spellings)  # fmt: skip
        return frozenset(char for unit, latin in pairs if unit != latin for char in latin)

    def decide(self, typed: str, log_probs: np.ndarray) -> np.ndarray:
        """Decide for each word of a line if it is Latin, and constrain the log probabilities, see `constrain`."""
        line = self._read(typed)
        words = self._words(line, line.log_odds(log_probs))
        spans = [word.inner_span() for word, near_latin in zip(words, _has_latin_neighbour(words), strict=True)
                 if word.log_odds > (NEIGHBOUR_LOG_ODDS * word.n_letters if near_latin else 0.0)]  # fmt: skip
        return self._constrain(line, log_probs, spans if self.keep_latin else [])

    def constrain(self, typed: str, log_probs: np.ndarray, latin_spans: Iterable[slice]) -> np.ndarray:
        """Return log probabilities (letter, output) with ``-inf`` for excluded outputs; rows sum to 1.

        Parameters
        ----------
        typed : str
        log_probs : array (letter, output)
            Log probabilities of the network.
        latin_spans : iterable of slice
            Letters of the words that stay as typed.
        """
        return self._constrain(self._read(typed), log_probs, latin_spans)

    def _constrain(self, line: _Line, log_probs: np.ndarray, latin_spans: Iterable[slice]) -> np.ndarray:
        stays = line.is_fixed.copy()
        for span in latin_spans:
            stays[span] = True
        log_probs = line.fix_letters(log_probs, stays)
        log_probs[np.ix_(line.is_latin & ~stays, self._latin_outputs)] = -np.inf
        top = log_probs.max(1, keepdims=True)
        constrained: np.ndarray = log_probs - top - np.log(np.exp(log_probs - top).sum(1, keepdims=True))
        return constrained

    def evidence(self, typed: str, log_probs: np.ndarray) -> list[WordEvidence]:
        """Return the words that may stay as typed, with the network's evidence; empty without `keep_latin`."""
        line = self._read(typed)
        return self._words(line, line.log_odds(log_probs)) if self.keep_latin else []

    def _read(self, typed: str) -> _Line:
        features = np.array([self._features.get(char) or self._feature(char) for char in typed], dtype=int)
        is_fixed = features % 2 == 1
        marks = (at for at, char in enumerate(typed) if at and char > LAST_BASE_CHARACTER and combining(char))
        is_fixed[[at - 1 for at in marks]] = True
        return _Line(typed, features >> 2, features >> 1 & 1 == 1, is_fixed)

    def _feature(self, char: str) -> int:
        own_code = self._own_codes[self._input_codes.get(char, self._input_codes[UNKNOWN])]
        feature = 4 * own_code + 2 * self._is_latin(char) + (char not in self._spelling_characters)
        if char in self._input_codes:  # the set of other characters is unbounded
            self._features[char] = feature
        return feature

    def _words(self, line: _Line, log_odds: np.ndarray) -> list[WordEvidence]:
        """Return the words with Latin letters, and links and words with letters of neither alphabet."""
        words = [WordEvidence(word.start(), word[0], self._word_log_odds(word, log_odds),
                              int(line.is_latin[slice(*word.span())].sum()))
                 for word in WORD_PATTERN.finditer(line.typed)]  # fmt: skip
        return [word for word in words if word.n_letters or np.isinf(word.log_odds)]

    def _word_log_odds(self, word: re.Match[str], log_odds: np.ndarray) -> float:
        is_certain = "://" in word[0] or self._is_foreign(word[0])
        return np.inf if is_certain else float(log_odds[slice(*word.span())].sum())

    def _is_foreign(self, word: str) -> bool:
        return any((char.isalpha() and char not in self.pack.letters) or combining(char)
                   for char in word if char not in self._input_codes)  # fmt: skip


def _has_latin_neighbour(words: Sequence[WordEvidence]) -> Iterator[bool]:
    """Yield for each word if another word of the line is certainly Latin; for a short word, an adjacent one."""
    certain = [CERTAIN_LOG_ODDS < word.log_odds < np.inf for word in words]
    for at, word in enumerate(words):
        reach = len(words) if word.n_letters >= MIN_LONG_WORD else 1
        yield any(certain[max(0, at - reach) : at] + certain[at + 1 : at + 1 + reach])
