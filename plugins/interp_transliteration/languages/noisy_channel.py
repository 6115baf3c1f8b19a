"""The noisy channel: rule sets inverted, from spellings to the units that they can stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, log
from typing import NamedTuple

import numpy as np

from interp_transliteration.languages.pack import PLACEHOLDER, UNKNOWN, Pack, Rules
from interp_transliteration.languages.romaniser import Romaniser

IDENTITY_PROBABILITY = 1e-6  # P(spelling | unit) of a kept character that the rules always spell differently


class TypingStyle(NamedTuple):
    """The way in which a whole text is typed.

    Attributes
    ----------
    rules : Rules
    lower_case : bool
        Whether it is typed without capitals.
    share : float
        Share of all texts, 0..1.
    """

    rules: Rules
    lower_case: bool
    share: float


class SpellingOption(NamedTuple):
    """A unit that some letters can stand for.

    Attributes
    ----------
    length : int
        Length of the spelling, in letters.
    code : int
        Position of the unit in ``pack.outputs``.
    log_probs : tuple of float
        log P(spelling | unit): entry ``2 * style`` at the start of a word, entry ``2 * style + 1`` inside one; the last
        two are those of a text of unknown style. ``-inf`` where the rules don't have the spelling.
    continues_word : bool
        Whether the next unit is inside a word.
    """

    length: int
    code: int
    log_probs: tuple[float, ...]
    continues_word: bool


class NoisyChannel:
    """For each spelling, the units that it can stand for.

    Parameters
    ----------
    pack : Pack
    rules : sequence of Rules
        Rule sets as for `Romaniser`; all are equally likely.

    Attributes
    ----------
    styles : tuple of TypingStyle
        Their shares sum to 1.
    """

    def __init__(self, pack: Pack, rules: Sequence[Rules]) -> None:
        self.pack = pack
        self.styles = tuple(
            TypingStyle(rule_set, lower_case, share / len(rules))
            for rule_set in rules
            for lower_case, share in ((False, 1 - rule_set.lower_case), (True, rule_set.lower_case))
            if share
        )
        self._romaniser = Romaniser(pack, rules)
        self._unknown = pack.outputs.index(UNKNOWN)
        self._options: dict[str, list[SpellingOption]] = {}
        for code, symbol in enumerate(pack.plain):
            if symbol not in (PLACEHOLDER, UNKNOWN):
                self._tabulate(code, symbol)
        self._max_length = max(map(len, self._options))

    def _tabulate(self, code: int, symbol: str) -> None:
        tables = [self._spellings(symbol, style, starts) for style in self.styles for starts in (True, False)]
        for latin in dict.fromkeys(latin for table in tables for latin in table):
            probs = [table.get(latin, 0.0) for table in tables]
            for position in (0, 1):
                probs.append(sum(style.share * probs[2 * row + position] for row, style in enumerate(self.styles)))
            logs = tuple(log(prob) if prob else -inf for prob in probs)
            option = SpellingOption(len(latin), code, logs, self._continues_word(symbol))
            self._options.setdefault(latin, []).append(option)

    def _spellings(self, symbol: str, style: TypingStyle, starts_word: bool) -> dict[str, float]:
        spellings: dict[str, float] = {}
        for latin, share in style.rules.spellings(symbol, starts_word=starts_word).items():
            form = self._lower(latin) if style.lower_case and symbol in self.pack.units else latin
            spellings[form] = spellings.get(form, 0.0) + share
        if symbol in self.pack.kept:
            spellings.setdefault(symbol, IDENTITY_PROBABILITY)
        return spellings

    def _lower(self, latin: str) -> str:
        return "".join(char.lower() if char.lower() in self.pack.kept else char for char in latin)

    def _continues_word(self, symbol: str) -> bool:
        return not self._romaniser.table_rows(symbol + " ")[0][-1] % 2

    def unit_codes(self, text: str) -> np.ndarray:
        """Return the units of a text in the script as positions in ``pack.outputs``: (unit,)."""
        return self._romaniser.table_rows(text)[0] // 2

    def options(self, typed: str, start: int) -> list[SpellingOption]:
        """Return the options for the letters from `start`, longest spelling first; never empty."""
        if typed[start] not in self._options:
            log_probs = (0.0,) * (2 * len(self.styles) + 2)
            return [SpellingOption(1, self._unknown, log_probs, self._continues_word(typed[start]))]
        options: list[SpellingOption] = []
        for length in range(min(self._max_length, len(typed) - start), 0, -1):
            options += self._options.get(typed[start : start + length], ())
        return options

    def symbols(self, choices: Iterable[tuple[int, int]]) -> tuple[str, ...]:
        """Return one symbol per letter for units given as ``(length, code)``, in order."""
        outputs = self.pack.outputs
        return tuple(symbol for length, code in choices for symbol in (outputs[code], *[PLACEHOLDER] * (length - 1)))
